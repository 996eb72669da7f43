# SPDX-License-Identifier: Apache-2.0
"""The most that a mix's top variants carry without a manager: what loads are multiples of.

Not `roost load --find-max`, which also wants its own sending to be in time: with the generator on
the server's cores that ends the search where the cores are busy, not where promises are broken.
"""
from common import say
from live import Served, load_file, load_report

FIRST_RATE = 60  # requests per second of a tenant of rate 1, where the search begins
WARM_S, STEP_S = 1, 4
RATIO_QUICK, RATIO = 1.15, 1.06


def carries(server, rate):
    """True when every promise is kept."""
    report = load_report(
        server, load_file(server.mix, rates={t.name: rate * t.rate for t in server.mix}),
        ["--warmup", f"{WARM_S}s", "--duration", f"{STEP_S}s"])
    return all(row["attainment"] >= tenant.percentile
               for row, tenant in zip(report["tenants"], server.mix))


def measure(mix, quick):
    """Requests per second of a tenant of rate 1 at which every promise is just kept."""
    with Served(mix, "static") as server:
        carries(server, FIRST_RATE / 2)  # connections, first touch of memory, learnt costs
        low, high = FIRST_RATE, FIRST_RATE
        if carries(server, FIRST_RATE):
            while carries(server, high := high * 1.5):
                low = high
        else:
            while not carries(server, low := low / 1.5):
                high = low
        while high / low > (RATIO_QUICK if quick else RATIO):
            middle = (low * high) ** 0.5
            low, high = (middle, high) if carries(server, middle) else (low, middle)
    say(f"  {low:.1f}/s for a tenant of rate 1")
    return low
