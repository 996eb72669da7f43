# SPDX-License-Identifier: Apache-2.0
"""Variants change under load; no client notices but by the name in the answer."""
import json
import os
import signal
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../scenario"))
from load import Load, assert_conserved  # noqa: E402
from roost_server import (SOAK, Server, UnixConnection, descendants, fake_model,  # noqa: E402
                          process_table, row_sums, wait_for)

ROUNDS = 1000 if SOAK else 120
RUNGS = ("large", "medium", "small")
SLOW = ["service_us 300 30", "load_ms 600000"]


def ladder(**models):
    """A tenant `t` whose variants are fake models, and a server's arguments for it."""
    names = ", ".join(f"{{model: {name}, accuracy: 0.{9 - i}}}" for i, name in enumerate(models))
    config = (f"server: {{hang_after: 300 ms}}\ndefaults: {{deadline: 30 s, workers: 2}}\n"
              f"tenants: [{{name: t, variants: [{names}]}}]\n")
    return {name: fake_model(*lines) for name, lines in models.items()}, config


def good_ladder():
    return ladder(large=["service_us 2000 100"], medium=["service_us 800 50"],
                  small=["service_us 200 20"])


def control(server, method, path, value=None):
    connection = UnixConnection(server.control)
    try:
        body = None if value is None else json.dumps(value)
        return server.call(method, path, body, connection=connection)
    finally:
        connection.close()


def ask_switch(server, variant, tenant="t"):
    return control(server, "POST", f"/v2/roost/tenants/{tenant}/switch", {"variant": variant})


def serving(server):
    return server.lanes("t")[0]["variant"]


def switch(server, variant):
    answer = ask_switch(server, variant)
    assert answer.status == 200, answer
    wait_for(f"{variant} to serve", lambda: serving(server) == variant)


def host_of(server, variant, states=("ready",)):
    return [host["pid"] for host in server.lanes("t")[0]["hosts"]
            if host["variant"] == variant and host["state"] in states and host["pid"]]


