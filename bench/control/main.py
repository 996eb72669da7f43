# SPDX-License-Identifier: Apache-2.0
"""Runs the parts that are named, or all, and goes on where an earlier run was cut off."""
import argparse
import os
import signal
import sys
import traceback

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../serving"))
from common import say, zoo_make  # noqa: E402
import cells  # noqa: E402
import figures  # noqa: E402
import learn  # noqa: E402
import limits  # noqa: E402
import manager  # noqa: E402
import mixes  # noqa: E402
import report  # noqa: E402
import simulate  # noqa: E402
import store as stores  # noqa: E402
import switches  # noqa: E402


def capacities(store, scale):
    """mix -> requests per second of a tenant of rate 1, measured once"""
    return {mix: store.once(f"capacity-{mix}", lambda mix=mix: limits.measure(mix, scale.quick))
            for mix in scale.mixes}


def part_switches(store, scale):
    """switches of variant under load"""
    lives, seconds = (2, 17) if scale.quick else (6, 14)
    switches.tell(store.once("switches", lambda: switches.measure(lives, seconds)))


def part_manager(store, scale):
    """the manager's CPU with many tenants"""
    manager.tell(store.once("manager", lambda: manager.measure(5 if scale.quick else 15)))


def learn_once(store, mix, when, capacity):
    return store.once(f"costs-{mix}-{when}", lambda: learn.learn(
        mix, mixes.MIXES[mix], capacity))


def part_policies(store, scale):
    """every policy on every mix at every load"""
    found = capacities(store, scale)
    cells.measure_rows(store, scale, found, lambda mix, when: learn_once(
        store, mix, when, found[mix]))
    cells.measure_steady(store, scale, found)
    figures.tell(store, scale)
    report.write(store, scale, found)


def part_simulated(store, scale):
    """the simulator against the cells"""
    found = capacities(store, scale)
    for mix in scale.mixes:
        learnt = learn.together([learn_once(store, mix, when, found[mix])
                                 for when in ("before", "after")])
        store.put(f"costs-{mix}", learnt)
        paths = {load: cells.traces(mix, load, found[mix], scale, 0) for load in scale.loads}
        for load, twins in simulate.row(mix, learnt, scale, paths).items():
            store.put(f"sim-{mix}-{load}", twins)
        store.put(f"sim-capacity-{mix}", simulate.capacity(
            limits.Search(mix, scale.quick), learnt))
    figures.tell_simulated(store, scale, found)


PARTS = {"switches": part_switches, "manager": part_manager, "policies": part_policies,
         "simulated": part_simulated}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="ten minutes, two mixes, short cells")
    parser.add_argument("--fresh", action="store_true", help="forget what was measured before")
    parser.add_argument("--repetitions", type=int, help="of every cell")
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    options = parser.parse_args()
    unknown = set(options.parts) - set(PARTS)
    if unknown:
        parser.error(f"no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # ends the servers too
    scale = cells.Scale(options.quick, options.repetitions)
    store = stores.Store("control-quick" if options.quick else "control", options.fresh)
    zoo_make(*sorted({model for mix in scale.mixes for model in mixes.models(mixes.MIXES[mix])}
                     | {*switches.SWITCHED.ladder, *switches.NEIGHBOUR.ladder}))
    broken = False
    for name in options.parts or PARTS:
        say(f"-- {name}: {PARTS[name].__doc__}")
        try:
            PARTS[name](store, scale)
        except Exception:  # one part that cannot be measured does not keep the others from it
            traceback.print_exc(file=sys.stdout)
            broken = True
    return 1 if broken else 0


sys.exit(main())
