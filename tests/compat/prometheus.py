# SPDX-License-Identifier: Apache-2.0
"""/metrics as Prometheus's own parser reads it: Triton's names, and counts that are right."""
import os
import sys
import unittest
from concurrent.futures import ThreadPoolExecutor

from prometheus_client.parser import text_string_to_metric_families

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../scenario"))
from load import wait_for_idle  # noqa: E402
from roost_server import Server, fake_model, wait_for  # noqa: E402

TRITON = {
    "nv_inference_request_success": "counter", "nv_inference_request_failure": "counter",
    "nv_inference_count": "counter", "nv_inference_exec_count": "counter",
    "nv_inference_pending_request_count": "gauge", "nv_inference_request_duration_us": "counter",
    "nv_inference_queue_duration_us": "counter",
    "nv_inference_compute_input_duration_us": "counter",
    "nv_inference_compute_infer_duration_us": "counter",
    "nv_inference_compute_output_duration_us": "counter", "nv_model_load_duration_secs": "gauge",
    "nv_cpu_utilization": "gauge", "nv_cpu_memory_total_bytes": "gauge",
    "nv_cpu_memory_used_bytes": "gauge",
}
MODELS = {
    "m": {"1/model.fake": fake_model("service_us 500 10"),
          "2/model.fake": fake_model("service_us 500 10", "fail_every 1000000"),
          "config.pbtxt": "max_batch_size: 8\nversion_policy: { all { } }"},
    "failing": fake_model("fail_every 1"),
    "slow": fake_model("service sleep", "service_us 50000 0"),
}
CONFIG = """
tenants:
- {name: slow, batching: off, queue_max: 2, shed: never, slo: p95 10 s}
- {name: m, slo: p95 1 us, deadline: 30 s}
- {name: failing}
"""


def families(server):
    answer = server.get("/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4"), answer.headers
    return list(text_string_to_metric_families(answer.body.decode()))


def samples(server):
    """(name, label values in the order of the labels' names) -> value. The parser puts _total
    behind the names of counters, which Triton's do not have."""
    values = {}
    for family in families(server):
        for one in family.samples:
            name = one.name.removesuffix("_total") if family.type == "counter" else one.name
            key = (name, *(value for _, value in sorted(one.labels.items())))
            assert key not in values, key
            values[key] = one.value
    return values


class Metrics(unittest.TestCase):
    def test_names_and_types(self):
        with Server(MODELS, CONFIG, ready=False) as server:
            wait_for("models, one in two versions", lambda: len(server.hosts()) >= 4)
            kinds, names = {}, []
            for family in families(server):
                names.append(family.name)
                kinds[family.name] = family.type
                self.assertTrue(family.documentation, family.name)
            self.assertEqual(len(names), len(set(names)), "a family in two pieces")
            for name, kind in TRITON.items():
                self.assertEqual(kinds.get(name), kind, name)
            self.assertEqual(kinds["roost_latency_seconds"], "histogram")
            self.assertTrue(0 <= samples(server)["nv_cpu_utilization",] <= 1)
            for line in server.get("/metrics").body.decode().splitlines():
                self.assertNotRegex(line, r"_total( counter)?([ {]|$)")
            for reason in ("REJECTED", "CANCELED", "BACKEND", "OTHER"):
                self.assertEqual(samples(server)["nv_inference_request_failure", "m", reason, "1"],
                                 0)

    def test_counts(self):
        with Server({name: MODELS[name] for name in ("m", "slow")}, CONFIG, ready=False) as server:
            wait_for("models", lambda: all(
                server.get(f"/v2/models/{model}/ready").status == 200
                for model in ("m/versions/1", "m/versions/2", "slow")))
            wait_for_idle(server, ["m", "slow"])
            before = samples(server)
            for rows in (1, 3, 4):
                self.assertEqual(server.infer("m", [(1, 2, 3, 4)] * rows).status, 200)
            self.assertEqual(server.post("/v2/models/m/versions/1/infer", {
                "inputs": [{"name": "x", "shape": [2, 4], "datatype": "FP32", "data": [0] * 8}]
            }).status, 200)
            self.assertEqual(server.infer("m", [(1, 2)]).status, 400)
            with ThreadPoolExecutor(12) as pool:
                calls = [pool.submit(server.infer, "slow") for _ in range(12)]
                statuses = [call.result().status for call in calls]
            wait_for_idle(server, ["m", "slow"])
            after = samples(server)

            def grown(*key):
                return after[key] - before[key]
            self.assertEqual(grown("nv_inference_request_success", "m", "2"), 3)
            self.assertEqual(grown("nv_inference_count", "m", "2"), 8)
            self.assertEqual(grown("nv_inference_exec_count", "m", "2"), 3)
            self.assertEqual(grown("nv_inference_request_success", "m", "1"), 1)
            self.assertEqual(grown("nv_inference_count", "m", "1"), 2)
            self.assertGreater(grown("nv_inference_compute_infer_duration_us", "m", "2"), 0)
            self.assertEqual(grown("roost_slo_misses", "m", "2"), 3)
            self.assertEqual(grown("roost_slo_hits", "slow", "1"), statuses.count(200))
            good, refused = statuses.count(200), statuses.count(429)
            self.assertEqual(good + refused, 12)
            self.assertGreater(refused, 0)
            self.assertEqual(grown("nv_inference_request_success", "slow", "1"), good)
            self.assertEqual(grown("roost_refused", "slow", "1"), refused)
            self.assertEqual(grown("nv_inference_request_failure", "slow", "REJECTED", "1"),
                             refused)
            self.check_histogram(after, "slow", after["nv_inference_request_success", "slow", "1"])

    def check_histogram(self, values, model, count):
        """Buckets grow to the count; the sum is in seconds."""
        buckets = sorted((float(key[1]), value) for key, value in values.items()
                         if key[0] == "roost_latency_seconds_bucket" and key[2] == model)
        self.assertEqual([value for _, value in buckets], sorted(value for _, value in buckets))
        self.assertEqual(buckets[-1], (float("inf"), count))
        self.assertEqual(values["roost_latency_seconds_count", model, "1"], count)
        self.assertGreater(values["roost_latency_seconds_sum", model, "1"], 0.05 * count * 0.9)

    def test_statistics_agree(self):
        with Server({"m": MODELS["m"]}, "") as server:
            for rows in (1, 2, 8):
                server.infer("m", [(1, 2, 3, 4)] * rows)
            one = server.get("/v2/models/m/versions/2/stats").json()["model_stats"][0]
            values = samples(server)
            self.assertEqual(one["inference_count"], values["nv_inference_count", "m", "2"])
            self.assertEqual(one["execution_count"], values["nv_inference_exec_count", "m", "2"])
            self.assertEqual(one["inference_stats"]["success"]["count"], 3)
            self.assertEqual(sorted(batch["batch_size"] for batch in one["batch_stats"]), [1, 2, 8])


if __name__ == "__main__":
    unittest.main(verbosity=2)
