# SPDX-License-Identifier: Apache-2.0
"""Many idle tenants: the memory of their hosts, and how soon a parked one answers."""
import os
import time

from bodies import model_bodies
from common import (Roost, explicit, figure, infer_path, median, memory_kib, optimised, raw_loop,
                    say, spread, zoo_make, zoo_path)
import common

TENANTS = 100
MODEL = "ncf"


def idle():
    """memory per host of 100 idle tenants beyond the model"""
    zoo_make(MODEL)
    tenants = [f"{{name: t{i:03}, model: {MODEL}}}" for i in range(TENANTS)]
    with Roost(config=explicit(*tenants), zoo=True) as roost:
        time.sleep(2)  # idle workers give memory back after half a second
        hosts = roost.hosts()
        sizes = [memory_kib(pid) for pid in hosts]
        pss = [size["Pss"] / 1024 for size in sizes]
        private = [(size["Private_Dirty"] + size["Private_Clean"]) / 1024 for size in sizes]
        model = os.path.getsize(zoo_path(MODEL) + ".data") / 2**20
        say(f"idle: {len(hosts)} hosts of a model of {model:.2f} MiB, each {spread(pss)} MiB with "
            f"its share of what is shared, {spread(private)} MiB private")
    # The weights are shared by all hosts of one model, so nothing is taken off for them.
    figure("idle_host_memory", median(pss), 6, "MiB")


def parked():
    """time to the first answer of a parked tenant beyond the model's load"""
    zoo_make(MODEL)
    tenant = f"{{name: {MODEL}, park: true, park_after: 100 ms}}"
    rows = []
    with Roost(config=explicit(tenant), zoo=True) as roost, \
            model_bodies(roost, MODEL, 1, 1) as bodies, optimised(roost) as copy:
        with open(bodies.path, "rb") as file:
            body = file.read()
        headers = {"Inference-Header-Content-Length": str(bodies.header_length)}
        for round_ in range(common.rounds):
            roost.wait_log("model.parked", round_ + 1)
            time.sleep(0.5)
            load_ms = raw_loop(copy, 1, 0, arguments=["--optimised", "--warm", "0"])["load_ms"]
            connection = roost.connect()
            connection.connect()
            begun = time.monotonic()
            answer = roost.call("POST", infer_path(MODEL), body, headers, connection)
            took_ms = (time.monotonic() - begun) * 1e3
            connection.close()
            assert answer.status == 200, answer
            rows.append((took_ms, load_ms))
            say(f"  first answer after {took_ms:.1f} ms; the model's load is {load_ms:.1f} ms")
    # A load that was held up by others would flatter us: the quickest one counts.
    waits = [took_ms - min(load_ms for _, load_ms in rows) for took_ms, _ in rows]
    say(f"parked: {spread(waits)} ms beyond the load")
    figure("parked_first_answer_beyond_load", median(waits), 30, "ms")
