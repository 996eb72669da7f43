# SPDX-License-Identifier: Apache-2.0
"""What the simulator has to know of a mix, learnt from a live server of it."""
import math
import os
import statistics
import threading
import time

from common import WORK, cpu_ns
from live import Served, load_file, load_report
import arrivals

LOAD = 0.7  # of the mix's capacity, with the top rung; twice as much with the next one, and so on
# Connections and first runs; what is measured with every rung.
SETTLE_S, STEP_S = 1, 3
NOISE_S = 0.25  # costs of runs are looked at so often, for how they vary
# A thread's caches are cold after a sleep of some of these: chosen once for all mixes, by how the
# network thread's cost fell with the rate in live cells.
COOLING_NS = 1.25e6


class Step:
    """What was spent on one rung, and for how much."""

    def __init__(self, rung, report, looks, seconds):
        self.rung, self.runs = rung, [look[1] for look in looks]
        before, after = looks[0][0], looks[-1][0]
        self.supervisor_ns, self.hosts_ns, self.runs_ns, self.batches, self.requests = (
            last - first for first, last in zip(before, after))
        self.scheduled = report["total"]["scheduled"]
        self.generator_ns = report["generator"]["cpu_s"] * 1e9
        self.rate = self.requests / seconds


def learn(name, mix, capacity):
    """Serves the mix, all tenants on the same rung, one rung after the other, each at a load at
    which it would serve: at low loads everything costs more, since caches are cold. Costs of
    variants, of handing a batch to a host and back, of the network thread and of the generator;
    what the node can do."""
    rungs = max(len(tenant.ladder) for tenant in mix)
    with Served(mix, "static") as server:
        steps = [measure(server, f"{name}-learn-{rung}", rung, LOAD * (rung + 1) * capacity)
                 for rung in range(rungs)]
        status = server.status()
    first, *_, last = steps
    batches = sum(step.batches for step in steps)
    return {"knobs": status["manager"]["knobs"], "cores": status["cores"],
            "network": network_costs(steps),
            "hand_off_ns": max(0, sum(step.hosts_ns - step.runs_ns for step in steps)) / batches,
            # What is spent before the first request is the same in both.
            "generator_ns": (last.generator_ns - first.generator_ns)
                            / (last.scheduled - first.scheduled),
            "noise": noise(mix, steps),
            "tenants": {lane["tenant"]: lane_costs(lane, single_rows(mix, lane["tenant"], steps))
                        for lane in status["lanes"]}}


def together(several):
    """What was learnt at several times: means, and the noise of all of them, which is the greater
    where one time was slower than the other."""
    first = several[0]
    pace = [sum(points[0][1] for points in all_points(learnt)) for learnt in several]
    return {**first,
            "network": {key: statistics.mean(learnt["network"][key] for learnt in several)
                        for key in first["network"]},
            **{key: statistics.mean(learnt[key] for learnt in several)
               for key in ("hand_off_ns", "generator_ns")},
            "noise": [factor * own / statistics.mean(pace)
                      for learnt, own in zip(several, pace) for factor in learnt["noise"]],
            "tenants": {tenant: {variant: {**costs, "points": mean_points(
                [learnt["tenants"][tenant][variant]["points"] for learnt in several])}
                for variant, costs in variants.items()}
                for tenant, variants in first["tenants"].items()}}


def all_points(learnt):
    return [costs["points"] for variants in learnt["tenants"].values()
            for costs in variants.values()]


def mean_points(several):
    """Of the sizes that were seen each time, in the order of the first time; the mean size may
    differ a little between times."""
    seen = [{round(math.log2(rows)): (rows, ns) for rows, ns in points} for points in several]
    return [[statistics.mean(values) for values in zip(*(points[size] for points in seen))]
            for size in seen[0] if all(size in points for points in seen)]


