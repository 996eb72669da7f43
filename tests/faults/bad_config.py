# SPDX-License-Identifier: Apache-2.0
"""Mistakes in roost.yaml: all told at once with file, line and key; exit 2; no harm at a reload."""
import os
import signal
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../scenario"))
from roost_server import BINARY, PATIENCE_S, Server, fake_model, row_sums  # noqa: E402

# Every line with a mistake says which key must be named.
MISTAKES = """\
server:
  http_port: 70000           # http_port
  nonsense: 1                # nonsense
  grace: -3 s                # grace
  hang_after: soon           # hang_after
  load_timeout: 10 ms        # load_timeout
  control_mode: sometimes    # control_mode
  sandbox: perhaps           # sandbox
  poll_interval: 1 us        # poll_interval
  limits:
    body_max: 12             # body_max
    header_mux: 3            # header_mux
    pipeline_max: 0          # pipeline_max
    write_max: [1, 2]        # write_max
defaults:
  workers: 0                 # workers
  shed: always               # shed
  slo: p200 10 ms            # slo
tenants:
- name: a
  workers: many              # workers
  deadline: 0 ms             # deadline
  queue_max: -1              # queue_max
- workers: 1                 # name
- name: a                    # a
- name: v
  variants:
  - {name: x, accuracy: 1.5}  # accuracy
  - {name: x, mflops: -4}     # mflops
  - {nome: y, model: z}       # nome
- name: c
  cpus: 3-1                  # cpus
  batch_max: 0               # batch_max
unknown: 1                   # unknown
"""
BROKEN = ["server: [", "server: {http_port: 1", "\tx: 1", "a: b: c", "- 1", "server: 3",
          "tenants: {name: m}", "tenants: [3]", "server: {http_port: 1, http_port: 2}",
          "server:\n  http_port: 1\n http_port: 2\n", "&a [*a]", "server: *nobody",
          "\x00", "\ufeffserver: {x: 1}", "server: {grace: 99999999999999999999 s}",
          "tenants: [{name: ''}]", "tenants: [{name: '../x'}]", "tenants: [{name: 'a/b'}]",
          "x: " + "[" * 2000, "y: " + "{a: " * 2000]


def serve(*arguments):
    return subprocess.run([BINARY, "serve", "--host", "127.0.0.1", "--http-port", "0", *arguments],
                          capture_output=True, text=True, timeout=PATIENCE_S, check=False,
                          stdin=subprocess.DEVNULL, errors="replace")


class BadConfig(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory(prefix="roost-test-")
        self.path = os.path.join(self.directory.name, "roost.yaml")
        os.mkdir(os.path.join(self.directory.name, "repository"))

    def tearDown(self):
        self.directory.cleanup()

    def refuse(self, text):
        with open(self.path, "w", encoding="utf-8") as file:
            file.write(text)
        result = serve("--config", self.path, "--model-repository",
                       os.path.join(self.directory.name, "repository"))
        self.assertEqual(result.returncode, 2, f"{text[:80]!r}: {result}")
        return result.stderr

    def test_all_mistakes_at_once(self):
        told = self.refuse(MISTAKES).splitlines()
        for number, line in enumerate(MISTAKES.splitlines(), 1):
            _, _, key = line.partition("# ")
            if not key:
                continue
            place = f"{self.path}:{number}:"
            self.assertTrue(any(one.startswith(place) and key.strip() in one for one in told),
                            f"line {number}, {key}: not told among\n" + "\n".join(told))
        self.assertRegex(told[-1], r"\d+ mistakes in ")

    def test_broken_files(self):
        for text in BROKEN:
            with self.subTest(text=text[:40]):
                self.assertIn(self.path, self.refuse(text))

    def test_command_line(self):
        for arguments in (["--http-port", "x"], ["--http-port"], ["--http-port", "99999"],
                          ["--nonsense"], ["repository"], [], ["--config", "/nonexistent/x.yaml"],
                          ["--log-level", "loud"], ["--model-control-mode", "never"]):
            with self.subTest(arguments=arguments):
                result = serve(*arguments)
                self.assertIn(result.returncode, (1, 2), result)
                self.assertEqual(len(result.stderr.splitlines()), 1 + (arguments[:1] ==
                                                                       ["--config"]), result)

    def test_reload_keeps_the_old_state(self):
        model = fake_model("service_us 100 10")
        config = "tenants:\n- {name: m, workers: 2}\n"
        with Server({"m": model, "n": model}, config) as server:
            hosts = sorted(server.hosts())
            for number, text in enumerate([MISTAKES, *BROKEN[:9]], 1):
                server.write_config(text)
                server.signal(signal.SIGHUP)
                server.wait_log(r"config\.invalid", number)
                self.assertEqual(row_sums(server.infer("m")), [10])
                self.assertEqual(row_sums(server.infer("n")), [10])
            os.remove(server.config_path)
            server.signal(signal.SIGHUP)
            server.wait_log(r"config\.invalid", number + 1)
            self.assertEqual(sorted(server.hosts()), hosts)
            self.assertIn(f"{server.config_path}:34: unknown", server.log())
            self.assertIn(f"{server.config_path}:33: tenants", server.log())
            server.write_config("tenants:\n- {name: m, workers: 2, slo: p99 30 ms}\n")
            server.signal(signal.SIGHUP)
            server.wait_log(r"config\.reload", number + 2)
            self.assertEqual(server.get("/v2/health/ready").status, 200)


if __name__ == "__main__":
    unittest.main(verbosity=2)
