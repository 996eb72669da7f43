# SPDX-License-Identifier: Apache-2.0
"""The most that a mix's top variants carry without a manager: what loads are multiples of.

Not `roost load --find-max`, which also wants its own sending to be in time: with the generator on
the server's cores that ends the search where the cores are busy, not where promises are broken.
"""
import os

from common import WORK, say
from live import Served
from mixes import MIXES
import arrivals

FIRST_RATE = 80  # requests per second of a tenant of rate 1, where the search begins
WARM_S = 1
TRIES = 3


class Search:
    """For the highest rate, on the server and in the simulator alike: by the same steps and on the
    same arrivals. Those of one rate are those of another, with the clock faster or slower."""

    def __init__(self, mix, quick):
        self.mix, self.tenants = mix, MIXES[mix]
        self.step_s, self.ratio = (3, 1.15) if quick else (6, 1.06)

    def traces(self, rate):
        name = f"{self.mix}-limit"
        return arrivals.write(os.path.join(WORK, "control-traces", name), self.tenants, name,
                              (WARM_S + self.step_s, rate))

    def highest(self, carries):
        """The highest rate whose traces the function says are carried."""
        low = high = FIRST_RATE
        if carries(self.traces(FIRST_RATE)):
            while carries(self.traces(high := high * 1.5)):
                low = high
        else:
            while not carries(self.traces(low := low / 1.5)):
                high = low
        while high / low > self.ratio:
            middle = (low * high) ** 0.5
            low, high = (middle, high) if carries(self.traces(middle)) else (low, middle)
        return low


def keeps_promises(server, paths, step_s):
    report = server.run_load(paths, WARM_S, step_s)
    return all(row["attainment"] >= tenant.percentile
               for row, tenant in zip(report["tenants"], server.mix))


def measure(mix, quick):
    """Requests per second of a tenant of rate 1 at which every promise is just kept, in one try of
    three: what else happens on the machine breaks promises, but keeps none."""
    search = Search(mix, quick)
    with Served(search.tenants, "static") as server:
        # Connections, first touch of memory, learnt costs.
        keeps_promises(server, search.traces(FIRST_RATE / 2), search.step_s)
        rate = search.highest(lambda paths: any(
            keeps_promises(server, paths, search.step_s) for _ in range(TRIES)))
    say(f"  {rate:.1f}/s for a tenant of rate 1")
    return rate
