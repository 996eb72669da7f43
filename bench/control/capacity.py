# SPDX-License-Identifier: Apache-2.0
"""The most that a mix's top variants carry without a manager: what loads are multiples of."""
from common import say
from live import Served, load_file, load_report

FIRST_RATE = 60  # requests per second of a tenant of rate 1, where the search begins


def measure(mix, quick):
    """Requests per second of a tenant of rate 1 at which every promise is just kept."""
    rates = {tenant.name: FIRST_RATE * tenant.rate for tenant in mix}
    with Served(mix, "static") as server:
        report = load_report(server, load_file(mix, rates=rates), [
            "--find-max", "--find-step", "2s", "--find-samples", "100",
            "--find-precision", "0.15" if quick else "0.05"])
    found = report["find_max"]["multiplier"] * FIRST_RATE
    say(f"  {found:.1f}/s for a tenant of rate 1")
    return found
