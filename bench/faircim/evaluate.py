# SPDX-License-Identifier: Apache-2.0
"""Runs every policy on the frozen settings, on common arrivals that the fit has not seen, and keeps
the rows, so that an interrupted evaluation goes on where it was."""
import hashlib
import json
import multiprocessing
import os
import sys

from draws import read_draws
from optimum import optimum
from setting import EVALUATE_SECONDS, binary, downgrades, scenario_text, simulate
from tables import table_four

# What a run is called: the policy and its options. FairCIM's experiments never go back up, and its
# measure (EA) counts every job alike, which is what `roost` is asked to maximise.
RUNS = {
    "faircim": ("faircim", ["faircim.upgrade=false"]),
    "faircim-up": ("faircim", []),
    "exchange": ("exchange", []),
    "static": ("static", []),
    "parties": ("parties", []),
    "clite": ("clite", []),
    "hera": ("hera", []),
    "roost": ("roost", ["roost.objective=accuracy"]),
}
MODES = ("overlap", "stall")


def run_of(result):
    return {"ea": round(result["effective_accuracy"], 6),
            "attainment": round(result["attainment"], 6),
            "switches": [t["switches"] for t in result["tenants"]]}


def evaluate_one(task):
    """All that is said of one setting, under the seed after the fit's."""
    index, setting = task
    seed = setting["seed"] + 1
    row = {"set": setting["set"], "index": index, "optimum": optimum(setting, seed)}
    for mode in MODES:
        text = scenario_text(setting, EVALUATE_SECONDS, stall=mode == "stall")
        row[mode] = {}
        for name, (policy, options) in RUNS.items():
            flags = [word for option in options for word in ("--set", option)]
            row[mode][name] = run_of(simulate(text, [policy], seed, flags)[0])
    if setting["set"] == 1:
        row["table4"] = {sla_ms: downgrades(setting, sla5_ms=sla_ms) for sla_ms in table_four()}
    return row


def stamp():
    """Rows of another binary or of other settings are of no use."""
    with open(binary(), "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def read_rows(path, mark):
    if os.path.exists(path):
        with open(path) as file:
            kept = json.load(file)
        if kept["stamp"] == mark:
            return kept["rows"]
    return []


def write_rows(path, mark, rows):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path + ".new", "w") as file:
        json.dump({"stamp": mark, "rows": rows}, file)
    os.replace(path + ".new", path)


def chosen(draws, arguments):
    """(index within its set, setting), the first of every set first."""
    numbered, seen = [], {}
    for setting in draws:
        index = seen.get(setting["set"], 0)
        seen[setting["set"]] = index + 1
        if arguments.first <= index < arguments.first + arguments.limit:
            numbered.append((index, setting))
    return sorted(numbered, key=lambda task: task[0])


def evaluate(arguments):
    """Rows of all settings that were asked for."""
    draws, mark = read_draws(arguments.draws), stamp()
    rows = read_rows(arguments.rows, mark)
    done = {(r["set"], r["index"]) for r in rows}
    tasks = chosen(draws, arguments)
    wanted = {(setting["set"], index) for index, setting in tasks}
    tasks = [t for t in tasks if (t[1]["set"], t[0]) not in done]
    with multiprocessing.Pool(arguments.processes) as pool:
        for n, row in enumerate(pool.imap(evaluate_one, tasks), 1):
            # As JSON has them, whether read or fresh.
            rows.append(json.loads(json.dumps(row)))
            if n % 16 == 0 or n == len(tasks):
                write_rows(arguments.rows, mark, rows)
                print(f"{n} of {len(tasks)} settings", file=sys.stderr, flush=True)
    return [r for r in rows if (r["set"], r["index"]) in wanted]
