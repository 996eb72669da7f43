# SPDX-License-Identifier: Apache-2.0
"""A small model's tail latency beside a large one on the same core, by how the two are scheduled.

Both hosts run on one core; the supervisor and the generators on another. The large model is never
without work. The ways of scheduling take turns, and all samples of one way are pooled.
"""
import argparse
import ctypes
import json
import os
import platform
import signal
import struct
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "serving"))
import common  # noqa: E402
from bodies import model_bodies  # noqa: E402
from common import Roost, drive, infer_ns, infer_path, say, zoo_make  # noqa: E402
from roost_server import UnixConnection, wait_for  # noqa: E402

SMALL, LARGE = "ncf", "resnet_v2_152"
SMALL_RATE = 400
SMALL_US_MAX, LARGE_MS_MIN = 100, 50
NET_CORE, HOST_CORE = 0, 1
CONFIG = f"""
server: {{control_mode: explicit, tick: 100 ms}}
defaults: {{workers: 1, workers_max: 1, batching: "off", cpus: "{HOST_CORE}"}}
tenants:
  - {{name: {SMALL}, slo: p99 20 ms, share: 4}}
  - {{name: {LARGE}, slo: p95 5 s, share: 1}}
"""
SCHED_SETATTR = {"x86_64": 314, "aarch64": 274}[platform.machine()]
SCHED_OTHER, SCHED_IDLE = 0, 5
SLICE_NS = 100_000
HOG_FIRST_S, HOG_MORE_S = 0.5, 3


def control(server, path, value=None):
    connection = UnixConnection(server.control)
    try:
        answer = server.call("GET" if value is None else "POST", path,
                             None if value is None else json.dumps(value), connection=connection)
    finally:
        connection.close()
    assert answer.status == 200, answer
    return answer.json()


def set_policy(server, name, options=""):
    control(server, "/v2/roost/policy", {"policy": name, "options": options})


def grant(server, tenant):
    return server.lanes(tenant)[0]["grant"]


def schedule(server, tenant, policy, slice_ns):
    """By hand, on every thread of the tenant's hosts."""
    attributes = struct.pack("IIQiIQQQII", 56, policy, 0, 0, 0, slice_ns, 0, 0, 0, 0)
    for pid in server.hosts(tenant):
        for tid in os.listdir(f"/proc/{pid}/task"):
            if ctypes.CDLL(None, use_errno=True).syscall(SCHED_SETATTR, int(tid), attributes, 0):
                raise OSError(ctypes.get_errno(), f"sched_setattr of thread {tid}")


# ---- ways of scheduling ---------------------------------------------------------------------

def nothing(server):
    """nothing: no policy"""
    set_policy(server, "none")


def slice_alone(server):
    """a slice of 0.1 ms for the small one, no policy"""
    nothing(server)
    schedule(server, SMALL, SCHED_OTHER, SLICE_NS)


def idle_alone(server):
    """SCHED_IDLE for the large one, no policy"""
    nothing(server)
    schedule(server, LARGE, SCHED_IDLE, 0)


def weight_alone(server):
    """four times the weight for the small one (policy static)"""
    set_policy(server, "static", "mode=shared")
    wait_for("weights", lambda: grant(server, SMALL)["weight"] > grant(server, LARGE)["weight"])


def slice_and_weight(server):
    """the same with a slice of 0.1 ms"""
    weight_alone(server)
    schedule(server, SMALL, SCHED_OTHER, SLICE_NS)


def policy_roost(server):
    """policy roost, which chooses slice and weight"""
    set_policy(server, "roost")
    wait_for("a slice", lambda: grant(server, SMALL)["slice_ns"] > 0)
    wait_for("weights", lambda: grant(server, SMALL)["weight"] > grant(server, LARGE)["weight"])


WAYS = (nothing, slice_alone, idle_alone, weight_alone, slice_and_weight, policy_roost)


# ---- measuring ------------------------------------------------------------------------------

