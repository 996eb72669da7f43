# SPDX-License-Identifier: Apache-2.0
"""What the simulator has to know of a mix, learnt from a live server of it."""
import os
import statistics
import threading
import time

from common import WORK, cpu_ns
from live import Served, load_file, load_report
import arrivals

LOAD = 0.7  # of the mix's capacity, with the top rung; twice as much with the next one, and so on
SETTLE_S, STEP_S = 1, 3  # connections and first runs; what is measured with every rung
# A thread's caches are cold after a sleep of some of these: chosen once for all mixes, by how the
# network thread's cost fell with the rate in live cells.
COOLING_NS = 1.25e6


class Step:
    """What was spent on one rung, and for how much."""

    def __init__(self, report, before, after, seconds):
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
    with Served(mix, "static") as server:
        steps = [measure(server, name, rung, LOAD * (rung + 1) * capacity)
                 for rung in range(max(len(tenant.ladder) for tenant in mix))]
        status = server.status()
    first, *_, last = steps
    batches = sum(step.batches for step in steps)
    return {"knobs": status["manager"]["knobs"], "cores": status["cores"],
            "network": network_costs(steps),
            "hand_off_ns": max(0, sum(step.hosts_ns - step.runs_ns for step in steps)) / batches,
            # What is spent before the first request is the same in both.
            "generator_ns": (last.generator_ns - first.generator_ns)
                            / (last.scheduled - first.scheduled),
            "tenants": {lane["tenant"]: lane_costs(lane) for lane in status["lanes"]}}


def measure(server, name, rung, rate):
    seconds = SETTLE_S + STEP_S + 1
    paths = arrivals.write(os.path.join(WORK, "control-traces", f"{name}-learn"), server.mix,
                           f"{name}-learn-{rung}", (seconds, rate))
    server.switch_all(rung)
    report = {}
    thread = threading.Thread(target=lambda: report.update(load_report(
        server, load_file(server.mix, paths), ["--warmup", "0s", "--duration", f"{seconds}s"])))
    thread.start()
    time.sleep(SETTLE_S)
    begun, before = time.monotonic(), spent(server)
    time.sleep(STEP_S)
    after, seconds = spent(server), time.monotonic() - begun
    thread.join()
    return Step(report, before, after, seconds)


def spent(server):
    """CPU time of the supervisor, of all hosts, and of these inside runs; batches, requests."""
    metrics = server.metrics()
    total = {name: sum(value for (metric, _), value in metrics.items() if metric == name)
             for name in ("roost_cpu_seconds", "nv_inference_exec_count",
                          "nv_inference_request_success")}
    supervisor, *others = server.pids()
    return (cpu_ns([supervisor]), cpu_ns(others), total["roost_cpu_seconds"] * 1e9,
            total["nv_inference_exec_count"], total["nv_inference_request_success"])


def network_costs(steps):
    """Per request: what it costs anyhow, and what it costs besides after long sleeps, from how the
    cost falls with the rate. The thread wakes twice for a request, after random times."""
    cold = [1 / (1 + 2 * step.rate * COOLING_NS / 1e9) for step in steps]
    cost = [step.supervisor_ns / step.requests for step in steps]
    wake_ns, warm_ns = statistics.linear_regression(cold, cost)
    if warm_ns < 0 or wake_ns < 0:
        wake_ns, warm_ns = 0, statistics.mean(cost)
    return {"warm_ns": warm_ns, "wake_ns": wake_ns}


def lane_costs(lane):
    """variant -> what it costs; CPU time, since others ran beside it. Sizes that the batcher only
    tried are in it too: they cost more than they would later, as they will when it tries them."""
    return {variant["name"]: {
        "accuracy": variant.get("accuracy"), "mflops": variant["mflops"],
        "flops": variant["flops_counted"], "memory": variant["memory_bytes"],
        "start_ns": variant["start_ns"],
        "points": [(point["rows"], point["cpu_ns"]) for point in variant["points"]
                   if point["samples"] > 0]} for variant in lane["variants"]}
