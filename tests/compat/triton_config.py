# SPDX-License-Identifier: Apache-2.0
"""What config.pbtxt asks for is done by the server that reads it, not only read."""
import os
import struct
import sys
import unittest
from concurrent.futures import ThreadPoolExecutor

import numpy

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../scenario"))
import onnx_models  # noqa: E402
from roost_server import Server, fake_model, request_json, wait_for  # noqa: E402

RESHAPE = """
max_batch_size: 4
input [{ name: "x" data_type: TYPE_FP32 dims: [ 2, 2 ] reshape { shape: [ 4 ] } }]
output [{ name: "y" data_type: TYPE_FP32 dims: [ 1, 4, 1 ] reshape { shape: [ 4 ] } }]
"""
WARMUP = """
max_batch_size: 4
model_warmup [{ name: "sample" batch_size: 2
    inputs { key: "x" value { data_type: TYPE_FP32 dims: [ 4 ] %s } } %s }]
"""
SLOW = fake_model("service sleep", "service_us 100000 0")


def states(server):
    entries = server.post("/v2/repository/index").json()
    return {one["name"]: (one.get("state"), one.get("reason")) for one in entries}


def settled(server, names):
    found = states(server)
    done = set(found) == set(names) and all(
        state in ("READY", "UNAVAILABLE") for state, _ in found.values())
    return found if done else None