def measure(server, name, rung, rate):
    seconds = SETTLE_S + STEP_S + 1
    paths = arrivals.write(os.path.join(WORK, "control-traces", "learn"), server.mix, name,
                           (seconds, rate))
    server.switch_all(rung)
    report = {}
    thread = threading.Thread(target=lambda: report.update(load_report(
        server, load_file(server.mix, paths), ["--warmup", "0s", "--duration", f"{seconds}s"])))
    thread.start()
    time.sleep(SETTLE_S)
    begun, looks = time.monotonic(), [spent(server)]
    while len(looks) <= STEP_S / NOISE_S:
        time.sleep(max(0, begun + NOISE_S * len(looks) - time.monotonic()))
        looks.append(spent(server))
    seconds = time.monotonic() - begun
    thread.join()
    return Step(rung, report, looks, seconds)


def spent(server):
    """CPU time of the supervisor, of all hosts, and of these inside runs; batches, requests. And
    tenant -> CPU time of runs, requests."""
    metrics = server.metrics()
    total = {name: sum(value for (metric, _), value in metrics.items() if metric == name)
             for name in ("roost_cpu_seconds", "nv_inference_exec_count",
                          "nv_inference_request_success")}
    supervisor, *others = server.pids()
    runs = {tenant.name: (metrics["roost_cpu_seconds", tenant.name] * 1e9,
                          metrics["nv_inference_request_success", tenant.name])
            for tenant in server.mix}
    return (cpu_ns([supervisor]), cpu_ns(others), total["roost_cpu_seconds"] * 1e9,
            total["nv_inference_exec_count"], total["nv_inference_request_success"]), runs


def network_costs(steps):
    """Per request: what it costs anyhow, and what it costs besides after long sleeps, from how the
    cost falls with the rate. The thread wakes twice for a request, after random times."""
    cold = [1 / (1 + 2 * step.rate * COOLING_NS / 1e9) for step in steps]
    cost = [step.supervisor_ns / step.requests for step in steps]
    wake_ns, warm_ns = statistics.linear_regression(cold, cost)
    if warm_ns < 0 or wake_ns < 0:
        wake_ns, warm_ns = 0, statistics.mean(cost)
    return {"warm_ns": warm_ns, "wake_ns": wake_ns}


def gained(step, tenant, first, last):
    """CPU time of runs and requests between two looks."""
    return [b - a for a, b in zip(step.runs[first][tenant], step.runs[last][tenant])]


def per_request(steps, tenant):
    """CPU time, in all of these steps together."""
    spans = [gained(step, tenant, 0, -1) for step in steps]
    return sum(ns for ns, _ in spans) / sum(count for _, count in spans)


def single_rows(mix, name, steps):
    """variant -> CPU time of a request, for tenants whose requests have one row: over whole steps,
    since what the server remembers is of the last runs."""
    tenant = next(tenant for tenant in mix if tenant.name == name)
    if tenant.batch != "1":
        return {}
    last = len(tenant.ladder) - 1
    return {variant: per_request([step for step in steps if min(step.rung, last) == rung], name)
            for rung, variant in enumerate(tenant.ladder)}


def noise(mix, steps):
    """By how much runs took more or less than in the mean, one factor for each look: others on the
    host take caches, memory and the other threads of cores, for a quarter of a second or more."""
    names = [tenant.name for tenant in mix if tenant.batch == "1"]
    factors = []
    for step in steps:
        alike = [other for other in steps if other.rung == step.rung]
        mean_ns = {name: per_request(alike, name) for name in names}
        for at in range(len(step.runs) - 1):
            spans = {name: gained(step, name, at, at + 1) for name in names}
            expected = sum(count * mean_ns[name] for name, (_, count) in spans.items())
            if expected > 0:
                factors.append(sum(ns for ns, _ in spans.values()) / expected)
    return [factor / statistics.mean(factors) for factor in factors]


def lane_costs(lane, single):
    """variant -> what it costs; CPU time, since others ran beside it. Sizes that the batcher only
    tried are in it too: they cost more than they would later, as they will when it tries them."""
    return {variant["name"]: {
        "accuracy": variant.get("accuracy"), "mflops": variant["mflops"],
        "flops": variant["flops_counted"], "memory": variant["memory_bytes"],
        "start_ns": variant["start_ns"],
        "points": [(point["rows"], single.get(variant["name"], point["cpu_ns"])
                    if point["rows"] == 1 else point["cpu_ns"]) for point in variant["points"]
                   if point["samples"] > 0]} for variant in lane["variants"]}
