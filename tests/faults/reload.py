# SPDX-License-Identifier: Apache-2.0
"""Models come, change and go while others, and they themselves, serve: no request fails."""
import os
import signal
import stat
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../scenario"))
import onnx_models  # noqa: E402
from load import Load, assert_conserved  # noqa: E402
from roost_server import Server, fake_model, row_sums, wait_for  # noqa: E402

EXPLICIT = ["--model-control-mode", "explicit"]
POLL = ["--model-control-mode", "poll", "--poll-interval", "100 ms"]
FAST = fake_model("service_us 200 20")


def index(server):
    return {(one["name"], one.get("version")): one.get("state")
            for one in server.post("/v2/repository/index").json()}


def repository_call(server, name, verb, body=None):
    return server.post(f"/v2/repository/models/{name}/{verb}", body)


class Reload(unittest.TestCase):
    def test_explicit_reload_under_load(self):
        """The model changes ten times; each load is answered when the new one serves."""
        with Server({"m": FAST, "other": FAST},
                    arguments=[*EXPLICIT, "--load-model", "*"]) as server:
            with Load(server, {"m": 3, "other": 2}) as load:
                for round_number in range(10):
                    load.progress("m", 10)
                    server.write_model("m", fake_model(f"service_us {200 + round_number} 20"))
                    old = server.hosts("m")
                    answer = repository_call(server, "m", "load")
                    self.assertEqual(answer.status, 200, answer)
                    wait_for("the change of hosts",
                             lambda old=old: not set(old) & set(server.hosts("m")))
                load.progress("other", 10)
            load.assert_all_good()
            assert_conserved(server, load, ["other"])

    def test_unload_answers_what_it_has(self):
        """An unload ends when everything that was admitted is answered; later ones get 503."""
        slow = fake_model("service sleep", "service_us 20000 0")
        with Server({"m": slow, "other": FAST},
                    arguments=[*EXPLICIT, "--load-model", "*"]) as server:
            for _ in range(3):
                with Load(server, {"m": 4, "other": 1}) as load:
                    load.progress("m", 4)
                    self.assertEqual(repository_call(server, "m", "unload").status, 200)
                    self.assertEqual(server.hosts("m"), [])
                    load.stop()
                    self.assertLessEqual(set(load.counts["m"]), {200, 503}, load.errors)
                    self.assertEqual(set(load.counts["other"]), {200})
                self.assertEqual(server.get("/v2/models/m/ready").status, 503)
                self.assertEqual(repository_call(server, "m", "load").status, 200)
                self.assertEqual(row_sums(server.infer("m")), [10])

    def test_broken_reload_keeps_the_old_one(self):
        with Server({"m": FAST}, arguments=[*EXPLICIT, "--load-model", "m"]) as server:
            with Load(server, {"m": 2}) as load:
                for broken in ("nonsense\n", fake_model("fail_load broken on purpose"),
                               fake_model("crash_after 0", "inputs nobody")):
                    server.write_model("m", broken)
                    answer = repository_call(server, "m", "load")
                    self.assertGreaterEqual(answer.status, 400, answer)
                    load.progress("m", 10)
                server.write("m/config.pbtxt", "max_batch_size: nonsense")
                answer = repository_call(server, "m", "load")
                self.assertEqual(answer.status, 400, answer)
                self.assertIn("config.pbtxt: line 1", answer.error)
                load.progress("m", 10)
            load.assert_all_good()
            self.assertEqual(index(server), {("m", "1"): "READY"})

    def test_versions(self):
        """Latest is the default policy; a new version takes over when it serves."""
        with Server({"m": FAST}, arguments=[*EXPLICIT, "--load-model", "m"]) as server:
            with Load(server, {"m": 2}) as load:
                server.write("m/2/model.fake", FAST)
                self.assertEqual(repository_call(server, "m", "load").status, 200)
                load.progress("m", 10)
            load.assert_all_good()
            self.assertEqual(index(server), {("m", "2"): "READY"})
            self.assertEqual(server.get("/v2/models/m/versions/1/ready").status, 404)
            for policy, versions in (("all { }", ["1", "2", "10"]),
                                     ("latest { num_versions: 2 }", ["2", "10"]),
                                     ("specific { versions: [ 1 ] }", ["1"])):
                server.write("m/10/model.fake", FAST)
                server.write("m/config.pbtxt", "max_batch_size: 8\n"
                             f"version_policy: {{ {policy} }}")
                answer = repository_call(server, "m", "load")
                self.assertEqual(answer.status, 200, answer)
                self.assertEqual(index(server), {("m", one): "READY" for one in versions}, policy)
                self.assertEqual(server.get("/v2/models/m").json()["versions"], versions)
                default = server.infer("m").json()["model_version"]
                self.assertEqual(default, versions[-1])

    def test_poll(self):
        with Server({"m": FAST, "goes": FAST}, arguments=POLL) as server:
            with Load(server, {"m": 2}) as load:
                server.write_model("comes", FAST)
                wait_for("a new model", lambda: index(server).get(("comes", "1")) == "READY")
                self.assertEqual(row_sums(server.infer("comes")), [10])
                old = server.hosts("m")
                server.write_model("m", fake_model("service_us 300 20"))
                wait_for("the changed model", lambda: server.hosts("m") not in ([], old))
                os.rename(os.path.join(server.repository, "goes"),
                          os.path.join(server.directory, "gone"))
                wait_for("the end of a model", lambda: server.infer("goes").status == 404)
                load.progress("m", 10)
            load.assert_all_good()

    def test_hangup(self):
        """SIGHUP takes over what roost.yaml says now, without a new host where none is needed."""
        with Server({"m": FAST, "n": FAST}, "defaults: {workers: 1}") as server:
            with Load(server, {"m": 2, "n": 2}) as load:
                hosts = server.hosts("n")
                server.write_config("defaults: {workers: 1}\ntenants:\n"
                                    "- {name: m, workers: 2}\n- {name: n, slo: p95 80 ms}")
                server.signal(signal.SIGHUP)
                wait_for("two workers",
                         lambda: [one["workers"] for one in server.lanes("m")] == [2])
                wait_for("the SLO", lambda: server.lanes("n")[0]["slo_ns"] == 80_000_000)
                load.progress("m", 20)
                load.progress("n", 20)
            load.assert_all_good()
            self.assertEqual(server.hosts("n"), hosts)

    def test_repository_api_is_off(self):
        with Server({"m": FAST}) as server:
            self.assertEqual(repository_call(server, "m", "load").status, 501)
        with Server({"m": FAST}, "server: {repository_api: false}", EXPLICIT) as server:
            self.assertEqual(repository_call(server, "m", "load").status, 501)

    def test_load_requests(self):
        with Server({"m": FAST}, arguments=EXPLICIT) as server:
            self.assertEqual(server.infer("m").status, 503)
            self.assertEqual(repository_call(server, "nobody", "load").status, 404)
            self.assertEqual(repository_call(server, "nobody", "unload").status, 404)
            self.assertEqual(index(server), {("m", None): None})
            self.assertEqual(server.get("/v2/health/ready").status, 200)
            for body in (b"{", b"[]", b'{"parameters": {"config": 3}}',
                         b'{"parameters": {"config": "{"}}',
                         b'{"parameters": {"config": "{\\"max_batch_size\\": -1}"}}'):
                self.assertEqual(repository_call(server, "m", "load", body).status, 400, body)
            for body in ({"parameters": 3}, {"parameters": [1]}):
                answer = repository_call(server, "m", "load", body)
                self.assertEqual((answer.status, answer.error.split(":")[0]), (400, "parameters"))
            answer = server.post("/v2/repository/index", {"ready": "yes"})
            self.assertEqual((answer.status, answer.error.split(":")[0]), (400, "ready"))
            self.assertEqual(repository_call(server, "m", "unload", b"{").status, 400)
            files = {"parameters": {"file:1/model.fake": "eA=="}}
            self.assertEqual(repository_call(server, "m", "load", files).status, 501)
            config = {"parameters": {"config": '{"max_batch_size": 3}'}}
            self.assertEqual(repository_call(server, "m", "load", config).status, 200)
            self.assertEqual(server.get("/v2/models/m/config").json()["max_batch_size"], 3)
            self.assertEqual(server.infer("m", [(1, 2, 3, 4)] * 4).status, 400)