class Repository(unittest.TestCase):
    def test_reshape(self):
        with Server({"m": {"1/model.fake": fake_model(), "config.pbtxt": RESHAPE}}) as server:
            model = server.get("/v2/models/m").json()
            self.assertEqual(model["inputs"][0]["shape"], [-1, 2, 2])
            self.assertEqual(model["outputs"][0]["shape"], [-1, 1, 4, 1])
            tensor = {"name": "x", "shape": [2, 2, 2], "datatype": "FP32",
                      "data": [1, 2, 3, 4, 5, 6, 7, 8]}
            output = server.post("/v2/models/m/infer", {"inputs": [tensor]}).json()["outputs"][0]
            self.assertEqual(output["shape"], [2, 1, 4, 1])
            self.assertEqual(output["data"], [10] * 4 + [26] * 4)
            self.assertEqual(server.infer("m").status, 400)

    def test_warmup(self):
        """A warm-up runs on the data that it names, before the model is ready."""
        file, rows = 'input_data_file: "rows"', struct.pack("<8f", 666, *range(7))
        crashes = fake_model("crash_on_value 666")
        models = {
            "poisoned": {"1/model.fake": crashes, "config.pbtxt": WARMUP % (file, ""),
                         "warmup/rows": rows},
            "counted": {"1/model.fake": fake_model("crash_after 5"),
                        "config.pbtxt": WARMUP % ("zero_data: true", "count: 5")},
            "short": {"1/model.fake": crashes, "config.pbtxt": WARMUP % (file, ""),
                      "warmup/rows": rows[:-4]},
            "missing": {"1/model.fake": crashes, "config.pbtxt": WARMUP % (file, "")},
            "random": {"1/model.fake": crashes, "config.pbtxt": WARMUP % ("random_data: true", "")},
            "zero": {"1/model.onnx": onnx_models.identity("FP32", ("batch", 4)),
                     "config.pbtxt": WARMUP % ("zero_data: true", "count: 3")},
        }
        with Server(models, ready=False) as server:
            found = wait_for("every model to settle", lambda: settled(server, models))
            ready = {name for name, (state, _) in found.items() if state == "READY"}
            self.assertEqual(ready, {"random", "zero"}, found)
            self.assertIn("rows", found["missing"][1])
            self.assertIn("rows", found["short"][1])
            self.assertEqual(server.infer("zero").status, 200)
            stats = server.get("/v2/models/zero/stats").json()["model_stats"][0]
            self.assertEqual(stats["inference_count"], 1, "a warm-up is no request")

    def test_instance_groups(self):
        config = """max_batch_size: 1
            instance_group [{ count: 2 kind: KIND_CPU }, { count: 1 kind: KIND_GPU gpus: [ 0 ] },
                            { count: 7 passive: true }]"""
        with Server({"m": {"1/model.fake": SLOW, "config.pbtxt": config}}) as server, \
                ThreadPoolExecutor(3) as pool:
            self.assertEqual(server.metrics()["roost_workers", "m"], 3)
            warnings = [line for line in server.log().splitlines() if " warn model.config" in line]
            self.assertEqual(len(warnings), 2, warnings)
            self.assertIn("tenant=m", warnings[0])
            self.assertIn("instance_group[1].gpus: ignored", warnings[0])
            self.assertIn("KIND_GPU", warnings[1])
            calls = [pool.submit(server.infer, "m") for _ in range(3)]
            wait_for("three runs at once", lambda: server.metrics()[
                "roost_batches_running", "m"] == 3 or all(call.done() for call in calls))
            self.assertEqual({call.result().status for call in calls}, {200})

    def test_queue_policy(self):
        """At level 1 one request may wait, at 2 two; at 3 none waits for longer than 1 ms."""
        config = """max_batch_size: 1
            dynamic_batching { priority_levels: 3 default_priority_level: 2
                default_queue_policy { max_queue_size: 2 }
                priority_queue_policy { key: 1 value { max_queue_size: 1 } }
                priority_queue_policy { key: 3 value {
                    default_timeout_microseconds: 1000 timeout_action: REJECT } } }"""
        with Server({"m": {"1/model.fake": SLOW, "config.pbtxt": config}},
                    "defaults: {shed: never, deadline: 60 s}") as server, \
                ThreadPoolExecutor(24) as pool:
            for level, expected in ((1, {200, 429}), (2, {200, 429}), (3, {200, 504})):
                seen = set()

                def burst(level=level, seen=seen, expected=expected):
                    calls = [pool.submit(server.infer, "m", parameters={"priority": level})
                             for _ in range(8)]
                    seen.update(call.result().status for call in calls)
                    return seen >= expected
                wait_for(f"both answers at level {level}", burst)
                self.assertEqual(seen, expected)
            self.assertEqual(server.infer("m", parameters={"priority": 9}).status, 200)

    def test_delay(self):
        """What waited too long goes behind the others, and is answered all the same."""
        config = """max_batch_size: 1
            dynamic_batching { default_queue_policy {
                default_timeout_microseconds: 1000 timeout_action: DELAY } }"""
        with Server({"m": {"1/model.fake": SLOW, "config.pbtxt": config}},
                    "defaults: {shed: never, deadline: 60 s}") as server, \
                ThreadPoolExecutor(6) as pool:
            calls = [pool.submit(server.infer, "m") for _ in range(6)]
            self.assertEqual({call.result().status for call in calls}, {200})

    def test_preferred_batch_size(self):
        """A batch waits for its companions, but not once it has a preferred size."""
        config = """max_batch_size: 8
            dynamic_batching { preferred_batch_size: [ 4 ]
                max_queue_delay_microseconds: 40000000 }"""
        with Server({"m": {"1/model.fake": fake_model(), "config.pbtxt": config}},
                    "defaults: {batching: on, shed: never, deadline: 60 s}") as server, \
                ThreadPoolExecutor(4) as pool:
            calls = [pool.submit(server.infer, "m") for _ in range(4)]
            self.assertEqual({call.result().status for call in calls}, {200})
            stats = server.get("/v2/models/m/stats").json()["model_stats"][0]
            self.assertEqual([one["batch_size"] for one in stats["batch_stats"]], [4])

    def test_file_name_and_version_policy(self):
        scale = {f"{n}/net.onnx": onnx_models.scale(float(n)) for n in (1, 2, 3)}
        config = 'default_model_filename: "net.onnx"\nversion_policy { latest { num_versions: 2 } }'
        with Server({"m": {**scale, "config.pbtxt": config}}) as server:
            self.assertEqual(server.get("/v2/models/m").json()["versions"], ["2", "3"])
            body = request_json([[1.0, 2.0, 3.0, 4.0]])
            for path, factor in (("", 3), ("/versions/2", 2)):
                answer = server.post(f"/v2/models/m{path}/infer", body).json()
                numpy.testing.assert_array_equal(
                    answer["outputs"][0]["data"], [factor * n for n in (1, 2, 3, 4)])
            self.assertEqual(server.post("/v2/models/m/versions/1/infer", body).status, 404)


if __name__ == "__main__":
    unittest.main(verbosity=2)
