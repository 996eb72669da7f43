# SPDX-License-Identifier: Apache-2.0
"""Policies decide for a live server: moves, faults, changes at run time, the log of decisions."""
import json
import os
import signal
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../scenario"))
from load import Load, assert_conserved  # noqa: E402
from roost_server import BINARY, Server, UnixConnection, fake_model, wait_for  # noqa: E402

POLICIES = ("static", "faircim", "exchange", "parties", "clite", "hera", "roost")
MODELS = {"large": fake_model("service_us 5000 500"), "small": fake_model("service_us 200 20"),
          "other": fake_model("service_us 300 30")}
CONFIG = """
defaults: {deadline: 30 s, workers: 2}
tenants:
  - name: t
    slo: p95 2 ms
    shed: never  # a policy may have what is late refused otherwise
    variants:
      - {model: large, accuracy: 0.9, mflops: 1000}
      - {model: small, accuracy: 0.7, mflops: 9}
  - {name: other, slo: p95 1 s}
"""
TICK = ["--tick", "20 ms"]


def policy(server, name=None, options=None):
    connection = UnixConnection(server.control)
    try:
        body = None if name is None else json.dumps({"policy": name, "options": options or ""})
        return server.call("GET" if name is None else "POST", "/v2/roost/policy", body,
                           connection=connection)
    finally:
        connection.close()


def roost(server, *words):
    return subprocess.run([BINARY, words[0], "--control", server.control, *words[1:]],
                          capture_output=True, text=True, check=False)


def decisions(server):
    return policy(server).json()["decisions"]


def wait_decisions(server, more):
    goal = decisions(server) + more
    wait_for(f"{more} decisions", lambda: decisions(server) >= goal)


