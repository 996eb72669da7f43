# SPDX-License-Identifier: Apache-2.0
"""A start that cannot be: one clear line and an exit code."""
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../scenario"))
import onnx_models  # noqa: E402
from roost_server import BINARY, PATIENCE_S, SANITIZER, Server, fake_model, wait_for  # noqa: E402

NOBODY = 65534


class StartErrors(unittest.TestCase):
    def setUp(self):
        self.holder = tempfile.TemporaryDirectory(prefix="roost-test-")
        self.directory = self.holder.name
        self.repository = os.path.join(self.directory, "repository")
        os.makedirs(os.path.join(self.repository, "m", "1"))
        with open(os.path.join(self.repository, "m", "1", "model.fake"), "w",
                  encoding="ascii") as file:
            file.write(fake_model())

    def tearDown(self):
        self.holder.cleanup()

    def refuse(self, codes, pattern, *arguments, user=None, environment=None):
        cache = os.path.join(self.directory, "cache")
        # The default control socket is one per machine; it must not meet another server's here.
        environment = dict(environment or os.environ)
        if user is None:
            environment["XDG_RUNTIME_DIR"] = self.directory
        result = subprocess.run(
            [BINARY, "serve", "--host", "127.0.0.1", "--http-port", "0", "--cache", cache,
             *arguments], capture_output=True, text=True, timeout=PATIENCE_S, check=False,
            user=user, env=environment, cwd="/")
        text = result.stdout + result.stderr
        self.assertIsNone(SANITIZER.search(text), text)
        self.assertIn(result.returncode, codes, text)
        lines = [line for line in text.splitlines() if " info " not in line]
        self.assertEqual(len(lines), 1, text)
        self.assertRegex(text, pattern)

    def test_port_in_use(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = str(taken.getsockname()[1])
            arguments = ["--model-repository", self.repository]
            self.refuse([1], rf"port {port} is in use", *arguments, "--http-port", port)
            self.refuse([1], rf"port {port} is in use", *arguments, "--metrics-port", port)

    def test_addresses(self):
        arguments = ["--model-repository", self.repository]
        self.refuse([2], "not an address", *arguments, "--host", "nonsense")
        self.refuse([1, 2], "192.0.2.1", *arguments, "--host", "192.0.2.1")
        path = os.path.join(self.directory, "none", "socket")
        self.refuse([1], re.escape(path), *arguments, "--control", path)
        self.refuse([1, 2], "socket", *arguments, "--control", "/" + "x" * 200)

    def test_control_socket_in_use(self):
        with Server({"m": fake_model()}) as server:
            self.refuse([1], re.escape(server.control), "--model-repository", self.repository,
                        "--control", server.control)
            self.assertEqual(server.get("/v2/health/ready").status, 200)
            server.status()

    def test_control_socket_left_over(self):
        """The socket of a server that was killed is in nobody's way."""
        with Server({"m": fake_model()}) as server:
            os.kill(server.process.pid, signal.SIGKILL)
            server.process.wait()
            self.assertTrue(os.path.exists(server.control))
            server.start()
            server.status()

    def test_supervisor_is_killed(self):
        """Spawner and hosts do not outlive it."""
        from roost_server import descendants, process_table
        with Server({"m": fake_model(), "n": fake_model()}) as server:
            family = descendants(server.process.pid)
            self.assertGreaterEqual(len(family), 3)
            os.kill(server.process.pid, signal.SIGKILL)
            server.process.wait()
            wait_for("the end of all hosts", lambda: not set(family) & set(process_table()))
            server.process = None

    def test_repository(self):
        missing = os.path.join(self.directory, "missing")
        self.refuse([1], re.escape(missing), "--model-repository", missing)
        file = os.path.join(self.directory, "file")
        with open(file, "w", encoding="ascii"):
            pass
        self.refuse([1, 2], re.escape(file), "--model-repository", file)

        many = [word for _ in range(17) for word in ("--model-repository", self.repository)]
        self.refuse([2], "at most 16", *many)

    def test_cache(self):
        file = os.path.join(self.directory, "file")
        with open(file, "w", encoding="ascii"):
            pass
        self.refuse([1], re.escape(file), "--model-repository", self.repository, "--cache", file)
        self.refuse([1], "/proc/", "--model-repository", self.repository, "--cache", "/proc/cache")

    def test_as_nobody(self):
        if os.getuid() != 0:
            self.skipTest("only root can become nobody")
        os.chmod(self.directory, 0o755)
        os.chmod(self.repository, 0o700)
        open_cache = os.path.join(self.directory, "open")
        os.mkdir(open_cache)
        os.chmod(open_cache, 0o777)
        self.refuse([1], re.escape(self.repository) + ".*[Pp]ermission", "--model-repository",
                    self.repository, "--cache", open_cache, user=NOBODY)
        os.chmod(self.repository, 0o755)
        self.refuse([1], "[Pp]ermission", "--model-repository", self.repository, "--cache",
                    os.path.join(self.directory, "cache"), user=NOBODY)
        config = os.path.join(self.directory, "roost.yaml")
        with open(config, "w", encoding="ascii") as file:
            file.write("server: {}\n")
        os.chmod(config, 0o600)
        result = subprocess.run([BINARY, "serve", "--config", config], user=NOBODY, check=False,
                                capture_output=True, text=True, timeout=PATIENCE_S)
        self.assertIn(result.returncode, (1, 2), result)
        self.assertIn(config, result.stderr)

    def test_serves_as_nobody(self):
        """Without any privilege it serves; what of the sandbox it cannot have, it says."""
        if os.getuid() != 0:
            self.skipTest("only root can become nobody")
        models = {"m": fake_model("service_us 100 10"), "n": fake_model()}
        with Server(models) as server:
            server.stop()
            os.chmod(server.directory, 0o777)
            for path in (server.control, os.path.join(server.directory, "cache")):
                subprocess.run(["rm", "-rf", path], check=True)
            with open(server.log_path, "wb") as log:
                server.process = subprocess.Popen(server.command(), stdout=log, stderr=log,
                                                  user=NOBODY)
            server.port = int(wait_for("the port", server.listening).group(1))
            server.wait_ready()
            self.assertEqual(server.infer("m").status, 200)
            sandbox = server.lanes("m")[0]["hosts"][0]["sandbox"]
            self.assertTrue(sandbox["no_new_privs"])
            self.assertTrue(all(sandbox.values()) or sandbox["reason"], sandbox)
            log = server.log()
            missing = [name for name, value in sandbox.items() if value is False]
            said = re.findall(r" warn host\.sandbox missing=(\S+) ", log)
            self.assertEqual(said, [",".join(missing)] if missing else [])
            active = ",".join(name for name, value in sandbox.items() if value is True)
            self.assertEqual(re.findall(r"model\.ready .* sandbox=(\S+)", log), [active] * 2)

    def test_onnx_runtime_that_was_named(self):
        """It must be there, even if no model needs it."""
        for library in ("/nonexistent/libonnxruntime.so", "/etc/passwd"):
            said = re.escape(f"cannot be loaded from {library}: ") + ".*--engine-library"
            self.refuse([1], said, "--model-repository", self.repository, "--engine-library",
                        library)
            config = os.path.join(self.directory, "roost.yaml")
            with open(config, "w", encoding="ascii") as file:
                file.write(f"server: {{engine_library: {library}}}\n")
            self.refuse([1], said, "--model-repository", self.repository, "--config", config)

    def test_onnx_runtime_that_is_not_found(self):
        """The server ends when a model of the start needs it."""
        os.makedirs(os.path.join(self.repository, "real", "1"))
        with open(os.path.join(self.repository, "real", "1", "model.onnx"), "wb") as file:
            file.write(onnx_models.identity("FP32"))
        self.refuse([1], "model 'real': ONNX Runtime cannot be loaded from /nonexistent.so: "
                    ".*--engine-library", "--model-repository", self.repository,
                    environment=self.without_onnx_runtime())

    def test_without_onnx_runtime(self):
        """Models of the fake engine serve; what is loaded later and needs it says why."""
        with Server({"fake": fake_model()}, arguments=["--model-control-mode", "explicit",
                                                       "--load-model", "fake"],
                    environment=self.without_onnx_runtime()) as server:
            self.assertEqual(server.infer("fake").status, 200)
            server.write_model("real", {"1/model.onnx": onnx_models.identity("FP32")})
            answer = server.post("/v2/repository/models/real/load")
            self.assertEqual(answer.status, 503)
            self.assertIn("/nonexistent.so", answer.error)
            self.assertEqual(server.infer("real").status, 503)
            self.assertEqual(server.infer("fake").status, 200)
            lines = [line for line in server.log().splitlines() if "engine.open" in line]
            self.assertEqual(len(lines), 1, lines)

    def without_onnx_runtime(self):
        return {**os.environ, "ROOST_ORT_LIBRARY": "/nonexistent.so"}


if __name__ == "__main__":
    unittest.main(verbosity=2)
