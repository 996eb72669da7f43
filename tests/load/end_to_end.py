# SPDX-License-Identifier: Apache-2.0
"""roost load against roost serve: both count, and what one says of itself the other one takes.

No assertion is on a time. The promises are so generous, and the bounds so wide, that only a
machine that hangs breaks them.
"""
import collections
import csv
import json
import os
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree as tree

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../scenario"))
from load import wait_for_idle  # noqa: E402
from roost_server import BINARY, Server, fake_model  # noqa: E402

IDS = {"inputs": "ids INT64 -1 2", "outputs": "y FP32 -1 1"}
LARGE = {"1/model.fake": fake_model("service sleep", "service_us 3000 0", **IDS),
         "config.pbtxt": 'max_batch_size: 8 parameters { key: "roost.input.ids.range" '
                         'value { string_value: "3:7" } }'}
MODELS = {"large": LARGE,
          "small": fake_model("service sleep", "service_us 1000 0", **IDS),
          "plain": fake_model("service sleep", "service_us 1000 0", inputs="x INT32 -1 4")}
# A host that is taken for hung would hand its tenant over to the other variant.
CONFIG = """
server: {hang_after: 120 s}
defaults: {deadline: 120 s}
tenants:
  - name: ranking
    slo: p95 60 s
    variants: [{model: large, accuracy: 0.9}, {model: small, accuracy: 0.8}]
  - {name: plain, slo: p90 60 s}
"""
LOAD_FILE = """
tenants:
  - name: ranking
    rate: 100
    batch: 2
  - name: plain
    rate: 50
    slo: p99 50 s
"""
PATIENCE = ["--timeout", "120 s", "--drain", "120 s"]


def scheduled(report):
    return {tenant["name"]: tenant["scheduled"] for tenant in report["tenants"]}


