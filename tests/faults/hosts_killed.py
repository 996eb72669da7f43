# SPDX-License-Identifier: Apache-2.0
"""Hosts are killed, stopped and made to hang under load; no client notices."""
import os
import signal
import sys
import unittest
from concurrent.futures import ThreadPoolExecutor

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../scenario"))
import onnx_models  # noqa: E402
from load import Load, assert_conserved  # noqa: E402
from roost_server import SOAK, Server, fake_model, row_sums, wait_for  # noqa: E402

ROUNDS = 100 if SOAK else 10
CONFIG = """
server: {hang_after: 300 ms}
defaults: {deadline: 30 s, workers: 2}
"""
EXPLICIT = ["--model-control-mode", "explicit"]
# Long enough for hosts that are well, on a machine that is busy with other tests.
LOAD_TIMEOUT = "server: {load_timeout: 10 s}\n"
TIMED_OUT = "it did not finish loading within 10.0 s (server: load_timeout)"


def disturb(server, load, tenant, number):
    """Sends the signal to the tenant's host and waits until another one answers."""
    pid = wait_for("a host", lambda: server.hosts(tenant))[0]
    os.kill(pid, number)
    wait_for("another host", lambda: server.hosts(tenant) not in ([], [pid]))
    load.progress(tenant, 20)


def starting(server, state):
    """The process id of a host that is not ready yet; None: there is none in this state."""
    return next((host["pid"] for lane in server.status()["lanes"] for host in lane["hosts"]
                 if host["state"] == state and host["pid"]), None)


def states(server):
    return [host["state"] for lane in server.status()["lanes"] for host in lane["hosts"]]


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

    def test_slow_is_not_hung(self):
        """Runs take far longer than hang_after, but no longer than they always do."""
        models = {"m": fake_model("service sleep", "service_us 200000 0")}
        with Server(models, "server: {hang_after: 1 h}\n") as server:
            for _ in range(5):
                self.assertEqual(server.infer("m").status, 200)
            pid, = server.hosts("m")
            server.write_config("server: {hang_after: 10 ms}\n")
            server.signal(signal.SIGHUP)
            server.wait_log(r"config\.reload")
            for _ in range(10):
                self.assertEqual(server.infer("m").status, 200)
            self.assertEqual(server.hosts("m"), [pid])
            self.assertEqual(server.metrics()["roost_host_deaths", "m"], 0)
            os.kill(pid, signal.SIGSTOP)
            self.assertEqual(row_sums(server.infer("m")), [10])
            self.assertEqual(server.metrics()["roost_host_deaths", "m"], 1)

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


class HostsStuckAtTheStart(unittest.TestCase):
    """Hosts that never finish loading are ended by load_timeout, and say so."""

    def reason(self, server, model):
        entries = server.post("/v2/repository/index").json()
        return next(one["reason"] for one in entries if one["name"] == model)

    def assert_timed_out(self, server, model):
        wait_for("the failed start", lambda: self.reason(server, model))
        self.assertEqual(self.reason(server, model), TIMED_OUT)
        answer = server.infer(model)
        self.assertEqual(answer.status, 503, answer)
        self.assertIn(TIMED_OUT, answer.error)

    def load(self, server, model):
        return server.post(f"/v2/repository/models/{model}/load", {})

    def assert_not_loaded(self, answer):
        self.assertEqual(answer.status, 503, answer)
        self.assertIn(TIMED_OUT, answer.error)

    def test_others_still_start(self):
        """As many as may start at once hang; the one that waits behind them starts all the same."""
        with Server({"good": fake_model("service_us 100 10")}, LOAD_TIMEOUT, EXPLICIT) as server:
            stuck = [f"a{number}" for number in range(server.status()["cores"])]
            for name in stuck:
                server.write_model(name, fake_model("load_ms 600000"))
            with ThreadPoolExecutor(len(stuck)) as pool:
                answers = [pool.submit(self.load, server, name) for name in stuck]
                wait_for("every permit to be taken",
                         lambda: states(server).count("loading") == len(stuck))
                self.assertEqual(self.load(server, "good").status, 200)
            for name, answer in zip(stuck, answers):
                self.assert_not_loaded(answer.result())
                self.assert_timed_out(server, name)
            metrics = server.metrics()
            self.assertEqual({metrics["roost_host_deaths", name] for name in stuck}, {1})
            self.assertEqual(metrics["roost_host_deaths", "good"], 0)
            self.assertEqual(states(server), ["ready"])
            self.assertEqual(row_sums(server.infer("good")), [10])

    def test_load_call_is_answered(self):
        """Stuck in its first run, which is the warm-up; when the model is mended, it loads. A
        reload that hangs leaves what serves alone."""
        with Server({"m": fake_model("hang_after 1")}, LOAD_TIMEOUT, EXPLICIT) as server:
            self.assert_not_loaded(self.load(server, "m"))
            self.assert_timed_out(server, "m")
            server.write_model("m", fake_model())
            self.assertEqual(self.load(server, "m").status, 200)
            self.assertEqual(row_sums(server.infer("m")), [10])
            server.write_model("m", fake_model("load_ms 600000"))
            self.assert_not_loaded(self.load(server, "m"))
            self.assertEqual(row_sums(server.infer("m")), [10])

    def test_stopped_while_loading(self):
        """The successor of a host that died: the start fails, and is tried again later."""
        with Server({"m": fake_model("load_ms 500")}, LOAD_TIMEOUT) as server:
            os.kill(server.hosts("m")[0], signal.SIGKILL)
            pid = wait_for("a loading host", lambda: starting(server, "loading"))
            os.kill(pid, signal.SIGSTOP)
            self.assert_timed_out(server, "m")
            wait_for("the next host", lambda: server.infer("m").status == 200)
            self.assertEqual(self.reason(server, "m"), "")
            self.assertNotIn(pid, server.hosts("m"))
            self.assertEqual(server.metrics()["roost_host_deaths", "m"], 2)

    def test_stopped_while_optimising(self):
        """The model is served as it is, and its host is watched as any other."""
        config = LOAD_TIMEOUT.replace("}", ", hang_after: 2 s}")
        with Server({"m": {"1/model.onnx": onnx_models.folded()}}, config, ready=False) as server:
            os.kill(wait_for("an optimiser", lambda: starting(server, "optimising")),
                    signal.SIGSTOP)
            server.wait_log("it did not finish optimising within 10.0 s")
            server.write_config(config.replace("10 s", "1 h"))  # for what takes a busy machine long
            server.signal(signal.SIGHUP)
            server.wait_ready()
            host, = server.lanes("m")[0]["hosts"]
            self.assertEqual((host["state"], host["optimised"]), ("ready", False))
            self.assertEqual(server.metrics()["roost_host_deaths", "m"], 0)
            os.kill(host["pid"], signal.SIGSTOP)
            self.assertEqual(server.infer("m").json()["outputs"][0]["data"], [1, 2, 3, 4])
            self.assertEqual(server.metrics()["roost_host_deaths", "m"], 1)


if __name__ == "__main__":
    unittest.main(verbosity=2)
