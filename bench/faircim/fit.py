# SPDX-License-Identifier: Apache-2.0
"""Draws settings with which `faircim` alone makes the downgrades that the paper's tables show.

A proposal is drawn where the counts are possible at all: the heaviest user goes down first, so the
counts bound how the jobs' rates relate to each other. Rates times batch sizes stay as drawn, and
so does the order of downgrades; how far they go depends on how fast the node is. So its speed is
searched, at random between what was last too fast and too slow, so that no part of the speeds
that reproduce the table is preferred.

Set 1's counts are all 0, so its speed is one at which the SLA of 710 ms is just kept and table
IV's next, 639 ms, is not; rates are in the order of table IV's downgrades. How many there are at
each of its SLAs is not fitted: no setting was found that makes all five columns at once.

Every proposal has a random source of its own by seed, set and number, so that the outcome does not
depend on how many processes there are, nor on when a run was interrupted.
"""
import json
import math
import multiprocessing
import os
import random
import sys
import time

from setting import downgrades
from tables import COUNTS, GFLOPS, JOBS, MFLOPS, SET5_STEPS, ladder_of, waypoints_of

# The paper's examples have batches every 150 and 750 ms; slower jobs leave windows empty.
PER_S_MIN, PER_S_MAX = 0.5, 8
ROWS_MAX = 512
BATCH = 64
SPEED_RANGE = 8       # around the one drawn
SET1_NEXT_MS = 639    # of job 5, in table IV
SPEED_NEAR = 1.002    # no speed between two that are so near


def path_of(rates, ladders, waypoints):
    """Counts after each step of the heaviest user going down, through all of the waypoints; None
    when it does not pass through them."""
    counts = [0] * len(rates)
    path = [list(counts)]
    for target in sorted(waypoints, key=sum):
        while counts != target:
            heaviest, who = 0, None
            for i, ladder in enumerate(ladders):
                if rates[i] is not None and counts[i] + 1 < len(ladder):
                    score = rates[i] * MFLOPS[ladder[counts[i]]]
                    if score > heaviest:
                        heaviest, who = score, i
            if who is None or counts[who] == target[who]:
                return None
            counts[who] += 1
            path.append(list(counts))
    return path


def draw_rates(rng, ladders, target):
    """Rows per second up to a common factor; None for a job that never goes down."""
    rates = []
    for ladder, count in zip(ladders, target):
        if ladder[0] not in MFLOPS:
            rates.append(None)
            continue
        high = 1 / MFLOPS[ladder[count]] if count + 1 < len(ladder) else None
        low = 1 / MFLOPS[ladder[count - 1]] if count > 0 else None
        if high is None:
            high = low * 20 if low is not None else 20 / MFLOPS[ladder[0]]
        if low is None:
            low = high / 20
        rates.append(math.exp(rng.uniform(math.log(low), math.log(high))))
    return rates


def ladders_of(number):
    return [ladder_of(job["dnn"]) for job in JOBS[number]]


def draw(rng, number):
    """One proposal, or None when it is impossible at once."""
    ladders, waypoints = ladders_of(number), waypoints_of(number)
    last = max(waypoints, key=sum)
    rates = draw_rates(rng, ladders, last)
    if path_of(rates, ladders, waypoints) is None:
        return None
    speed = math.exp(rng.uniform(math.log(200), math.log(3000)))
    parallel = rng.uniform(0.9, 0.999)
    efficiencies = [math.exp(rng.gauss(0, 0.3)) for _ in ladders]
    # Use of the node when the last downgrade is done, before the speed is searched.
    load = rng.uniform(0.1, 0.95)
    use = sum(rate * GFLOPS[ladder[count]] / efficiency for rate, ladder, count, efficiency
              in zip(rates, ladders, last, efficiencies) if rate is not None)
    drawn = []
    for rate, efficiency in zip(rates, efficiencies):
        per_s = math.exp(rng.uniform(math.log(PER_S_MIN), math.log(PER_S_MAX)))
        job = {"efficiency": round(efficiency, 6), "rows": 1}
        if rate is None:
            job["solo_s"] = round(rng.uniform(0.02, 0.3) / per_s, 6)
        else:
            # Rows per second follow from the load; how many come at once is a matter of rate.
            rows_per_s = rate / use * load * speed
            job["rows"] = max(1, round(rows_per_s / per_s))
            per_s = rows_per_s / job["rows"]
        job["per_s"] = round(per_s, 6)
        if per_s < PER_S_MIN or job["rows"] > ROWS_MAX:
            return None
        drawn.append(job)
    return {"set": number, "seed": rng.randrange(1 << 31), "speed_gflops": round(speed, 3),
            "parallel": round(parallel, 6), "jobs": drawn}