class EndToEnd(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def path(self, name):
        return os.path.join(self.folder, name)

    def run_roost(self, *arguments):
        return subprocess.run([BINARY, *arguments], stdin=subprocess.DEVNULL, timeout=280,
                              capture_output=True, text=True, check=False)

    def load(self, server, *arguments):
        """The finished process, whose report is in report.json if there is one."""
        return self.run_roost("load", "--url", f"http://127.0.0.1:{server.port}", "--no-live",
                              "--json", self.path("report.json"), *PATIENCE, *arguments)

    def report(self):
        with open(self.path("report.json"), encoding="utf-8") as file:
            return json.load(file)

    def table(self):
        with open(self.path("table.csv"), encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    def assert_accounted(self, report):
        """Every request that was due has one outcome, and the tenants add up to the total."""
        for part in [report["total"], *report["tenants"]]:
            self.assertEqual(part["ok"] + part["failed"], part["scheduled"])
            self.assertEqual(sum(part["errors"].values()), part["failed"])
        for key in ("scheduled", "answered", "ok", "failed"):
            self.assertEqual(sum(tenant[key] for tenant in report["tenants"]), report["total"][key])
        self.assertEqual(report["generator"]["records_lost"], 0)

    def assert_plotted(self, names):
        root = tree.parse(self.path("plot.svg")).getroot()
        self.assertEqual(root.tag, "{http://www.w3.org/2000/svg}svg")
        text = " ".join(root.itertext())
        for name in names:
            self.assertIn(name, text)

    # ---- two tenants -----------------------------------------------------------------------

    def load_two(self, server, *arguments):
        with open(self.path("load.yaml"), "w", encoding="utf-8") as file:
            file.write(LOAD_FILE)
        done = self.load(server, "--file", self.path("load.yaml"), "--warmup", "300 ms",
                         "--duration", "2 s", "--csv", self.path("table.csv"),
                         "--svg", self.path("plot.svg"), *arguments)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        report = self.report()
        self.assertTrue(report["valid"])
        self.assert_accounted(report)
        self.assert_plotted(scheduled(report))
        return report

    def assert_served(self, report, accuracy):
        """All was answered; what the load file does not say was learnt from the server."""
        self.assertEqual(set(report["total"]["errors"].values()), {0})
        ranking, plain = report["tenants"]
        self.assertEqual(ranking["slo"], {"percentile": 95, "time_ms": 60000})
        self.assertEqual(plain["slo"], {"percentile": 99, "time_ms": 50000})
        self.assertEqual(ranking["attainment"], 1)
        self.assertEqual(plain["attainment"], 1)
        self.assertTrue(report["total"]["slo_met"])
        self.assertAlmostEqual(ranking["effective_accuracy"], accuracy, places=5)
        self.assertAlmostEqual(ranking["goodput"], accuracy / 0.9 * ranking["rate"], places=2)
        self.assertIsNone(plain["effective_accuracy"])
        self.assertIsNone(ranking["note"])
        self.assertIn("input x is all zeros", plain["note"])

    def assert_records(self, report):
        """One line per request."""
        for tenant in report["tenants"]:
            rows = [row for row in self.table() if row["tenant"] == tenant["name"]]
            counted = [row for row in rows if row["warmup"] == "0"]
            self.assertEqual(len(counted), tenant["scheduled"])
            self.assertLess(len(counted), len(rows))
            self.assertEqual({row["outcome"] for row in rows}, {"ok"})
            self.assertEqual({row["within_slo"] for row in rows}, {"1"})
            self.assertEqual({row["rows"] for row in rows},
                             {"2" if tenant["name"] == "ranking" else "1"})

    def assert_intervals(self, report):
        """One line per interval and tenant."""
        for tenant in report["tenants"]:
            rows = [row for row in self.table() if row["tenant"] == tenant["name"]]
            for key in ("scheduled", "ok", "within_slo"):
                self.assertEqual(sum(int(row[key]) for row in rows), tenant["scheduled"])

    def test_two_tenants(self):
        with Server(MODELS, CONFIG) as server:
            first = self.load_two(server, "--csv-requests")
            self.assert_served(first, 0.9)
            self.assert_records(first)
            sent = collections.Counter(row["tenant"] for row in self.table())
            done = self.run_roost("switch", "--control", server.control, "ranking", "small")
            self.assertEqual(done.returncode, 0, done.stderr)
            second = self.load_two(server)
            self.assert_served(second, 0.8)
            self.assert_intervals(second)
            # An open loop sends what the seed says, however fast the answers come.
            self.assertEqual(scheduled(first), scheduled(second))
            metrics = wait_for_idle(server, scheduled(first))
            for tenant, requests in sent.items():
                self.assertEqual(metrics["nv_inference_request_success", tenant], 2 * requests)
                self.assertEqual(metrics["nv_inference_request_failure", tenant], 0)

    # ---- what can go wrong -----------------------------------------------------------------

    def test_range_of_the_server(self):
        """It is taken where nothing else is said, so a wrong one is told."""
        narrow = {"1/model.fake": fake_model(inputs="x INT8 -1 4"),
                  "config.pbtxt": 'max_batch_size: 8 parameters { key: "roost.input.x.range" '
                                  'value { string_value: "0:1000" } }'}
        run = ["--tenant", "narrow", "--requests", "5", "--rate", "100", "--warmup", "0 s"]
        with Server({"narrow": narrow}) as server:
            done = self.load(server, *run)
            self.assertEqual(done.returncode, 2, done.stdout + done.stderr)
            self.assertIn("range 0:1000 does not fit INT8", done.stderr)
            done = self.load(server, *run, "--range", "x=0:100")
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            self.assertEqual(self.report()["total"]["ok"], 5)

    def test_refusals(self):
        """A minute's work in half a second, and a queue for one: the rest are 429."""
        model = fake_model("service sleep", "service_us 500000 0")
        config = "tenants: [{name: m, batching: off, queue_max: 1, shed: never, deadline: 120 s}]"
        with Server({"m": model}, config) as server:
            done = self.load(server, "--tenant", "m:rate=240", "--requests", "120", "--warmup",
                             "0 s", "--csv", self.path("table.csv"), "--csv-requests")
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            report = self.report()
            self.assert_accounted(report)
            tenant = report["tenants"][0]
            refused = tenant["errors"].pop("refused")
            self.assertEqual(set(tenant["errors"].values()), {0})
            self.assertGreater(refused, 0)
            self.assertGreater(tenant["ok"], 0)
            self.assertEqual((tenant["scheduled"], tenant["answered"]), (120, 120))
            self.assertEqual(report["total"]["errors"]["refused"], refused)
            self.assertIn("the queue is full (1 requests wait)", tenant["reasons"]["refused"])
            self.assertIn(f"m: {refused} refused (429), first: 429 model 'm'", done.stdout)
            self.assertEqual((tenant["slo"], tenant["attainment"]), (None, None))
            outcomes = collections.Counter(row["outcome"] for row in self.table())
            self.assertEqual(outcomes, {"ok": tenant["ok"], "refused": refused})
            metrics = wait_for_idle(server, ["m"])
            self.assertEqual(metrics["roost_refused", "m"], refused)
            self.assertEqual(metrics["nv_inference_request_success", "m"], tenant["ok"])

    # ---- the highest load --------------------------------------------------------------------

    def test_find_max(self):
        """125 requests/s are possible. More fills the queue, so that it fails by refusals and the
        SLO can be far away."""
        model = fake_model("service sleep", "service_us 8000 0")
        config = "tenants: [{name: m, batching: off, queue_max: 16, shed: never, slo: p80 2 s}]"
        with Server({"m": model}, config) as server:
            done = self.load(server, "--tenant", "m:rate=25", "--find-max", "--find-start", "2",
                             "--find-precision", "1", "--find-step", "500 ms",
                             "--find-samples", "20")
            self.assertIn(done.returncode, (0, 1, 3), done.stdout + done.stderr)
            report = self.report()
        found = report["find_max"]
        limits = {"m": "limited by m", "the generator's lag": "limited by the generator's own lag"}
        if done.returncode == 1 and found["limit"] == limits["the generator's lag"]:
            self.skipTest("the generator itself was late at every load")
        self.assertNotEqual(done.returncode, 1, done.stdout)
        self.assertGreater(found["multiplier"], 0)
        self.assertAlmostEqual(found["rates"]["m"], 25 * found["multiplier"], places=6)
        self.assertEqual(report["multiplier"], found["multiplier"])
        self.assertGreater(report["total"]["ok"], 0)
        held = [step for step in found["steps"] if step["holds"]]
        self.assertIn((found["multiplier"], True),
                      [(step["multiplier"], step["phase"] in ("verify", "challenge"))
                       for step in held])
        worst = [step["worst"] for step in found["steps"]
                 if not step["holds"] and step["multiplier"] > found["multiplier"]]
        self.assertIn(found["limit"], [limits[one] for one in worst])
        self.assertRegex(done.stdout, r"(ramp|bisect|verify|challenge) +x\S+ +fails")
        self.assertIn(f"find-max: rates times {found['multiplier']:.4g}: m ", done.stdout)


if __name__ == "__main__":
    unittest.main(verbosity=2)
