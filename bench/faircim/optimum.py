# SPDX-License-Identifier: Apache-2.0
"""The clairvoyant static optimum of a setting: the best that anybody could fix before the first
request, knowing the whole load, and never touch again.

One variant per job and a weight per job, in the shared mode, which is the more capable one. What
an assignment is worth is simulated, on the arrivals that the policies get. Variants that are both
less accurate and no cheaper than another are left out: they are never better. Assignments are
tried in the order of an upper bound of their EA, so that the search may end when no bound is above
what was found; where it ends earlier, at SIMULATIONS, the bound says how much better the optimum
might be.

The bound: nobody is served more than comes, nor more than one run at a time allows, nor within
the SLA when its run alone takes longer; and the node does no more work than it has cores.
"""
import itertools
import math

from setting import CORES, EVALUATE_SECONDS, scenario_text, simulate
from tables import ACCURACY, GFLOPS, JOBS, ladder_of

SIMULATIONS = 150
VARIATION = 0.1  # of run times, as scenarios say
HEAVY = 16       # weight of a job that misses its SLA, when its weight is raised
NEAR = 1e-3      # nothing is searched for less


def front_of(dnn):
    """Positions on the ladder that are worth having, the most accurate first."""
    ladder = ladder_of(dnn)
    if dnn not in GFLOPS:
        return [0]
    front = []
    for i in sorted(range(len(ladder)), key=lambda i: (-ACCURACY[ladder[i]], GFLOPS[ladder[i]])):
        if not front or GFLOPS[ladder[i]] < GFLOPS[ladder[front[-1]]]:
            front.append(i)
    return front


def facts_of(setting, i, variant):
    """Accuracy, part of the node's time, and part of the requests that may be in time."""
    job, drawn = JOBS[setting["set"]][i], setting["jobs"][i]
    name = ladder_of(job["dnn"])[variant]
    speedup = 1 / (1 - setting["parallel"] + setting["parallel"] / CORES)
    if name in GFLOPS:
        alone_s = drawn["rows"] * GFLOPS[name] / (setting["speed_gflops"] * drawn["efficiency"])
    else:
        alone_s = drawn["solo_s"]
    sigma = math.sqrt(math.log(1 + VARIATION ** 2))
    late = math.log(float(job["sla_ms"]) / 1000 / alone_s) + sigma ** 2 / 2
    in_time = (1 + math.erf(late / sigma / math.sqrt(2))) / 2
    part = min(in_time, 1 / (drawn["per_s"] * alone_s))
    return ACCURACY.get(name, 1), drawn["per_s"] * alone_s * speedup / CORES, part


def bound_of(facts):
    """Upper bound of EA: whoever earns most per core first."""
    value, room = 0, 1
    for accuracy, use, part in sorted(facts, key=lambda f: f[1] / f[0]):
        served = min(part, room / use) if use > 0 else part
        value += accuracy * served
        room -= served * use
    return value / len(facts)


class Search:
    def __init__(self, setting, seed):
        self.setting, self.seed = setting, seed
        self.tried, self.best, self.choice = 0, -1, None

    def run(self, variants, shares):
        self.tried += 1
        text = scenario_text(self.setting, EVALUATE_SECONDS, fixed=list(zip(variants, shares)))
        result = simulate(text, ["static"], self.seed)[0]
        if result["effective_accuracy"] > self.best:
            self.best, self.choice = result["effective_accuracy"], (variants, shares)
        return result

    def try_weights(self, variants, bound):
        """Equal weights, then those who miss their SLA heavier, then those lighter."""
        equal = [HEAVY] * len(variants)
        result = self.run(variants, equal)
        late = [t["attainment"] < 0.999 for t in result["tenants"]]
        if bound <= self.best + NEAR or not any(late) or all(late):
            return
        for those, others in ((HEAVY ** 2, HEAVY), (1, HEAVY)):
            self.run(variants, [those if is_late else others for is_late in late])
        worst = min(range(len(late)), key=lambda i: result["tenants"][i]["attainment"])
        for those in (HEAVY ** 2, 1):
            self.run(variants, [those if i == worst else HEAVY for i in range(len(late))])


def optimum(setting, seed):
    """EA of the best found, the upper bound of any, and how it is reached."""
    fronts = [front_of(job["dnn"]) for job in JOBS[setting["set"]]]
    facts = [{v: facts_of(setting, i, v) for v in front} for i, front in enumerate(fronts)]
    every = [(bound_of([facts[i][v] for i, v in enumerate(variants)]),
              sum(facts[i][v][1] for i, v in enumerate(variants)), variants)
             for variants in itertools.product(*fronts)]
    search = Search(setting, seed)
    # First the best on paper at several fills of the node, so that most bounds are below it.
    for fill in (0.4, 0.6, 0.8):
        light = [e for e in every if e[1] <= fill]
        if light:
            bound, _, variants = max(light)
            search.try_weights(variants, bound)
    limit = search.best
    for bound, _, variants in sorted(every, key=lambda e: (-e[0], e[1])):
        limit = max(bound, search.best)
        if bound <= search.best + NEAR or search.tried >= SIMULATIONS:
            break
        search.try_weights(variants, bound)
    else:
        limit = search.best
    return {"ea": search.best, "limit": limit, "variants": search.choice[0],
            "shares": search.choice[1], "simulations": search.tried}
