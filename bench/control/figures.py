# SPDX-License-Identifier: Apache-2.0
"""Figures and tables from the cells."""
from cells import POLICIES, SWITCHING, cell_key, fall_key, steady_key
from common import figure, median, say
from mixes import MIXES

RIVALS = ("static", "faircim", "exchange", "parties", "clite", "hera")
RESTORE_MISSED_S = 60  # stands for "never" where a median needs a number


class Cells:
    """The cells of a scale, complete or not."""

    def __init__(self, store, scale):
        self.store, self.scale = store, scale

    def reports(self, mix, load, policy):
        found = (self.store.get(cell_key(mix, load, policy, repetition))
                 for repetition in range(self.scale.repetitions))
        return [report for report in found if report is not None]

    def served(self, mix, load, policy):
        """Goodput over what was offered, one for each repetition."""
        return [report["total"]["goodput"] / report["total"]["rate"]
                for report in self.reports(mix, load, policy)]

    def over_loads(self, mix, policy):
        """Mean over the loads of the medians of `served`."""
        return mean(median(self.served(mix, load, policy)) for load in self.scale.loads)

    def attainment(self, mix, load, policy):
        """tenant -> share of all repetitions' requests that were answered in time"""
        within, due = {}, {}
        for report in self.reports(mix, load, policy):
            for tenant in report["tenants"]:
                name = tenant["name"]
                within[name] = within.get(name, 0) + tenant["attainment"] * tenant["scheduled"]
                due[name] = due.get(name, 0) + tenant["scheduled"]
        return {name: within[name] / due[name] for name in due}

    def margin(self, mix, load, policy):
        """By how much the worst tenant is above its percentile, in points."""
        shares = self.attainment(mix, load, policy)
        return min((shares[tenant.name] - tenant.percentile) * 100 for tenant in MIXES[mix])

    def margin_together(self, mix, load, policy):
        """The same over all requests of the mix."""
        tenants = {tenant.name: tenant.percentile for tenant in MIXES[mix]}
        rows = [(row["attainment"] - tenants[row["name"]], row["scheduled"])
                for report in self.reports(mix, load, policy) for row in report["tenants"]]
        return 100 * sum(gap * due for gap, due in rows) / sum(due for _, due in rows)

    def feasible(self):
        """Cells in which some policy, or the cheapest variants, kept every tenant's promise."""
        return [(mix, load) for mix in self.scale.mixes for load in self.scale.loads
                if any(self.margin(mix, load, policy) >= 0 for policy in POLICIES)]

    def accuracy(self, mix, load, policy):
        """EA over the tenants whose accuracies are known, one for each repetition."""
        values = []
        for report in self.reports(mix, load, policy):
            known = [tenant for tenant in report["tenants"]
                     if tenant["effective_accuracy"] is not None]
            values.append(sum(t["effective_accuracy"] * t["scheduled"] for t in known)
                          / sum(t["scheduled"] for t in known))
        return values

    def switches(self, mix, load, policy):
        """One for each repetition; a cell begins soon after a load has changed."""
        return [switches_per_minute(report, mix) for report in self.reports(mix, load, policy)]

    def manager(self, mix, load, policy):
        """Per cent of a core that ticks take, one for each repetition."""
        return [100 * report["server"]["manager_cpu_s"] / report["server"]["seconds"]
                for report in self.reports(mix, load, policy)]


def switches_per_minute(report, mix):
    """And tenant, while it was measured."""
    server = report["server"]
    return sum(server["switches"].values()) / len(MIXES[mix]) / server["seconds"] * 60


def mean(values):
    values = list(values)
    return sum(values) / len(values)


def tell(store, scale):
    cells = Cells(store, scale)
    ratios = {}
    for mix in scale.mixes:
        ours = cells.over_loads(mix, "roost")
        best = max(RIVALS, key=lambda policy: cells.over_loads(mix, policy))
        ratios[mix] = ours / cells.over_loads(mix, best)
        say(f"{mix}: roost serves {ours:.3f} of what is offered, {best}, the best other policy, "
            f"{cells.over_loads(mix, best):.3f}")
    figure("control_goodput_vs_best_other", min(ratios.values()), 0.98, "x", least=True)
    figure("control_goodput_vs_static_overload",
           in_overload(cells, "roost") / in_overload(cells, "static"), 1.5, "x", least=True)
    tell_attainment(cells)
    tell_restores(store, scale)
    figure("control_switches_per_minute", max(
        switches_per_minute(store.get(steady_key(mix)), mix) for mix in scale.mixes), 1)


def in_overload(cells, policy):
    """Goodput over what is offered, the mean of all mixes and loads above capacity: in a single mix
    static may serve nothing at all."""
    return mean(median(cells.served(mix, load, policy)) for mix in cells.scale.mixes
                for load in cells.scale.loads if load > 1)


def tell_attainment(cells):
    feasible = cells.feasible()
    say("cells that some policy or the cheapest variants carry: "
        + ", ".join(f"{mix} x{load}" for mix, load in feasible))
    if not feasible:
        return
    figure("control_attainment_feasible", min(
        cells.margin_together(mix, load, "roost") for mix, load in feasible), 0, " points",
        least=True)
    figure("control_attainment_feasible_worst_tenant", min(
        cells.margin(mix, load, "roost") for mix, load in feasible), 0, " points", least=True)


def restores(store, scale, policy):
    """Seconds after the falls; None: not within the time that was watched."""
    falls = [store.get(fall_key(mix, policy, repetition)) for mix in scale.mixes
             for repetition in range(scale.repetitions)]
    return [fall["restore_s"] for fall in falls if fall is not None and fall["had_switched"]]


def tell_restores(store, scale):
    for policy in SWITCHING:
        found = restores(store, scale, policy)
        missed = sum(value is None for value in found)
        say(f"{policy}: top variants back after a fall {len(found) - missed} times of {len(found)}")
    found = [RESTORE_MISSED_S if value is None else value
             for value in restores(store, scale, "roost")]
    if found:
        figure("control_restore_s", max(found), 10, "s")


# ---- simulated and live ----------------------------------------------------------------------

def tell_simulated(store, scale, capacities):
    """Cells have their simulated twins in "sim-..."."""
    tails, attained = [], []
    cells = Cells(store, scale)
    for mix in scale.mixes:
        for load in scale.loads:
            twins = store.get(f"sim-{mix}-{load}")
            for policy, twin in twins.items():
                live = cells.reports(mix, load, policy)[0]
                pairs = list(zip(live["tenants"], twin["tenants"]))
                attained.append(abs(weighted(live["tenants"], "scheduled")
                                    - weighted(twin["tenants"], "arrivals")) * 100)
                if load <= 0.7:
                    tails += [abs(b["latency_p95_ns"] / 1e6 / a["latency_ms"]["p95"] - 1) * 100
                              for a, b in pairs]
    loads = [abs(store.get(f"sim-capacity-{mix}") / capacities[mix] - 1) * 100
             for mix in scale.mixes]
    for name, values, bound, unit in (("sim_live_p95", tails, 25, "%"),
                                      ("sim_live_max_load", loads, 15, "%"),
                                      ("sim_live_attainment", attained, 3, " points")):
        say(f"{name}: median {median(values):.1f}, mean {mean(values):.1f}, largest "
            f"{max(values):.1f} of {len(values)}")
        figure(name, mean(values), bound, unit)


def weighted(tenants, count):
    return sum(tenant["attainment"] * tenant[count] for tenant in tenants) / sum(
        tenant[count] for tenant in tenants)