class Switching(unittest.TestCase):
    def test_under_load(self):
        models, config = good_ladder()
        with Server(models, config) as server:
            with Load(server, {"t": 6}) as load:
                for index in range(ROUNDS):
                    switch(server, RUNGS[(index + 1) % 3])
                    load.progress("t", 5)
            load.assert_all_good()
            assert_conserved(server, load, ["t"])
            self.assertEqual(server.metrics()["roost_switches", "t"], ROUNDS)
            answer = server.infer("t")
            self.assertEqual(answer.json()["parameters"]["roost_variant"], serving(server))

    def test_without_standby(self):
        """Every switch starts a host: what stood by is killed each time."""
        models, config = good_ladder()
        with Server(models, config) as server:
            with Load(server, {"t": 4}) as load:
                for index in range(ROUNDS // 10):
                    variant = RUNGS[(index + 1) % 3]
                    for pid in host_of(server, variant):
                        os.kill(pid, signal.SIGKILL)
                        wait_for("its end", lambda v=variant: not host_of(server, v))
                    switch(server, variant)
                    load.progress("t", 5)
            load.assert_all_good()
            assert_conserved(server, load, ["t"])

    def test_fails_to_load(self):
        models, config = ladder(good=["service_us 300 30"],
                                bad=["fail_load the weights are torn"], other=["service_us 200 20"])
        with Server(models, config) as server:
            with Load(server, {"t": 4}) as load:
                for _ in range(5):
                    ask_switch(server, "bad")
                    wait_for("the reason", lambda: "weights are torn" in str(
                        server.lanes("t")[0]["variants"][1].get("reason")))
                    wait_for("the end of the switch",
                             lambda: server.lanes("t")[0]["wanted"] == "good")
                    self.assertEqual(serving(server), "good")
                    load.progress("t", 5)
                switch(server, "other")
            load.assert_all_good()
            assert_conserved(server, load, ["t"])
            answer = server.infer("t", parameters={"roost_variant": "bad"})
            self.assertEqual(answer.status, 503, answer)
            self.assertIn("weights are torn", answer.error)

    def test_first_rung_fails_to_load(self):
        models, config = ladder(bad=["fail_load the weights are torn"], good=["service_us 200 20"])
        with Server(models, config) as server:
            self.assertEqual(serving(server), "good")
            self.assertIn("weights are torn", server.lanes("t")[0]["variants"][0]["reason"])
            self.assertEqual(row_sums(server.infer("t")), [10])

    def test_never_loads(self):
        """The start ends with load_timeout, as the first one and in a switch: others go on."""
        models, config = ladder(never=SLOW, good=["service_us 300 30"], other=["service_us 200 20"])
        config = config.replace("hang_after: 300 ms", "hang_after: 300 ms, load_timeout: 10 s")
        with Server(models, config) as server:
            self.assertEqual(serving(server), "good")
            self.assertEqual(server.metrics()["roost_host_deaths", "t"], 1)
            self.assertEqual(server.lanes("t")[0]["reason"], "")
            with Load(server, {"t": 4}) as load:
                self.assertEqual(ask_switch(server, "never").status, 200)
                wait_for("a loading host", lambda: host_of(server, "never", ("loading",)))
                self.assertEqual(server.lanes("t")[0]["wanted"], "never")
                wait_for("the end of the switch",
                         lambda: server.lanes("t")[0]["wanted"] == "good")
                self.assertEqual(server.lanes("t")[0]["variants"][0]["reason"],
                                 "it did not finish loading within 10.0 s (server: load_timeout)")
                self.assertEqual(serving(server), "good")
                load.progress("t", 5)
                switch(server, "other")
                load.progress("t", 5)
            load.assert_all_good()
            assert_conserved(server, load, ["t"])
            self.assertEqual(server.metrics()["roost_host_deaths", "t"], 2)

    def test_new_host_killed(self):
        models, config = ladder(old=["service_us 300 30"],
                                slow=SLOW)
        with Server(models, config) as server:
            with Load(server, {"t": 4}) as load:
                for _ in range(3):
                    ask_switch(server, "slow")
                    pids = wait_for("a loading host", lambda: host_of(server, "slow", ("loading",)))
                    os.kill(pids[0], signal.SIGKILL)
                    wait_for("the end of the switch",
                             lambda: server.lanes("t")[0]["wanted"] == "old")
                    load.progress("t", 5)
            load.assert_all_good()
            assert_conserved(server, load, ["t"])
            self.assertEqual(serving(server), "old")

    def test_old_host_killed(self):
        """The host that serves dies while the next one starts."""
        models, config = ladder(old=["service_us 300 30"], new=["service_us 300 30", "load_ms 300"],
                                never=SLOW)
        with Server(models, config) as server:
            with Load(server, {"t": 4}) as load:
                load.progress("t", 5)
                ask_switch(server, "new")
                wait_for("a loading host", lambda: host_of(server, "new", ("loading", "ready")))
                os.kill(host_of(server, "old")[0], signal.SIGKILL)
                wait_for("the new host", lambda: serving(server) == "new")
                load.progress("t", 20)
                ask_switch(server, "never")
                pids = wait_for("a loading host", lambda: host_of(server, "never", ("loading",)))
                os.kill(host_of(server, "new")[0], signal.SIGKILL)
                os.kill(pids[0], signal.SIGKILL)
                load.progress("t", 20)
            load.assert_all_good()
            assert_conserved(server, load, ["t"])

    def test_standby_steps_in(self):
        models, config = good_ladder()
        with Server(models, config) as server:
            switch(server, "small")
            with Load(server, {"t": 4}) as load:
                for _ in range(ROUNDS // 10):
                    pid = wait_for("a host", lambda: host_of(server, "small"))[0]
                    os.kill(pid, signal.SIGKILL)
                    wait_for("its successor", lambda old=pid: serving(server) == "small" and
                             host_of(server, "small") not in ([], [old]))
                    load.progress("t", 10)
            load.assert_all_good()
            assert_conserved(server, load, ["t"])

    def test_called_off(self):
        models, config = ladder(old=["service_us 300 30"],
                                slow=SLOW)
        with Server(models, config) as server:
            with Load(server, {"t": 4}) as load:
                ask_switch(server, "slow")
                wait_for("a loading host", lambda: host_of(server, "slow", ("loading",)))
                ask_switch(server, "old")
                wait_for("its end", lambda: not host_of(server, "slow", ("loading", "ready")))
                load.progress("t", 5)
            load.assert_all_good()

    def test_standby_and_draining_hang(self):
        """A standby host that hangs in a pinned run is found; the request runs again."""
        models, config = ladder(a=["service_us 300 30"], b=["service_us 300 30", "hang_after 5"])
        with Server(models, config) as server:
            switch(server, "b")
            switch(server, "a")
            with Load(server, {"t": 3}) as load:
                statuses = [server.infer("t", parameters={"roost_variant": "b"}).status
                            for _ in range(6)]
                load.progress("t", 5)
            load.assert_all_good()
            self.assertEqual(statuses.count(503) + statuses.count(200), 6, statuses)
            self.assertGreaterEqual(server.metrics()["roost_host_deaths", "t"], 1)

    def test_pins(self):
        models, config = good_ladder()
        with Server(models, config) as server:
            answer = server.infer("t", parameters={"roost_variant": "small"})
            self.assertEqual(answer.status, 503, answer)
            self.assertIn("neither serves nor stands by", answer.error)
            self.assertEqual(server.infer("t", parameters={"roost_variant": "x"}).status, 400)
            switch(server, "small")
            with Load(server, {"t": 4}) as load:
                for index in range(30):
                    for variant in ("small", "large"):
                        answer = server.infer("t", [(index, 0, 0, 0)],
                                              parameters={"roost_variant": variant})
                        self.assertEqual(answer.status, 200, answer)
                        self.assertEqual(row_sums(answer), [index])
                        self.assertEqual(answer.json()["parameters"]["roost_variant"], variant)
            load.assert_all_good()

    def test_memory(self):
        """Hosts that stand by go when their memory is needed, the longest unused first."""
        models, config = ladder(**{name: ["service_us 300 30", "memory_mb 100"] for name in RUNGS})
        with Server(models, config) as server:
            total = server.status()["memory_bytes"]
        config = config.replace("server: {", f"server: {{memory_reserve: {total - (300 << 20)}, ")
        with Server(models, config) as server:
            with Load(server, {"t": 3}) as load:
                for index in range(6):
                    switch(server, RUNGS[(index + 1) % 3])
                    wait_for("a host to go", lambda: len(server.hosts()) <= 2)
                    load.progress("t", 5)
            load.assert_all_good()
            assert_conserved(server, load, ["t"])

    def test_unloaded_meanwhile(self):
        models, config = ladder(old=["service_us 300 30"], slow=SLOW)
        with Server(models, config, ["--model-control-mode", "explicit"]) as server:
            switch(server, "old")
            ask_switch(server, "slow")
            wait_for("a loading host", lambda: host_of(server, "slow", ("loading",)))
            self.assertEqual(server.post("/v2/repository/models/t/unload", {}).status, 200)
            self.assertEqual(server.hosts(), [])
            self.assertEqual(server.post("/v2/repository/models/t/load", {}).status, 200)
            ask_switch(server, "slow")
            wait_for("a loading host", lambda: host_of(server, "slow", ("loading",)))
            # The server also ends in the middle of a switch.

    def test_reloaded_meanwhile(self):
        models, config = ladder(old=["service_us 300 30"], slow=SLOW)
        with Server(models, config) as server:
            with Load(server, {"t": 3}) as load:
                ask_switch(server, "slow")
                wait_for("a loading host", lambda: host_of(server, "slow", ("loading",)))
                server.write_config(config.replace("workers: 2", "workers: 1"))
                server.signal(signal.SIGHUP)
                wait_for("the new lane", lambda: [lane["workers"] for lane in server.lanes("t")
                                                  if lane["state"] == "ready"] == [1])
                load.progress("t", 10)
                self.assertEqual(serving(server), "old")
            load.assert_all_good()

    def test_supervisor_killed(self):
        """In the middle of a switch: nothing of it stays, and the next start serves."""
        models, config = ladder(old=["service_us 300 30"], slow=SLOW)
        shared = set(os.listdir("/dev/shm"))
        with Server(models, config) as server:
            ask_switch(server, "slow")
            wait_for("a loading host", lambda: host_of(server, "slow", ("loading",)))
            family = set(descendants(server.process.pid))
            server.process.kill()
            server.process.wait()
            wait_for("the end of its hosts", lambda: not family & set(process_table()))
            left = [name for name in set(os.listdir("/dev/shm")) - shared if "roost" in name]
            self.assertEqual(left, [])
            server.start()
            self.assertEqual(serving(server), "old")
            self.assertEqual(row_sums(server.infer("t")), [10])

    def test_unknown(self):
        models, config = good_ladder()
        with Server(models, config) as server:
            self.assertEqual(ask_switch(server, "nothing").status, 404)
            self.assertEqual(ask_switch(server, "large", "nobody").status, 404)
            bad = control(server, "POST", "/v2/roost/tenants/t/switch", {"name": "large"})
            self.assertEqual(bad.status, 400, bad)
            answer = server.post("/v2/roost/tenants/t/switch", {"variant": "small"})
            self.assertEqual(answer.status, 404)


if __name__ == "__main__":
    unittest.main(verbosity=2)
