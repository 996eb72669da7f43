# SPDX-License-Identifier: Apache-2.0
"""What the manager's ticks cost with many tenants."""
import threading
import time

from bodies import plain_bodies
from common import Roost, drive, figure, infer_path, say

TENANTS = 20
TICK = "100 ms"
RATE = 25  # requests per second of each tenant
LADDER = 3


def model(number):
    """Fake variants, the first one the dearest."""
    return f"input x FP32 -1 16\noutput y FP32 -1 16\nservice_us {400 // (number + 1)} 0\necho\n"


def config():
    variants = ", ".join(f"{{model: v{i}, accuracy: {0.8 - i / 10}, mflops: {40 / (i + 1)}}}"
                         for i in range(LADDER))
    tenants = ", ".join(f"{{name: t{i}, slo: p95 20 ms, variants: [{variants}]}}"
                        for i in range(TENANTS))
    return f"server: {{control_mode: explicit}}\ntenants: [{tenants}]\n"


def seen(server):
    metrics = server.metrics()
    return (time.monotonic(), metrics["roost_manager_cpu_seconds", None],
            metrics["roost_policy_cpu_seconds", None], metrics["roost_policy_decisions", None])


def measure(seconds, policy="roost"):
    """Share of a core that ticks take while all tenants have traffic."""
    models = {f"v{number}": model(number) for number in range(LADDER)}
    with Roost(models, config(), arguments=["--policy", policy, "--tick", TICK]) as server, \
            plain_bodies("x", 16) as bodies:
        threads = [threading.Thread(target=drive, args=(
            server, infer_path(f"t{i}"), bodies, seconds + 2), kwargs={"rate": RATE})
            for i in range(TENANTS)]
        for thread in threads:
            thread.start()
        time.sleep(1.5)
        before = seen(server)
        time.sleep(seconds)
        after = seen(server)
        for thread in threads:
            thread.join()
    passed_s, cpu_s, decide_s, ticks = (b - a for a, b in zip(before, after))
    return {"core": cpu_s / passed_s, "decide": decide_s / passed_s, "ticks": ticks,
            "us_per_tick": cpu_s / ticks * 1e6}


def tell(result):
    say(f"manager: {result['us_per_tick']:.0f} us of CPU per tick with {TENANTS} tenants, "
        f"{result['decide'] / result['core'] * 100:.0f} % of it to decide")
    figure("manager_cpu_20_tenants", result["core"] * 100, 1, "%")