def speed_least(setting):
    """Below it a job would miss its SLA with the node to itself."""
    least = 0
    for job, ladder, drawn in zip(JOBS[setting["set"]], ladders_of(setting["set"]),
                                  setting["jobs"]):
        if ladder[0] in GFLOPS:
            work = drawn["rows"] * GFLOPS[ladder[0]] / drawn["efficiency"]
            least = max(least, work / (0.95 * float(job["sla_ms"]) / 1000))
        elif drawn["solo_s"] > 0.95 * float(job["sla_ms"]) / 1000:
            return math.inf
    return least


def too_slow(setting):
    """Above 0: more downgrades than the table has; below: fewer; None: others; 0: the table's."""
    target, counts = COUNTS[setting["set"]], downgrades(setting)
    if sum(counts) != sum(target):
        return sum(counts) - sum(target)
    if counts != target:
        return None
    # Set 1 makes none, which any fast node does; the paper's next stricter SLA makes some.
    return -1 if setting["set"] == 1 and not any(downgrades(setting, sla5_ms=SET1_NEXT_MS)) else 0


def search_speed(rng, setting):
    """The setting with a speed that makes the table's counts, or None."""
    low = max(speed_least(setting), setting["speed_gflops"] / SPEED_RANGE)
    high = setting["speed_gflops"] * SPEED_RANGE
    if low >= high:
        return None
    # Most proposals fail here: not even the slowest node that may be makes so many downgrades.
    slowest = too_slow({**setting, "speed_gflops": low})
    if slowest is not None and slowest < 0:
        return None
    while high / low > SPEED_NEAR:
        speed = math.exp(rng.uniform(math.log(low), math.log(high)))
        setting["speed_gflops"] = round(speed, 3)
        more = too_slow(setting)
        if more is None:
            return None
        if more == 0:
            return setting if setting["set"] != 5 or in_order(setting) else None
        low, high = (speed, high) if more > 0 else (low, speed)
    return None


def in_order(setting):
    """Figure 5's order, told from ever shorter runs of the same simulation."""
    for steps in SET5_STEPS[:-1]:
        low, high = 1, 240
        while low < high:
            middle = (low + high) // 2
            if sum(downgrades(setting, middle)) < sum(steps):
                low = middle + 1
            else:
                high = middle
        if downgrades(setting, low) != steps:
            return False
    return True


def propose(task):
    """The setting that this proposal leads to, or None."""
    seed, number, index = task
    rng = random.Random(f"{seed}/{number}/{index}")
    setting = draw(rng, number)
    return search_speed(rng, setting) if setting is not None else None


def read_progress(path, seed):
    if os.path.exists(path):
        with open(path) as file:
            progress = json.load(file)
        if progress["seed"] == seed:
            return progress
    return {"seed": seed, "sets": {}}


def fit_set(pool, progress, number, arguments, end):
    """Goes on with one set; True when it has all its settings."""
    mine = progress["sets"].setdefault(str(number), {"next": 0, "kept": []})
    if len(mine["kept"]) >= arguments.count:
        return True
    while time.monotonic() < end:
        tasks = [(arguments.seed, number, mine["next"] + i) for i in range(BATCH)]
        for setting in pool.imap(propose, tasks):
            mine["next"] += 1
            if setting is not None:
                mine["kept"].append(setting)
                if len(mine["kept"]) >= arguments.count:
                    return True
    return False


def fit(arguments):
    """Works for --minutes, keeps what it has in --progress, and writes the draws once complete."""
    progress = read_progress(arguments.progress, arguments.seed)
    end = time.monotonic() + 60 * arguments.minutes
    done = True
    with multiprocessing.Pool(arguments.processes) as pool:
        for number in arguments.sets:
            done &= fit_set(pool, progress, number, arguments, end)
            mine = progress["sets"][str(number)]
            print(f"set {number}: kept {len(mine['kept'])} of {mine['next']} proposals",
                  file=sys.stderr, flush=True)
            os.makedirs(os.path.dirname(arguments.progress), exist_ok=True)
            with open(arguments.progress, "w") as file:
                json.dump(progress, file)
        pool.terminate()
    return progress if done else None
