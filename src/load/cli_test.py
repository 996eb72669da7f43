#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""roost load as a user runs it: outputs and exit codes, against a small server of this script."""
import csv
import http.server
import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import unittest
import xml.etree.ElementTree as tree

BINARY = os.path.join(os.environ.get("ROOST_BUILD", "build/debug"), "src/cli/roost")
METADATA = {"name": "m", "versions": ["1"], "platform": "fake",
            "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 4]}],
            "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, 1]}],
            "properties": {"roost.slo": "p95 10 s"}}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    status = 200
    seen = 0
    on_infer = None

    def reply(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        if self.path == "/v2/models/m":
            self.reply(200, METADATA)
        elif self.path == "/v2/models/m/config":
            self.reply(200, {"name": "m", "max_batch_size": 8})
        elif self.path == "/v2/health/ready":
            self.reply(200, {})
        else:
            self.reply(404, {"error": "Not Found"})

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/v2/repository/index":
            self.reply(200, [{"name": "m", "version": "1", "state": "READY"}])
            return
        Handler.seen += 1
        if Handler.on_infer is not None:
            Handler.on_infer()
        value = {"outputs": []} if Handler.status == 200 else {"error": "no"}
        self.reply(Handler.status, value)

    def log_message(self, *arguments):
        pass


class LoadTest(unittest.TestCase):
    def setUp(self):
        Handler.status, Handler.seen, Handler.on_infer = 200, 0, None
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.folder = tempfile.TemporaryDirectory()

    def tearDown(self):
        self.server.shutdown()
        self.server.server_close()
        self.folder.cleanup()

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def run_load(self, *arguments):
        return subprocess.run([BINARY, "load", *arguments], capture_output=True, text=True,
                              timeout=60, check=False)

    def run_short(self, *arguments):
        return self.run_load("--url", self.url, "--warmup", "0 s", "--requests", "30",
                             "--rate", "300", "--no-live", *arguments)

    def test_everything_is_written(self):
        done = self.run_short("--json", self.path("r.json"), "--csv", self.path("r.csv"),
                              "--svg", self.path("r.svg"), "--batch", "64")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("cut to the model's maximum, 8", done.stdout)
        with open(self.path("r.json")) as file:
            report = json.load(file)
        self.assertTrue(report["valid"])
        self.assertEqual(report["total"]["scheduled"], 30)
        self.assertEqual(report["total"]["ok"], 30)
        self.assertEqual(report["tenants"][0]["slo"], {"percentile": 95.0, "time_ms": 10000.0})
        self.assertEqual(Handler.seen, 30)
        with open(self.path("r.csv")) as file:
            self.assertEqual(sum(int(row["ok"]) for row in csv.DictReader(file)), 30)
        self.assertTrue(tree.parse(self.path("r.svg")).getroot().tag.endswith("svg"))

    def test_json_alone_on_standard_output(self):
        done = self.run_short("--json", "-")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(json.loads(done.stdout)["total"]["ok"], 30)
        self.assertIn("TENANT", done.stderr)

    def test_one_line_per_request(self):
        done = self.run_short("--csv", "-", "--csv-requests", "--tenant", "m@1:rate=300")
        # This server knows no versions.
        self.assertEqual(done.returncode, 1)
        self.assertIn("model m: GET /v2/models/m/versions/1: 404", done.stderr)
        done = self.run_short("--csv", "-", "--csv-requests", "--tenant", "m:rate=300,batch=2")
        rows = list(csv.DictReader(io.StringIO(done.stdout)))
        self.assertEqual(len(rows), 30)
        self.assertEqual({row["rows"] for row in rows}, {"2"})

    def test_a_server_that_refuses_everything_is_a_failure(self):
        Handler.status = 429
        done = self.run_short()
        self.assertEqual(done.returncode, 1)
        self.assertIn("m: 30 refused (429), first: 429 no", done.stdout)

    def test_lag_makes_the_run_invalid(self):
        # No generator is punctual to a tenth of a microsecond.
        done = self.run_short("--slo", "p95 1 us", "--json", self.path("r.json"))
        self.assertEqual(done.returncode, 3)
        self.assertIn("INVALID", done.stdout)
        with open(self.path("r.json")) as file:
            report = json.load(file)
        self.assertFalse(report["valid"])
        self.assertIn("tenth", report["invalid_reason"])

    def test_interrupt_ends_with_a_report(self):
        with subprocess.Popen([BINARY, "load", "--url", self.url, "--rate", "200", "--duration",
                               "1 h", "--warmup", "0 s", "--no-live", "--json", "-"],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as load:
            Handler.on_infer = lambda: Handler.seen == 20 and load.send_signal(signal.SIGINT)
            out, err = load.communicate(timeout=60)
        self.assertEqual(load.returncode, 0, err)
        report = json.loads(out)
        self.assertTrue(report["interrupted"])
        self.assertGreaterEqual(report["total"]["scheduled"], 20)
        self.assertEqual(report["total"]["failed"], 0)

    def test_wrong_usage(self):
        cases = [
            (["--rat", "5"], "did you mean --rate"),
            (["--rate", "0"], "rate"),
            (["--slo", "fast", "--tenant", "m"], "an SLO looks like"),
            (["--tenant", "m:batch=0"], "a batch size"),
            (["--url", "ftp://x"], "a server is given as"),
            (["--header", "nothing", "--tenant", "m"], "Name: value"),
            (["surplus"], "unexpected argument"),
        ]
        for arguments, reason in cases:
            done = self.run_load(*arguments)
            self.assertEqual(done.returncode, 2, arguments)
            self.assertIn(reason, done.stderr)

    def test_inputs_that_no_model_has(self):
        for option, value in (("--range", "z=0:5"), ("--shape", "z=4"), ("--data", "z=/dev/null")):
            done = self.run_short(option, value, "--tenant", "m")
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn(f'no model has an input for "{value}"', done.stderr)
        self.assertEqual(Handler.seen, 0)

    def test_outputs_without_a_place_are_told_before(self):
        for option in ("--json", "--csv", "--svg"):
            done = self.run_short(option, self.path("none/report"))
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assertIn(self.path("none/report"), done.stderr)
        self.assertEqual(Handler.seen, 0)

    def test_devices_are_written_to(self):
        done = self.run_short("--json", "/dev/stderr")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(json.loads(done.stderr)["total"]["ok"], 30)

    def test_all_mistakes_of_a_file(self):
        with open(self.path("load.yaml"), "w") as file:
            file.write("tenants:\n  - name: m\n    rat: 5\n  - batch: 0\n")
        done = self.run_load("--file", self.path("load.yaml"))
        self.assertEqual(done.returncode, 2)
        for line in ("load.yaml:3: tenants[0].rat: unknown key", "load.yaml:4: tenants[1].batch",
                     'the key "name" is missing', "3 mistakes"):
            self.assertIn(line, done.stderr)

    def test_no_server(self):
        self.server.server_close()
        done = self.run_load("--url", "http://127.0.0.1:1", "--wait", "0.2 s", "--tenant", "m")
        self.assertEqual(done.returncode, 1)
        self.assertIn("the server is not ready", done.stderr)

    def test_help(self):
        done = subprocess.run([BINARY, "help", "load"], capture_output=True, text=True, check=True)
        self.assertIn("--find-step", done.stdout)
        self.assertIn("--burst", done.stdout)


if __name__ == "__main__":
    if not os.path.exists(BINARY):
        sys.exit(77)
    unittest.main()
