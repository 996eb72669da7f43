# SPDX-License-Identifier: Apache-2.0
"""The cells as tables for docs/EVALUATION-live.md, and as one JSON file."""
import json

from cells import POLICIES
from common import median, say
from figures import Cells

COLUMNS = ("mix", "load", "policy", "goodput / offered", "worst tenant, points", "EA",
           "switches / tenant / min", "manager, % of a core")


def spread(values, digits):
    """median, and the extremes where there are several"""
    text = f"{median(values):.{digits}f}"
    if len(values) < 2:
        return text
    return f"{text} [{min(values):.{digits}f}–{max(values):.{digits}f}]"


def rows(store, scale):
    cells = Cells(store, scale)
    for mix in scale.mixes:
        for load in scale.loads:
            for policy in POLICIES:
                if not cells.reports(mix, load, policy):
                    continue
                key = mix, load, policy
                late = "" if all(r["valid"] for r in cells.reports(*key)) else " \\*"
                yield (mix, load, policy + late, spread(cells.served(*key), 3),
                       f"{cells.margin(*key):+.1f}", spread(cells.accuracy(*key), 3),
                       spread(cells.switches(*key), 1), spread(cells.manager(*key), 2))


def summary(store, scale):
    cells = Cells(store, scale)
    return [{"mix": mix, "load": load, "policy": policy,
             "served": cells.served(mix, load, policy),
             "attainment": cells.attainment(mix, load, policy),
             "margin_points": cells.margin(mix, load, policy),
             "effective_accuracy": cells.accuracy(mix, load, policy),
             "switches_per_tenant_minute": cells.switches(mix, load, policy),
             "manager_percent_of_core": cells.manager(mix, load, policy),
             "generator_lag_ms_p99": [report["generator"]["lag_ms_p99"]
                                      for report in cells.reports(mix, load, policy)],
             "other_cores": [report["other_cores"]
                             for report in cells.reports(mix, load, policy)]}
            for mix in scale.mixes for load in scale.loads for policy in POLICIES
            if cells.reports(mix, load, policy)]


def write(store, scale, capacities):
    lines = ["| " + " | ".join(COLUMNS) + " |", "|" + "---|" * len(COLUMNS)]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows(store, scale)]
    with open(store.path("table.md"), "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    with open(store.path("summary.json"), "w", encoding="utf-8") as file:
        json.dump({"capacities": capacities, "cells": summary(store, scale)}, file, indent=1)
    say(f"table: {store.path('table.md')}; all of it: {store.path('summary.json')}")