def turn(server, bodies, way, seconds):
    """Latencies in us of the small model's requests while scheduled in this way."""
    for tenant in (SMALL, LARGE):
        schedule(server, tenant, SCHED_OTHER, 0)
    # Its start and end, which take time of the generators' core, are outside of what is measured.
    hog = threading.Thread(target=drive, args=(server, infer_path(LARGE), bodies[LARGE],
                                               seconds + HOG_MORE_S),
                           kwargs={"connections": 2, "core": NET_CORE, "warm": 0})
    hog.start()
    time.sleep(HOG_FIRST_S)
    way(server)
    handle, path = tempfile.mkstemp(prefix="samples-")
    os.close(handle)
    drive(server, infer_path(SMALL), bodies[SMALL], seconds, connections=8, rate=SMALL_RATE,
          core=NET_CORE, samples=path)
    hog.join()
    with open(path, "rb") as file:
        samples = [latency / 1e3 for _, latency in struct.iter_unpack("QQ", file.read())]
    os.unlink(path)
    return samples


def quantile(samples, q):
    return sorted(samples)[int(len(samples) * q)]


def per_run_us(server, tenant, bodies, seconds):
    before = infer_ns(server, tenant)
    drive(server, infer_path(tenant), bodies, seconds, core=NET_CORE)
    after = infer_ns(server, tenant)
    return (after[1] - before[1]) / (after[0] - before[0]) / 1e3


def measure(server, bodies, options):
    alone = {tenant: per_run_us(server, tenant, bodies[tenant], 2) for tenant in (SMALL, LARGE)}
    say(f"slice: alone {SMALL} runs {alone[SMALL]:.0f} us and {LARGE} "
        f"{alone[LARGE] / 1e3:.1f} ms; both on core {HOST_CORE}, {SMALL} at {SMALL_RATE}/s")
    if alone[SMALL] > SMALL_US_MAX or alone[LARGE] < LARGE_MS_MIN * 1e3:
        raise RuntimeError(f"the models are not <= {SMALL_US_MAX} us and >= {LARGE_MS_MIN} ms here")
    pool, large = {way: [] for way in WAYS}, {way: [] for way in WAYS}
    for _ in range(options.rounds):
        for way in WAYS:
            before, began = infer_ns(server, LARGE)[0], time.monotonic()
            pool[way] += turn(server, bodies, way, options.seconds)
            large[way].append((infer_ns(server, LARGE)[0] - before) / (time.monotonic() - began))
    for way in WAYS:
        say(f"slice: p50 {quantile(pool[way], 0.5):7.0f}  p95 {quantile(pool[way], 0.95):7.0f}  "
            f"p99 {quantile(pool[way], 0.99):7.0f} us of {len(pool[way])}; {LARGE} "
            f"{common.median(large[way]):.2f}/s: {way.__doc__}")
    p99 = {way: quantile(pool[way], 0.99) for way in WAYS}
    common.figure("slice_small_model_p99", p99[slice_alone] / p99[nothing], 0.2, "x")
    common.figure("slice_small_model_p99_with_weight", p99[slice_and_weight] / p99[nothing], 0.2,
                  "x")
    common.figure("slice_small_model_p99_policy_roost", p99[policy_roost] / p99[nothing], 0.2, "x")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="alternations")
    parser.add_argument("--seconds", type=int, default=4, help="of each turn")
    parser.add_argument("--quick", action="store_true", help="one alternation")
    options = parser.parse_args()
    options.rounds = 1 if options.quick else options.rounds
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    if len(os.sched_getaffinity(0)) < 2:
        say("slice: needs two cores")
        return 1
    zoo_make(SMALL, LARGE)
    with Roost(config=CONFIG, zoo=True) as server:
        # The supervisor's core is not the hosts', which were placed by the configuration.
        for tid in os.listdir(f"/proc/{server.process.pid}/task"):
            os.sched_setaffinity(int(tid), {NET_CORE})
        with model_bodies(server, SMALL, 1, 64) as small, \
                model_bodies(server, LARGE, 1, 4) as large:
            measure(server, {SMALL: small, LARGE: large}, options)
    return 0


sys.exit(main())