def replay(path):
    answer = subprocess.run([BINARY, "sim", "--replay", path], capture_output=True, text=True,
                            check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr


class Managing(unittest.TestCase):
    def test_every_policy(self):
        """Each one runs under load, while tenants' hosts die; its decisions can be made again."""
        for name in POLICIES:
            with self.subTest(policy=name), Server(MODELS, CONFIG) as server:
                server.stop()
                log = os.path.join(server.directory, "decisions")
                server.arguments = [*TICK, "--policy", name, "--decision-log", log]
                server.start()
                with Load(server, {"t": 2, "other": 2}) as load:
                    wait_decisions(server, 20)
                    for pid in server.hosts():
                        os.kill(pid, signal.SIGKILL)
                    wait_decisions(server, 20)
                    load.progress("t", 10)
                    load.progress("other", 10)
                load.assert_all_good()
                assert_conserved(server, load, ["t", "other"])
                report = policy(server).json()
                self.assertEqual((report["deciding"], report["faults"]), (name, 0), report)
                server.stop()
                replay(log)

    def test_faircim_switches(self):
        arguments = [*TICK, "--policy", "faircim", "--policy-option", "interval=20ms",
                     "--policy-option", "settle=20ms"]
        with Server(MODELS, CONFIG, arguments) as server:
            with Load(server, {"t": 3, "other": 1}) as load:
                wait_for("the cheaper variant", lambda: server.lanes("t")[0]["variant"] == "small")
                load.progress("t", 10)
            load.assert_all_good()
            assert_conserved(server, load, ["t", "other"])
            server.wait_log(r"policy\.move policy=faircim tenant=t .*why=heaviest")
            self.assertGreaterEqual(server.metrics()["roost_policy_moves", None], 1)

    def test_next_rung(self):
        """The rung that the policy asks for cannot be loaded: the old one serves, then the next."""
        models = {**MODELS, "torn": fake_model("load_ms 300", "fail_load the weights are torn")}
        config = CONFIG.replace("      - {model: small", "      - {model: torn, accuracy: 0.8, "
                                "mflops: 99}\n      - {model: small")
        arguments = [*TICK, "--policy", "faircim", "--policy-option", "interval=20ms",
                     "--policy-option", "settle=20ms"]
        with Server(models, config, arguments) as server:
            with Load(server, {"t": 3}) as load:
                wait_for("the rung after it",
                         lambda: server.lanes("t")[0]["variant"] == "small")
                load.progress("t", 10)
            load.assert_all_good()
            assert_conserved(server, load, ["t"])
            self.assertIn("weights are torn", server.lanes("t")[0]["variants"][1]["reason"])
            self.assertEqual(policy(server).json()["faults"], 0)

    def test_floor(self):
        config = CONFIG.replace("slo: p95 2 ms", "slo: p95 2 ms\n    accuracy_floor: 0.8")
        arguments = [*TICK, "--policy", "faircim", "--policy-option", "interval=20ms",
                     "--policy-option", "settle=20ms"]
        with Server(MODELS, config, arguments) as server:
            with Load(server, {"t": 3}) as load:
                wait_decisions(server, 50)
            load.assert_all_good()
            self.assertEqual(server.lanes("t")[0]["switches"], 0)
            self.assertEqual(policy(server).json()["faults"], 0)

    def test_changed_at_run_time(self):
        with Server(MODELS, CONFIG, TICK) as server:
            server.stop()
            log = os.path.join(server.directory, "decisions")
            server.arguments = [*TICK, "--decision-log", log]
            server.start()
            self.assertEqual(policy(server).json()["policy"], "none")
            with Load(server, {"t": 2, "other": 2}) as load:
                for name in (*POLICIES, *POLICIES[::-1]):
                    self.assertEqual(policy(server, name).status, 200)
                    wait_decisions(server, 5)
                    load.progress("other", 5)
                self.assertEqual(policy(server, "none").status, 200)
                load.progress("t", 5)
            load.assert_all_good()
            assert_conserved(server, load, ["t", "other"])
            self.assertEqual([lane["workers"] for lane in server.status()["lanes"]], [2, 2])
            self.assertEqual(policy(server, "nobody").status, 404)
            self.assertEqual(policy(server, "static", "mode=both").status, 400)
            self.assertEqual(policy(server).json()["policy"], "none")
            server.stop()
            replay(log)

    def test_changed_while_it_decides(self):
        """What was asked for last decides, once the decision that is being made is made."""
        with Server(MODELS, CONFIG, [*TICK, "--policy", "clite"]) as server:
            def waits(name):
                """Whether a change to this policy had to wait: it is asked for as soon as a
                decision is counted, since the next one begins right then."""
                self.assertEqual(policy(server, "clite", "observe=20ms").status, 200)
                wait_decisions(server, 10)  # the first ones take no time
                seen = decisions(server)
                while decisions(server) == seen:
                    pass
                answer = policy(server, name)
                self.assertEqual(answer.status, 200, answer)
                self.assertEqual(answer.json()["policy"], name)
                return answer.json()["changing"]

            with Load(server, {"t": 2, "other": 2}) as load:
                wait_for("a change that waits", lambda: waits("static"))
                self.assertEqual(policy(server, "nobody").status, 404)
                wait_for("static", lambda: policy(server).json()["deciding"] == "static")
                wait_for("another one", lambda: waits("none"))
                wait_for("nobody", lambda: policy(server).json()["deciding"] == "none")
                load.progress("t", 5)
            load.assert_all_good()

    def test_tenants_come_and_go(self):
        """Also more of them than the policy accepts: then everybody keeps what they have."""
        for name in ("exchange", "clite"):
            with self.subTest(policy=name):
                self.come_and_go(name)

    def come_and_go(self, name):
        arguments = [*TICK, "--policy", name, "--model-control-mode", "explicit", "--load-model",
                     "*"]
        with Server({"m0": MODELS["other"]}, "", arguments) as server:
            for number in range(1, 20):
                server.write_model(f"m{number}", MODELS["other"])
            with Load(server, {"m0": 2}) as load:
                for verb in ("load", "unload"):
                    for number in range(1, 20):
                        answer = server.post(f"/v2/repository/models/m{number}/{verb}", {})
                        self.assertEqual(answer.status, 200, answer)
                    load.progress("m0", 10)
                wait_decisions(server, 5)
            load.assert_all_good()
            report = policy(server).json()
            self.assertEqual((report["faults"], report["deciding"]), (0, name), report)

    def test_reload(self):
        with Server(MODELS, CONFIG, TICK) as server:
            server.write_config(
                CONFIG + "server: {policy: static, policy_options: {mode: exclusive}}")
            server.signal(signal.SIGHUP)
            wait_for("static", lambda: policy(server).json()["policy"] == "static")
            wait_decisions(server, 3)
            self.assertEqual(policy(server).json()["options"], ["mode=exclusive"])
            status = server.status()
            if status["cores"] > 1:
                grants = [lane["grant"] for lane in status["lanes"]]
                self.assertEqual({grant["mode"] for grant in grants}, {"exclusive"})
                self.assertEqual(len({grant["cpus"] for grant in grants}), 2, grants)
                wait_for("hosts on cores of their own", lambda: len(
                    {min(os.sched_getaffinity(pid)) for pid in server.hosts()}) == 2)
            server.write_config(CONFIG)
            server.signal(signal.SIGHUP)
            wait_for("none", lambda: policy(server).json()["policy"] == "none")
            wait_for("hosts on all cores", lambda: {
                len(os.sched_getaffinity(pid)) for pid in server.hosts()} == {status["cores"]})

    def test_log_is_capped(self):
        config = CONFIG + "server: {decision_log_max: 1 MiB}"
        with Server(MODELS, config) as server:
            server.stop()
            log = os.path.join(server.directory, "decisions")
            server.arguments = ["--tick", "10 ms", "--policy", "roost", "--decision-log", log]
            server.start()
            with Load(server, {"t": 1, "other": 1}):
                wait_for("a second file", lambda: os.path.exists(log + ".1"))
                wait_decisions(server, 5)
            server.stop()
            self.assertLessEqual(os.path.getsize(log) + os.path.getsize(log + ".1"), 1 << 20)
            replay(log + ".1")
            replay(log)

    def test_commands(self):
        with Server(MODELS, CONFIG, TICK) as server:
            answer = roost(server, "switch", "t", "small")
            self.assertEqual((answer.returncode, answer.stdout), (0, "t: small serves\n"), answer)
            answer = roost(server, "switch", "t", "nothing")
            self.assertEqual(answer.returncode, 1, answer)
            self.assertIn("no variant 'nothing'", answer.stderr)
            answer = roost(server, "status")
            self.assertEqual(answer.returncode, 0, answer)
            self.assertIn("+large *small", answer.stdout)
            self.assertEqual(json.loads(roost(server, "status", "--json").stdout)["ready"], True)
            self.assertEqual(roost(server, "policy", "static").returncode, 0)
            self.assertIn("policy static", roost(server, "policy").stdout)
            self.assertIn("faircim", roost(server, "policy", "list").stdout)
            answer = roost(server, "policy", "set", "sttic")
            self.assertEqual(answer.returncode, 1, answer)
            self.assertIn("did you mean", answer.stderr)

    def test_refused_at_the_start(self):
        with self.assertRaisesRegex(AssertionError, "no policy"):
            Server(MODELS, CONFIG, ["--policy", "nobody"]).__enter__()


if __name__ == "__main__":
    unittest.main(verbosity=2)
