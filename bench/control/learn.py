# SPDX-License-Identifier: Apache-2.0
"""What the simulator has to know of a mix, learnt from a live server of it."""
import os
import threading
import time

from common import WORK, cpu_ns
from live import Served, load_file, load_report
import arrivals

STEP_S = 3  # with every rung of the ladders
SAMPLES_LEAST = 5  # a point of a curve that was seen less often is left out


def learn(name, mix, capacity):
    """Serves the mix well below its capacity, all tenants on the same rung, one rung after the
    other. Costs of variants, of handing a batch to a host and back, of the network thread and of
    the generator; what the node can do."""
    rungs = max(len(tenant.ladder) for tenant in mix)
    seconds = rungs * STEP_S + 1
    paths = arrivals.write(os.path.join(WORK, "control-traces", f"{name}-learn"), mix,
                           f"{name}-learn", (seconds, 0.5 * capacity))
    with Served(mix, "static") as server:
        report = {}
        before = spent(server)
        thread = threading.Thread(target=lambda: report.update(load_report(
            server, load_file(mix, paths), ["--warmup", "0s", "--duration", f"{seconds}s"])))
        thread.start()
        for rung in range(rungs):
            server.switch_all(rung)
            time.sleep(STEP_S)
        thread.join()
        requests = report["total"]["scheduled"]
        supervisor_ns, hosts_ns, runs_ns, batches = (
            after - first for first, after in zip(before, spent(server)))
        status = server.status()
        return {"knobs": status["manager"]["knobs"], "cores": status["cores"],
                "network_ns": supervisor_ns / requests,
                "hand_off_ns": max(0, hosts_ns - runs_ns) / batches,
                "generator_ns": report["generator"]["cpu_s"] * 1e9 / requests,
                "tenants": {lane["tenant"]: lane_costs(lane) for lane in status["lanes"]}}


def spent(server):
    """CPU time of the supervisor, of all hosts, and of these inside runs; batches run."""
    metrics = server.metrics()
    total = {name: sum(value for (metric, _), value in metrics.items() if metric == name)
             for name in ("roost_cpu_seconds", "nv_inference_exec_count")}
    supervisor, *others = server.pids()
    return (cpu_ns([supervisor]), cpu_ns(others), total["roost_cpu_seconds"] * 1e9,
            total["nv_inference_exec_count"])


def lane_costs(lane):
    """variant -> what it costs; CPU time, since others ran beside it."""
    return {variant["name"]: {
        "accuracy": variant.get("accuracy"), "mflops": variant["mflops"],
        "flops": variant["flops_counted"], "memory": variant["memory_bytes"],
        "start_ns": variant["start_ns"],
        "points": [(point["rows"], point["cpu_ns"]) for point in variant["points"]
                   if point["samples"] >= SAMPLES_LEAST]} for variant in lane["variants"]}
