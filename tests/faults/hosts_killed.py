# SPDX-License-Identifier: Apache-2.0
"""Hosts are killed, stopped and made to hang under load; no client notices."""
import os
import signal
import sys
import unittest
from concurrent.futures import ThreadPoolExecutor

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../scenario"))
from load import Load, assert_conserved  # noqa: E402
from roost_server import SOAK, Server, fake_model, row_sums, wait_for  # noqa: E402

ROUNDS = 100 if SOAK else 10
CONFIG = """
server: {hang_after: 300 ms}
defaults: {deadline: 30 s, workers: 2}
"""


def disturb(server, load, tenant, number):
    """Sends the signal to the tenant's host and waits until another one answers."""
    pid = wait_for("a host", lambda: server.hosts(tenant))[0]
    os.kill(pid, number)
    wait_for("another host", lambda: server.hosts(tenant) not in ([], [pid]))
    load.progress(tenant, 20)


class HostsKilled(unittest.TestCase):
    def test_killed_and_stopped(self):
        models = {"a": fake_model("service_us 300 50"), "b": fake_model("service_us 2000 100"),
                  "c": fake_model("service sleep", "service_us 1000 100")}
        with Server(models, CONFIG) as server:
            with Load(server, {"a": 3, "b": 3, "c": 3}) as load:
                for tenant in models:
                    load.progress(tenant, 10)
                for index in range(ROUNDS):
                    disturb(server, load, "abc"[index % 3],
                            signal.SIGSTOP if index % 4 == 3 else signal.SIGKILL)
            load.assert_all_good()
            assert_conserved(server, load, models)
            metrics = server.metrics()
            deaths = sum(metrics["roost_host_deaths", tenant] for tenant in models)
            self.assertEqual(deaths, ROUNDS)

    def test_killed_all_at_once(self):
        models = {name: fake_model("service_us 500 50") for name in ("a", "b", "c", "d")}
        with Server(models, CONFIG) as server:
            with Load(server, {name: 2 for name in models}) as load:
                for _ in range(ROUNDS // 5):
                    pids = wait_for("all hosts",
                                    lambda: len(server.hosts()) == 4 and server.hosts())
                    for pid in pids:
                        os.kill(pid, signal.SIGKILL)
                    wait_for("new hosts", lambda old=set(pids): len(server.hosts()) == 4
                             and not old & set(server.hosts()))
                    for tenant in models:
                        load.progress(tenant, 5)
            load.assert_all_good()
            assert_conserved(server, load, models)

    def test_hangs_in_a_run(self):
        models = {"hangs": fake_model("service_us 300 10", "hang_after 40"),
                  "good": fake_model("service_us 300 10")}
        with Server(models, CONFIG) as server:
            with Load(server, {"hangs": 3, "good": 2}, most=80) as load:
                pass
            load.assert_all_good()
            self.assertEqual(load.sent["hangs"], 240)
            assert_conserved(server, load, models)
            metrics = server.metrics()
            self.assertGreaterEqual(metrics["roost_host_deaths", "hangs"], 1)
            self.assertEqual(metrics["roost_host_deaths", "good"], 0)

    def test_crashes_by_itself(self):
        models = {"crashes": fake_model("service_us 300 10", "crash_after 60")}
        with Server(models, CONFIG) as server:
            with Load(server, {"crashes": 3}, most=100) as load:
                pass
            load.assert_all_good()
            assert_conserved(server, load, models)
            self.assertGreaterEqual(server.metrics()["roost_host_deaths", "crashes"], 1)

    def test_poison(self):
        models = {"poisoned": fake_model("service_us 1000 100", "crash_on_value 666000"),
                  "neighbour": fake_model("service_us 500 50")}
        with Server(models, CONFIG + "tenants: [{name: poisoned, batching: off}]") as server:
            with Load(server, {"poisoned": 3, "neighbour": 2}) as load:
                load.progress("poisoned", 20)
                for _ in range(3):
                    answer = server.infer("poisoned", [(666000, 0, 0, 0)])
                    self.assertEqual(answer.status, 500, answer)
                    self.assertIn("ended twice", answer.error)
                    load.progress("poisoned", 20)
            load.assert_all_good()
            load.counts["poisoned"][500] += 3
            assert_conserved(server, load, models)
            self.assertEqual(server.metrics()["roost_host_deaths", "neighbour"], 0)
            self.assertEqual(row_sums(server.infer("poisoned")), [10])

    def test_poison_among_companions(self):
        """The poisonous request is the first of a batch of four: only it fails."""
        models = {"m": fake_model("service_us 500 50", "crash_on_value 666")}
        tenant = "tenants: [{name: m, batching: on, batch_max: 4, batch_delay: 20 s}]"
        with Server(models, CONFIG + tenant) as server, ThreadPoolExecutor(4) as pool:
            futures = []
            for first in (666, 1, 2, 3):
                wait_for("its place in the queue", lambda: server.metrics()[
                    "roost_queue_requests", "m"] == len(futures))
                futures.append(pool.submit(server.infer, "m", [(first, 0, 0, 0)]))
            answers = [future.result() for future in futures]
            self.assertEqual([answer.status for answer in answers], [500, 200, 200, 200], answers)
            self.assertEqual([row_sums(answer)[0] for answer in answers[1:]], [1, 2, 3])
            self.assertEqual(server.metrics()["roost_rerun", "m"], 4)


if __name__ == "__main__":
    unittest.main(verbosity=2)
