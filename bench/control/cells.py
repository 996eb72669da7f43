# SPDX-License-Identifier: Apache-2.0
"""Every policy on every mix at every load, on the same arrivals.

One server lives through a row: one mix, one policy, one repetition, the loads in rising order and
then a fall back to the lowest one, as it would happen on a day that gets too busy. So a policy that
needs long to find its way begins where it had come to. A row that was cut off is made again.
"""
import os
import threading
import time

from common import WORK, say
from live import Served, load_file, load_report
from mixes import MIXES
import arrivals

# "cheapest" is no policy: it tells what any choice of variants could have carried.
POLICIES = ("static", "faircim", "exchange", "parties", "clite", "hera", "roost", "cheapest")
SWITCHING = ("faircim", "roost")
OTHER_CORES_MAX, TRIES = 0.15, 3


class Scale:
    """How much is measured. Loads are multiples of the mix's capacity."""

    def __init__(self, quick, repetitions=None):
        self.quick = quick
        self.mixes = ("photos", "shop") if quick else tuple(MIXES)
        self.loads = (0.6, 1.3, 3) if quick else (0.6, 1.3, 2.5, 5)
        self.warm_s, self.measured_s = (3, 3) if quick else (4, 4)
        self.high_s, self.low_s = (3, 10) if quick else (4, 12)
        self.steady_warm_s, self.steady_s = (4, 11) if quick else (10, 65)
        self.repetitions = repetitions or (1 if quick else 2)

    def rows(self):
        """What is no policy is measured once."""
        return [(mix, policy, repetition) for repetition in range(self.repetitions)
                for mix in self.mixes for policy in POLICIES
                if policy != "cheapest" or repetition == 0]


def cell_key(mix, load, policy, repetition):
    return f"cell-{mix}-{load}-{policy}-{repetition}"


def fall_key(mix, policy, repetition):
    return f"fall-{mix}-{policy}-{repetition}"


def row_keys(scale, mix, policy, repetition):
    keys = [cell_key(mix, load, policy, repetition) for load in scale.loads]
    return keys + [fall_key(mix, policy, repetition)] * (policy in SWITCHING)


def traces(mix, load, capacity, scale, repetition):
    """The arrivals of a cell: the same for every policy, and for the simulator."""
    name = f"{mix}-{load}-{repetition}"
    return arrivals.write(os.path.join(WORK, "control-traces", name), MIXES[mix], name,
                          (scale.warm_s + scale.measured_s, load * capacity))


def measure_row(store, scale, capacity, row):
    mix, policy, repetition = row
    with Served(MIXES[mix], policy) as server:
        for load in scale.loads:
            paths = traces(mix, load, capacity, scale, repetition)
            report = undisturbed(lambda paths=paths: server.run_load(
                paths, scale.warm_s, scale.measured_s))
            store.put(cell_key(mix, load, policy, repetition), report)
            tell(mix, load, policy, report)
        if policy in SWITCHING:
            store.put(fall_key(mix, policy, repetition), fall(server, mix, capacity, scale))
        say_faults(server)


def undisturbed(measure):
    """A cell during which somebody else used the machine is measured again, twice at most."""
    for _ in range(TRIES):
        report = measure()
        if report["other_cores"] <= OTHER_CORES_MAX:
            break
        say(f"  others took {report['other_cores']:.2f} cores")
    return report


def measure_rows(store, scale, capacities, learn):
    """`learn` is asked for costs before each row of a mix, the first time of which counts, and
    after its last row: a simulator can only foretell the machine that there was."""
    rows = [row for row in scale.rows()
            if any(store.get(key) is None for key in row_keys(scale, *row))]
    begun = time.monotonic()
    for number, row in enumerate(rows):
        mix, policy, repetition = row
        spent = time.monotonic() - begun
        left = f", {spent / number * (len(rows) - number) / 60:.0f} min left" if number else ""
        say(f"-- {mix}, {policy}, repetition {repetition + 1} of {scale.repetitions}{left}")
        learn(mix, "before")
        measure_row(store, scale, capacities[mix], row)
        if number + 1 == len(rows) or rows[number + 1][0] != mix:
            learn(mix, "after")


def tell(mix, load, policy, report):
    tenants = ", ".join(
        f"{tenant['name']} {tenant['attainment'] * 100:.1f} % "
        f"{report['server']['variants'][tenant['name']][0]}" for tenant in report["tenants"])
    say(f"  {mix} x{load} {policy}: goodput {report['total']['goodput']:.1f}/s of "
        f"{report['total']['rate']:.1f}/s{'' if report['valid'] else ' INVALID'}; {tenants}")


def say_faults(server):
    manager = server.status()["manager"]
    if manager["faults"]:
        say(f"  {manager['faults']} faults of the policy; the last one: {manager['last_fault']}")


# ---- a steady load ----------------------------------------------------------------------------

def steady_key(mix):
    return f"steady-{mix}"


def measure_steady(store, scale, capacities):
    """roost at the first load that its top variants do not carry, for longer than a cell."""
    load = next(load for load in scale.loads if load > 1)
    for mix in scale.mixes:
        if store.get(steady_key(mix)) is None:
            say(f"-- {mix}, roost at a steady load")
            store.put(steady_key(mix), steady(scale, mix, load, capacities[mix]))


def steady(scale, mix, load, capacity):
    name = f"{mix}-steady"
    paths = arrivals.write(os.path.join(WORK, "control-traces", name), MIXES[mix], name,
                           (scale.steady_warm_s + scale.steady_s, load * capacity))
    with Served(MIXES[mix], "roost") as server:
        report = server.run_load(paths, scale.steady_warm_s, scale.steady_s)
    tell(mix, load, "roost", report)
    say(f"  switches: {report['server']['switches']}")
    return report


# ---- the fall ---------------------------------------------------------------------------------

def fall(server, mix, capacity, scale):
    """A high load that falls to the lowest one: seconds until every top variant serves again."""
    name = f"{mix}-fall"
    paths = arrivals.write(
        os.path.join(WORK, "control-traces", name), MIXES[mix], name,
        (scale.high_s, scale.loads[-1] * capacity), (scale.low_s, scale.loads[0] * capacity))
    seen, ended = [], threading.Event()
    top = {tenant.name: (tenant.ladder[0],) * 2 for tenant in MIXES[mix]}

    def look():
        while not ended.wait(0.1):
            seen.append((time.monotonic(), server.variants() == top))

    thread = threading.Thread(target=look)
    thread.start()
    report = load_report(server, load_file(MIXES[mix], paths), [
        "--warmup", "0s", "--duration", f"{scale.high_s + scale.low_s}s"])
    end_s = time.monotonic()
    ended.set()
    thread.join()
    fell_s = end_s - scale.low_s
    down = any(not is_top for at_s, is_top in seen if at_s < fell_s + 1)
    lower = [at_s for at_s, is_top in seen if not is_top]
    restored = bool(seen) and seen[-1][1]
    restore_s = max(0, lower[-1] - fell_s) if lower else 0
    say(f"  {mix} {server.policy}: top variants back "
        + (f"{restore_s:.1f} s after the fall" if restored else "not seen")
        + ("" if down else "; it had none to bring back"))
    return {"restore_s": restore_s if restored else None, "had_switched": down,
            "low_s": scale.low_s, "goodput": report["total"]["goodput"]}
