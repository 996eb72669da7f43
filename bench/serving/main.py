# SPDX-License-Identifier: Apache-2.0
"""Runs the figures that are named, or all."""
import argparse
import signal
import sys
import traceback

import capacity
import common
import cost
import hosts
import items
import json_body
import memory
import neighbour

FIGURES = {function.__name__: function for function in (
    cost.cpu, cost.latency, items.items, memory.worker, memory.unload, neighbour.neighbour,
    hosts.idle, hosts.parked, capacity.capacity)}
# Programs of their own, which scripts/bench runs by itself.
APART = {"json": json_body.json}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=common.rounds, help="alternations")
    parser.add_argument("--list", action="store_true", help="tell the names and what they mean")
    parser.add_argument("names", nargs="*", metavar="NAME")
    options = parser.parse_args()
    known = FIGURES | APART
    if options.list:
        for name, function in known.items():
            print(f"{name:10} {function.__doc__}")
        return 0
    unknown = set(options.names) - set(known)
    if unknown:
        parser.error(f"no figure {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    common.rounds = options.rounds
    # So that whoever ends us also ends the servers, and removes what we wrote.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    broken = False
    for name in options.names or FIGURES:
        common.say(f"-- {name}: {known[name].__doc__}")
        try:
            known[name]()
        except Exception:  # one that cannot be measured does not keep the others from it
            traceback.print_exc(file=sys.stdout)
            broken = True
    return 1 if broken else 0


sys.exit(main())
