# SPDX-License-Identifier: Apache-2.0
"""A neighbour's tail latency while another model loads."""
import os
import shutil
import struct
import tempfile
import threading
import time

from bodies import model_bodies
from common import Roost, drive, explicit, figure, infer_path, say, zoo_make
import common

NEIGHBOUR, LOADED = "ncf", "resnet_v2_50"
RATE = 1000
SAMPLES_MIN = 2000
QUIET_S = 0.4


class Traffic:
    """Open-loop requests to the neighbour for so many seconds; afterwards (time, latency) pairs."""

    def __init__(self, roost, bodies, seconds, tenant=NEIGHBOUR, rate=RATE):
        handle, self.path = tempfile.mkstemp(prefix="samples-")
        os.close(handle)
        self.thread = threading.Thread(target=drive, args=(
            roost, infer_path(tenant), bodies, seconds),
            kwargs={"connections": 8, "rate": rate, "samples": self.path})
        self.thread.start()

    def flows(self):
        return self.thread.is_alive()

    def samples(self):
        self.thread.join()
        with open(self.path, "rb") as file:
            pairs = list(struct.iter_unpack("QQ", file.read()))
        os.unlink(self.path)
        return pairs


def pooled_p99_us(samples, windows):
    """(p99, number) of the samples that were sent within one of the windows."""
    pool = sorted(latency for at, latency in samples
                  if any(begin <= at < end for begin, end in windows))
    return pool[int(len(pool) * 0.99)] / 1e3, len(pool)


def forget_copies(roost):
    """Empties the cache, so that the next load optimises the model again."""
    cache = os.path.join(roost.directory, "cache")
    for name in os.listdir(cache):
        if os.path.isdir(os.path.join(cache, name)):
            shutil.rmtree(os.path.join(cache, name))


def aside(function, *arguments):
    """Calls it on a thread that lets everybody else go first: who asks for something to happen is
    not what is measured."""
    def call():
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
        results.append(function(*arguments))
    results = []
    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
    return results[0]


def load_windows(roost, traffic, cold):
    """Loads and unloads by turns while the traffic flows. (quiet windows, loading windows)"""
    quiet, loading = [], []
    time.sleep(0.5)
    while traffic.flows():
        begin = time.monotonic_ns()
        time.sleep(QUIET_S)
        middle = time.monotonic_ns()
        assert roost.post(f"/v2/repository/models/{LOADED}/load").status == 200
        end = time.monotonic_ns()
        quiet.append((begin, middle))
        loading.append((middle, end))
        assert roost.post(f"/v2/repository/models/{LOADED}/unload").status == 200
        if cold:
            forget_copies(roost)
        time.sleep(0.3)
    return quiet, loading


def measure(roost, bodies, cold):
    seconds = 3 * common.rounds
    while True:
        traffic = Traffic(roost, bodies, seconds)
        quiet, loading = aside(load_windows, roost, traffic, cold)
        samples = traffic.samples()
        quiet_us, quiet_count = pooled_p99_us(samples, quiet)
        loading_us, loading_count = pooled_p99_us(samples, loading)
        if min(quiet_count, loading_count) >= SAMPLES_MIN or seconds > 60:
            break
        seconds *= 2
    name = "cold" if cold else "cached"
    say(f"neighbour: p99 {quiet_us:.0f} us in {len(quiet)} quiet windows ({quiet_count} samples), "
        f"{loading_us:.0f} us in {len(loading)} of a {name} load ({loading_count} samples)")
    figure(f"neighbour_p99_{name}_load", loading_us / quiet_us, 1.2, "x")


def neighbour():
    """a neighbour's p99 while a 100 MB model loads and warms, against quiet windows"""
    zoo_make(NEIGHBOUR, LOADED)
    with Roost(config=explicit(NEIGHBOUR), zoo=True) as roost, \
            model_bodies(roost, NEIGHBOUR, 1, 64) as bodies:
        roost.post(f"/v2/repository/models/{LOADED}/load")
        roost.post(f"/v2/repository/models/{LOADED}/unload")
        measure(roost, bodies, cold=False)
        forget_copies(roost)
        measure(roost, bodies, cold=True)
