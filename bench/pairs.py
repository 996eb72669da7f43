#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Scenarios of pairs of the eight recommendation models on 16 cores and 11 cache ways.

By formula from DeepRecSys's published models, not measured: work from operations and gathered
bytes per item, cache from the size of the dense layers. Queries are lognormal(5.1, 0.2) items.

usage: pairs.py DIRECTORY     writes all 28, as scenarios/pairs holds them
"""
import itertools
import os
import sys

CORES, WAYS, WAY_MB = 16, 11, 1.375
GFLOPS, GATHER_GBS, NODE_GBS = 80.0, 8.0, 60.0
ITEMS_MEAN = 167.3

# name: MFLOP per item, gathered bytes per item, dense MB, embedding GB, SLA in ms (p95)
MODELS = {
    "dlrm_rmc1": (0.20, 81920, 0.40, 4.096, 100),
    "dlrm_rmc2": (0.64, 983040, 1.28, 4.096, 400),
    "dlrm_rmc3": (6.41, 25600, 12.8, 2.560, 100),
    "ncf": (0.30, 1024, 0.59, 0.086, 5),
    "wide_and_deep": (4.13, 3456, 8.27, 3.456, 25),
    "mt_wide_and_deep": (5.24, 5504, 10.5, 3.904, 25),
    "din": (0.15, 97536, 0.17, 5.90, 100),
    "dien": (1.57, 5504, 0.27, 3.904, 35),
}


def facts(name):
    mflop, gathered, dense_mb, table_gb, sla_ms = MODELS[name]
    compute_s = mflop * 1e6 / (GFLOPS * 1e9)
    gather_s = gathered / (GATHER_GBS * 1e9)
    per_item_s = compute_s + gather_s
    # Gathering waits for memory; a dense layer does where it does not fit into the cache.
    misses = [round(max(0.05, 1 - ways * WAY_MB / (4 * dense_mb)), 3)
              for ways in range(1, WAYS + 1)]
    stall = (gather_s + 0.15 * compute_s) / per_item_s
    return per_item_s, gathered / per_item_s / 1e9, stall, misses, table_gb, sla_ms


def load_of(name, workers, ways):
    """Queries per second within the SLA, alone: a rule of thumb for workers that wait little."""
    per_item_s, gbs, stall, misses, _, sla_ms = facts(name)
    slow = 1 - stall + stall * (1 + 0.5 * max(0, misses[ways - 1] - misses[-1]))
    query_s = 0.0002 + ITEMS_MEAN * per_item_s * slow
    room = max(0, 1 - query_s * 1000 / sla_ms)
    busy = min(0.95, room * (1 - 0.3 / workers))
    speed = min(1, NODE_GBS / (gbs * workers))
    return workers * speed * busy / query_s


def tenant(name, share):
    per_item_s, gbs, stall, misses, table_gb, sla_ms = facts(name)
    rows = [[round(load_of(name, workers, ways), 1) for ways in range(1, WAYS + 1)]
            for workers in range(1, CORES + 1)]
    # More workers never carry less: beyond what memory feeds they only wait.
    for before, row in zip(rows, rows[1:]):
        for i, value in enumerate(before):
            row[i] = max(row[i], value)
    rate = share * rows[-1][-1]
    lines = [f"  - name: {name}", f"    slo: p95 {sla_ms} ms", "    workers: 8",
             f"    workers_max: {CORES}", "    batching: off", "    batch_max: 1024",
             "    rows: {mu: 5.1, sigma: 0.2, max: 1024}",
             f"    arrivals: {{rate: {rate:.1f}}}", "    variants:",
             f"      - name: {name}", f"        memory: {table_gb:.3f} GiB",
             "        base: 200 us", f"        per_row: {round(per_item_s * 1e9)} ns",
             f"        bandwidth_gbs: {gbs:.3f}", f"        stall: {stall:.3f}",
             "        sensitivity: 0.5", f"        misses: {misses}", "        load:"]
    return lines + [f"          - {row}" for row in rows]


def scenario(one, two):
    head = ["# Made by bench/pairs.py: by formula, not measured.", f"name: {one} and {two}",
            "duration: 120 s", "warmup: 20 s", "tick: 1 s", "window: 10 s", "window_min: 2 s",
            f"node: {{cores: {CORES}, ways: {WAYS}, ways_min: 1, closids: 7, "
            f"bandwidth_gbs: {NODE_GBS:g}, memory: 64 GiB}}", "tenants:"]
    return "\n".join(head + tenant(one, 0.55) + tenant(two, 0.55)) + "\n"


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    os.makedirs(sys.argv[1], exist_ok=True)
    for one, two in itertools.combinations(MODELS, 2):
        with open(os.path.join(sys.argv[1], f"{one}-{two}.yaml"), "w") as file:
            file.write(scenario(one, two))
    return 0


if __name__ == "__main__":
    sys.exit(main())
