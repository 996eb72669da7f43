# SPDX-License-Identifier: Apache-2.0
"""CPU and latency that Roost adds to a request, against the bare echo."""
from bodies import model_bodies, plain_bodies
from common import (Echo, Roost, drive, drive_cpu_us, explicit, figure, infer_ns, infer_path,
                    median, say, spread, zoo_make)
import common

# 1 KB of tensor there and back; no time in the engine.
ZERO_COST = """input x FP32 -1 256
output y FP32 -1 256
service_us 0 0
echo
"""
SECONDS = 1.2


def cpu():
    """CPU of all processes per 1 KB request beyond the echo's"""
    modes = {"closed16": {"connections": 16}, "open1000": {"connections": 16, "rate": 1000}}
    bounds = {"closed16": 15, "open1000": 30}
    with Roost({"zero": ZERO_COST}) as roost, Echo() as echo, plain_bodies("x", 256) as bodies:
        costs = {(mode, side): [] for mode in modes for side in ("roost", "echo")}
        for _ in range(common.rounds):
            for mode, how in modes.items():
                for side, server, path in (("echo", echo, "/"),
                                           ("roost", roost, infer_path("zero"))):
                    us, report = drive_cpu_us(server, path, bodies, SECONDS, **how)
                    costs[mode, side].append(us)
                    say(f"  {mode} {side}: {us:.1f} us of CPU, {report['per_s']:.0f}/s, "
                        f"p50 {report['p50_us']:.0f} us, p99 {report['p99_us']:.0f} us")
    for mode, bound in bounds.items():
        ours, theirs = costs[mode, "roost"], costs[mode, "echo"]
        beyond = [a - b for a, b in zip(ours, theirs)]
        say(f"cpu {mode}: roost {spread(ours)} us, echo {spread(theirs)} us, "
            f"beyond {spread(beyond)} us")
        figure(f"cpu_beyond_echo_{mode}", median(beyond), bound, "us")


def latency():
    """p50 beyond the time inside the engine, against the echo's p50"""
    zoo_make("ncf")
    with Roost(config=explicit("ncf"), zoo=True) as roost, Echo() as echo, \
            model_bodies(roost, "ncf", 1, 64) as bodies:
        rows = []
        for _ in range(common.rounds):
            theirs = drive(echo, "/", bodies, SECONDS)["p50_us"]
            count, ns = infer_ns(roost, "ncf")
            ours = drive(roost, infer_path("ncf"), bodies, SECONDS)["p50_us"]
            count_after, ns_after = infer_ns(roost, "ncf")
            inside = (ns_after - ns) / (count_after - count) / 1e3
            rows.append((ours, inside, theirs))
            say(f"  p50: roost {ours:.0f} us, echo {theirs:.0f} us; "
                f"mean inside the engine {inside:.0f} us")
    # The server tells a mean, which a few runs that were interrupted raise and the median does not
    # feel: taking off more than the quietest round's would flatter us.
    least = min(inside for _, inside, _ in rows)
    ratios = [(ours - least) / theirs for ours, _, theirs in rows]
    say(f"latency: {spread(ratios)} times the echo's")
    figure("latency_p50_beyond_engine", median(ratios), 1.2, "x")
