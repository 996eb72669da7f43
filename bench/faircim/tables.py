# SPDX-License-Identifier: Apache-2.0
"""The tables of FairCIM's paper, and the two beside them that are not from it."""
import csv
import os

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DATA = os.path.join(ROOT, "tests", "data", "faircim")
SETS = range(1, 9)


def table(name):
    with open(os.path.join(DATA, name), newline="") as file:
        return list(csv.DictReader(file))


MFLOPS = {r["abbreviation"]: float(r["mflops"]) for r in table("dnn_mflops.csv") if r["mflops"]}
GFLOPS = {r["abbreviation"]: float(r["gflops"]) for r in table("gflops_counted.csv")}
ACCURACY = {r["abbreviation"]: float(r["top1_percent"]) / 100
            for r in table("accuracy_published.csv")}
LADDER = sorted(MFLOPS, key=MFLOPS.get, reverse=True)
JOBS = {n: [r for r in table("sets.csv") if int(r["set"]) == n] for n in SETS}
COUNTS = {n: [int(r[f"set{n}"]) for r in table("downgrades_by_set.csv")] for n in SETS}
# Figure 5: three steps of job 1, one of job 5, one of job 1.
SET5_STEPS = [[1, 0, 0, 0, 0], [2, 0, 0, 0, 0], [3, 0, 0, 0, 0], [3, 0, 0, 0, 1], COUNTS[5]]


def table_four():
    """SLA of job 5 in ms -> counts, from the loosest to the strictest."""
    rows = table("downgrades_set1_by_job5_sla.csv")
    return {int(key[:-2]): [int(r[key]) for r in rows] for key in rows[0] if key.endswith("ms")}


def ladder_of(dnn):
    """What a job may run, from its own network down by the paper's MFLOPs."""
    return LADDER[LADDER.index(dnn):] if dnn in LADDER else [dnn]


def waypoints_of(number):
    """Counts that the downgrades of a set pass through, the last ones included."""
    if number == 1:
        return list(table_four().values())
    return SET5_STEPS if number == 5 else [COUNTS[number]]