class BareModels(unittest.TestCase):
    """What KServe mounts: a read-only directory with a model or a repository, or one file."""

    def serve(self, path):
        """Serves the read-only path as the only repository, as nobody where root may be nobody."""
        with Server() as server:
            server.stop()
            server.arguments = ["--model-repository", path]
            server.command = lambda: [part for part in Server.command(server)
                                      if part != server.repository][:4] + Server.command(server)[6:]
            server.start()
            return self.check(server)

    def check(self, server):
        names = [one["name"] for one in server.post("/v2/repository/index").json()]
        self.assertEqual(len(names), 1, names)
        self.assertEqual(server.infer(names[0]).json()["outputs"][0]["data"], [1, 2, 3, 4])
        return names[0]

    def test_layouts(self):
        model = onnx_models.identity("FP32", ("batch", 4))
        with tempfile.TemporaryDirectory(prefix="roost-test-") as directory:
            def make(path, content):
                path = os.path.join(directory, path)
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with open(path, "wb") as file:
                    file.write(content)
                os.chmod(path, 0o444)
            make("file/some_name.onnx", model)
            make("one/model.onnx", model)
            make("repository/inner/1/model.onnx", model)
            for root, _, _ in os.walk(directory, topdown=False):
                os.chmod(root, 0o555)
            try:
                self.assertEqual(self.serve(f"{directory}/file/some_name.onnx"), "some_name")
                self.serve(f"{directory}/file")
                self.serve(f"{directory}/one")
                self.assertEqual(self.serve(f"{directory}/repository"), "inner")
                self.assertEqual(sorted(os.listdir(directory)), ["file", "one", "repository"])
            finally:
                subprocess.run(["chmod", "-R", "u+w", directory], check=True)


if __name__ == "__main__":
    unittest.main(verbosity=2)
