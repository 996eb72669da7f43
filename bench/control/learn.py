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
    other. Costs of variants, of the network thread and of the generator; what the node can do."""
    rungs = max(len(tenant.ladder) for tenant in mix)
    seconds = rungs * STEP_S + 1
    paths = arrivals.write(os.path.join(WORK, "control-traces", f"{name}-learn"), mix,
                           f"{name}-learn", (seconds, 0.5 * capacity))
    with Served(mix, "none") as server:
        report = {}
        before_ns = cpu_ns([server.process.pid])
        thread = threading.Thread(target=lambda: report.update(load_report(
            server, load_file(mix, paths), ["--warmup", "0s", "--duration", f"{seconds}s"])))
        thread.start()
        for rung in range(rungs):
            server.switch_all(rung)
            time.sleep(STEP_S)
        thread.join()
        requests = report["total"]["scheduled"]
        status = server.status()
        return {"knobs": status["manager"]["knobs"], "cores": status["cores"],
                "network_ns": (cpu_ns([server.process.pid]) - before_ns) / requests,
                "generator_ns": report["generator"]["cpu_s"] * 1e9 / requests,
                "tenants": {lane["tenant"]: lane_costs(lane) for lane in status["lanes"]}}


def lane_costs(lane):
    """variant -> what it costs; CPU time, since others ran beside it."""
    return {variant["name"]: {
        "accuracy": variant.get("accuracy"), "mflops": variant["mflops"],
        "flops": variant["flops_counted"], "memory": variant["memory_bytes"],
        "start_ns": variant["start_ns"],
        "points": [(point["rows"], point["cpu_ns"]) for point in variant["points"]
                   if point["samples"] >= SAMPLES_LEAST]} for variant in lane["variants"]}
