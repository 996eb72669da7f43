# SPDX-License-Identifier: Apache-2.0
"""Switches of variant under load: what they cost the tenant itself, and its neighbour."""
import os
import re
import threading
import time

from bodies import model_bodies
from common import cpu_ns, drive, figure, infer_path, say
from live import Served, load_file, load_report
from mixes import Tenant
from neighbour import SAMPLES_MIN, Traffic, aside, pooled_p99_us

# Every variant's first switch starts its host; later ones find it standing by.
SWITCHED = Tenant("images", "p95 50 ms", 1, "mobilenet_v1_050", "mobilenet_v1_050_160",
                  "mobilenet_v1_025", "mobilenet_v1_025_160", "mobilenet_v1_025_128")
NEIGHBOUR = Tenant("near", "p99 10 ms", 1, "ncf")
NEIGHBOUR_RATE = 1000
LOAD = 0.65  # of what the dearest variant carries beside the neighbour: a switch is no overload
WINDOW_S = 0.1  # after the command; a switch that takes longer is watched until it has ended


def windows_of_switches(server, until_s):
    """Switches and rests by turns. (quiet windows, switch windows, number that started a host)"""
    quiet, switching, cold = [], [], 0
    number = 0
    warm = {SWITCHED.ladder[0]}
    time.sleep(0.5)
    while time.monotonic() < until_s:
        number += 1
        variant = SWITCHED.ladder[number % len(SWITCHED.ladder)]
        cold += variant not in warm
        warm.add(variant)
        begin = time.monotonic_ns()
        time.sleep(WINDOW_S)
        middle = time.monotonic_ns()
        server.switch(SWITCHED.name, variant)
        time.sleep(max(0, WINDOW_S - (time.monotonic_ns() - middle) / 1e9))
        end = time.monotonic_ns()
        quiet.append((begin, middle))
        switching.append((middle, end))
        time.sleep(WINDOW_S)  # so that nothing of the switch is in the next quiet window
    return quiet, switching, cold


def stalls(server):
    """Cumulative counts by upper bound in seconds ("+Inf" is the number of all)."""
    pattern = re.compile(
        rf'roost_switch_gap_seconds_bucket{{model="{SWITCHED.name}".*le="([^"]+)"}} (\d+)')
    return {match.group(1): int(match.group(2))
            for match in map(pattern.match, server.get("/metrics").body.decode().splitlines())
            if match}


def carried():
    """Requests per second of the dearest variant's one worker, always busy beside the neighbour."""
    with Served([SWITCHED, NEIGHBOUR], "none") as server, \
            model_bodies(server, SWITCHED.name, 1, 8) as images, \
            model_bodies(server, NEIGHBOUR.name, 1, 64) as bodies:
        traffic = Traffic(server, bodies, 5, NEIGHBOUR.name, NEIGHBOUR_RATE)
        time.sleep(0.5)
        report = drive(server, infer_path(SWITCHED.name), images, 4, connections=2)
        traffic.samples()
        return report["requests"] / 4


def one_server(seconds, rate):
    """Everything that one life of a server gives."""
    with Served([SWITCHED, NEIGHBOUR], "none") as server, \
            model_bodies(server, NEIGHBOUR.name, 1, 64) as bodies:
        own = {}
        thread = threading.Thread(target=lambda: own.update(load_report(
            server, load_file([SWITCHED], rates={SWITCHED.name: rate}),
            ["--warmup", "0s", "--duration", f"{seconds + 1}s"])))
        used_ns, begun_s = cpu_ns(server.pids()), time.monotonic()
        traffic = Traffic(server, bodies, seconds, NEIGHBOUR.name, NEIGHBOUR_RATE)
        thread.start()
        quiet, switching, cold = aside(windows_of_switches, server, begun_s + seconds - 0.5)
        used_ns = cpu_ns(server.pids()) - used_ns
        passed_s = time.monotonic() - begun_s
        samples = traffic.samples()
        thread.join()
        return {"quiet": quiet, "switching": switching, "cold": cold, "samples": samples,
                "stalls": stalls(server), "errors": own["total"]["errors"],
                "requests": own["total"]["scheduled"],
                "load": used_ns / 1e9 / passed_s / os.cpu_count()
                + own["generator"]["cpu_s"] / (seconds + 1) / os.cpu_count()}


def p99_bound_s(counts):
    """The upper bound of the bucket in which the 99th percentile lies."""
    wanted = 0.99 * counts["+Inf"]
    return next(float(bound) for bound, count in counts.items() if count >= wanted)


def measure(lives, seconds):
    """At least a hundred switches over several lives of a server, since only a life's first
    switches start hosts."""
    rate = round(LOAD * carried())
    parts = [one_server(seconds, rate) for _ in range(lives)]
    counts = {bound: sum(part["stalls"].get(bound, 0) for part in parts)
              for bound in parts[0]["stalls"]}
    # Times are of one clock, so windows and samples of all lives can be pooled as they are.
    samples = [pair for part in parts for pair in part["samples"]]
    quiet_us, quiet_count = pooled_p99_us(samples, [w for p in parts for w in p["quiet"]])
    busy_us, busy_count = pooled_p99_us(samples, [w for p in parts for w in p["switching"]])
    return {"rate": rate, "switches": sum(len(part["switching"]) for part in parts),
            "cold": sum(part["cold"] for part in parts),
            "errors": {kind: sum(part["errors"][kind] for part in parts)
                       for kind in parts[0]["errors"]},
            "requests": sum(part["requests"] for part in parts),
            "load": max(part["load"] for part in parts),
            "stalls": counts, "quiet_p99_us": quiet_us, "quiet_samples": quiet_count,
            "switching_p99_us": busy_us, "switching_samples": busy_count}


def tell(result):
    waited = result["stalls"]["+Inf"]
    say(f"switches: {result['switches']} ({result['cold']} started a host) among "
        f"{result['requests']} requests, {result['rate']}/s, {LOAD * 100:.0f} % of what the "
        f"dearest variant's worker carries ({result['load'] * 100:.0f} % of the machine); "
        f"{waited} found requests waiting; neighbour's p99 {result['quiet_p99_us']:.0f} us quiet "
        f"({result['quiet_samples']} samples), {result['switching_p99_us']:.0f} us in switches "
        f"({result['switching_samples']} samples)")
    if min(result["quiet_samples"], result["switching_samples"]) < SAMPLES_MIN:
        say(f"  too few samples: {SAMPLES_MIN} of each are needed")
    failed = {kind: count for kind, count in result["errors"].items() if count}
    if failed:
        say("  failed: " + ", ".join(f"{count} {kind}" for kind, count in failed.items()))
    figure("switch_failed_requests", sum(failed.values()), 0)
    if waited:
        figure("switch_stall_p99", p99_bound_s(result["stalls"]) * 1e3, 5, "ms")
    figure("switch_neighbour_p99", result["switching_p99_us"] / result["quiet_p99_us"], 1.2, "x")
