# SPDX-License-Identifier: Apache-2.0
"""Triton's own Python client, unmodified, against the real server with ONNX Runtime."""
import asyncio
import os
import sys
import unittest

import numpy
import tritonclient.http as triton
import tritonclient.http.aio as aio
from tritonclient.utils import InferenceServerException

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../scenario"))
import onnx_models  # noqa: E402
from roost_server import Server  # noqa: E402

SCALE_CONFIG = """
name: "scale"
platform: "onnxruntime_onnx"
max_batch_size: 8
input [{ name: "x" data_type: TYPE_FP32 dims: [ 4 ] }]
output [{ name: "y" data_type: TYPE_FP32 dims: [ 4 ] label_filename: "labels.txt" },
        { name: "z" data_type: TYPE_FP32 dims: [ 4 ] }]
"""
SAMPLES = {
    "BOOL": [[True, False, True]],
    "FP16": [[0.5, -2.25, 65504.0]], "FP32": [[0.1, -1e30, 3.0]], "FP64": [[0.1, -1e300, 3.0]],
    "BYTES": [[b"", "Größe".encode(), b"two words"]],
}


def sample(datatype):
    numpy_type = onnx_models.TYPES[datatype][1]
    if datatype in SAMPLES:
        return numpy.array(SAMPLES[datatype], dtype=numpy_type)
    info = numpy.iinfo(numpy_type)
    return numpy.array([[info.min, 7, info.max]], dtype=numpy_type)


def models():
    some = {"identity_" + datatype.lower(): {"1/model.onnx": onnx_models.identity(datatype)}
            for datatype in onnx_models.TYPES}
    some["scale"] = {"1/model.onnx": onnx_models.scale(2.0), "2/model.onnx": onnx_models.scale(3.0),
                     "config.pbtxt": SCALE_CONFIG + "version_policy: { all { } }",
                     "labels.txt": "zero\none\ntwo\nthree\n"}
    return some


def tensor(name, array, datatype, binary=True):
    value = triton.InferInput(name, list(array.shape), datatype)
    value.set_data_from_numpy(array, binary_data=binary)
    return value


ROW = numpy.array([[1, 4, 2, 3]], dtype="float32")


class TritonClient(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(models())
        cls.server.__enter__()
        cls.client = triton.InferenceServerClient(f"127.0.0.1:{cls.server.port}", concurrency=4)

    @classmethod
    def tearDownClass(cls):
        cls.client.close()
        cls.server.__exit__(None, None, None)

    def scale(self, **more):
        return self.client.infer("scale", [tensor("x", ROW, "FP32")], **more)

    def refused(self, text, call, *arguments, **more):
        with self.assertRaises(InferenceServerException) as caught:
            call(*arguments, **more)
        self.assertIn(text, str(caught.exception))

    def test_health(self):
        self.assertTrue(self.client.is_server_live())
        self.assertTrue(self.client.is_server_ready())
        self.assertTrue(self.client.is_model_ready("scale"))
        self.assertTrue(self.client.is_model_ready("scale", "1"))
        self.assertFalse(self.client.is_model_ready("scale", "3"))
        self.assertFalse(self.client.is_model_ready("nobody"))

    def test_metadata(self):
        server = self.client.get_server_metadata()
        self.assertEqual(server["name"], "roost")
        self.assertIn("binary_tensor_data", server["extensions"])
        model = self.client.get_model_metadata("scale")
        self.assertEqual(model["versions"], ["1", "2"])
        self.assertEqual(model["platform"], "onnxruntime_onnx")
        self.assertEqual(model["inputs"], [{"name": "x", "datatype": "FP32", "shape": [-1, 4]}])
        self.assertEqual([output["name"] for output in model["outputs"]], ["y", "z"])

    def test_config(self):
        config = self.client.get_model_config("scale")
        self.assertEqual(config["name"], "scale")
        self.assertEqual(config["max_batch_size"], 8)
        self.assertEqual(config["input"][0]["data_type"], "TYPE_FP32")
        self.assertEqual(config["output"][0]["label_filename"], "labels.txt")

    def test_statistics(self):
        before = self.client.get_inference_statistics("scale", "1")["model_stats"][0]
        rows = numpy.repeat(ROW, 3, axis=0)
        self.client.infer("scale", [tensor("x", rows, "FP32")], model_version="1")
        after = self.client.get_inference_statistics("scale", "1")["model_stats"][0]
        self.assertEqual(after["inference_count"] - before["inference_count"], 3)
        self.assertEqual(after["execution_count"] - before["execution_count"], 1)
        for key in ("success", "queue", "compute_infer"):
            self.assertEqual(after["inference_stats"][key]["count"]
                             - before["inference_stats"][key]["count"], 1)
        names = {one["name"] for one in self.client.get_inference_statistics()["model_stats"]}
        self.assertEqual(names, set(models()))

    def test_every_type(self):
        for datatype in onnx_models.TYPES:
            for binary_in in (True, False):
                for binary_out in (True, False):
                    if datatype == "FP16" and not (binary_in and binary_out):
                        continue  # JSON has no FP16
                    with self.subTest(datatype=datatype, input=binary_in, output=binary_out):
                        self.round_trip(datatype, binary_in, binary_out)

    def round_trip(self, datatype, binary_in, binary_out):
        data = sample(datatype)
        result = self.client.infer(
            "identity_" + datatype.lower(), [tensor("x", data, datatype, binary_in)],
            outputs=[triton.InferRequestedOutput("y", binary_data=binary_out)])
        answer = result.as_numpy("y")
        if datatype == "BYTES" and not binary_out:
            answer = numpy.array([[text.encode() for text in row] for row in answer], "object")
        numpy.testing.assert_array_equal(answer, data)
        self.assertEqual(result.get_output("y")["datatype"], datatype)

    def test_fp16_as_json(self):
        data = tensor("x", sample("FP16"), "FP16")
        self.refused("binary", self.client.infer, "identity_fp16", [data], outputs=[
            triton.InferRequestedOutput("y", binary_data=False)])

    def test_versions(self):
        numpy.testing.assert_array_equal(self.scale().as_numpy("y"), ROW * 3)
        for version, factor in (("1", 2), ("2", 3)):
            result = self.scale(model_version=version)
            self.assertEqual(result.get_response()["model_version"], version)
            numpy.testing.assert_array_equal(result.as_numpy("y"), ROW * factor)

    def test_output_selection(self):
        both = self.scale()
        self.assertEqual([output["name"] for output in both.get_response()["outputs"]], ["y", "z"])
        one = self.scale(outputs=[triton.InferRequestedOutput("z")])
        self.assertIsNone(one.as_numpy("y"))
        numpy.testing.assert_array_equal(one.as_numpy("z"), ROW)

    def test_classification(self):
        for binary in (True, False):
            result = self.scale(outputs=[
                triton.InferRequestedOutput("y", binary_data=binary, class_count=2),
                triton.InferRequestedOutput("z", binary_data=binary, class_count=1)])
            best = [x.decode() if isinstance(x, bytes) else x for x in result.as_numpy("y")[0]]
            self.assertEqual(best, ["12.0:1:one", "9.0:3:three"])
            other = result.as_numpy("z")[0][0]
            self.assertEqual(other.decode() if isinstance(other, bytes) else other, "4.0:1")

    def test_request_id_and_parameters(self):
        result = self.scale(request_id="number 42", priority=2, timeout=30_000_000,
                            parameters={"customer": "nobody", "weight": 3})
        self.assertEqual(result.get_response()["id"], "number 42")

    def test_compression(self):
        rows = numpy.zeros((8, 4), dtype="float32")
        for asked in (None, "gzip", "deflate"):
            for answered in (None, "gzip", "deflate"):
                for binary in (True, False):
                    with self.subTest(request=asked, response=answered, binary=binary):
                        result = self.client.infer(
                            "scale", [tensor("x", rows, "FP32", binary)],
                            outputs=[triton.InferRequestedOutput("y", binary_data=binary)],
                            request_compression_algorithm=asked,
                            response_compression_algorithm=answered)
                        numpy.testing.assert_array_equal(result.as_numpy("y"), rows)

    def test_asynchronous(self):
        calls = []
        for index in range(40):
            rows = numpy.full((1 + index % 3, 4), index, dtype="float32")
            calls.append((rows, self.client.async_infer("scale", [tensor("x", rows, "FP32")])))
        for rows, call in calls:
            numpy.testing.assert_array_equal(call.get_result().as_numpy("y"), rows * 3)

    def test_asyncio(self):
        async def run():
            async with aio.InferenceServerClient(f"127.0.0.1:{self.server.port}") as client:
                self.assertTrue(await client.is_server_ready())
                rows = [numpy.full((1 + index % 3, 4), index, dtype="float32")
                        for index in range(40)]
                results = await asyncio.gather(*(
                    client.infer("scale", [tensor("x", one, "FP32")]) for one in rows))
                for one, result in zip(rows, results):
                    numpy.testing.assert_array_equal(result.as_numpy("y"), one * 3)
                with self.assertRaises(InferenceServerException):
                    await client.infer("nobody", [tensor("x", ROW, "FP32")])
        asyncio.run(run())

    def test_errors(self):
        infer = self.client.infer
        self.refused("nobody", infer, "nobody", [tensor("x", ROW, "FP32")])
        self.refused("version", infer, "scale", [tensor("x", ROW, "FP32")], model_version="9")
        self.refused("inputs[0]", infer, "scale", [tensor("wrong", ROW, "FP32")])
        self.refused("inputs[0].datatype", infer, "scale",
                     [tensor("x", ROW.astype("float64"), "FP64")])
        self.refused("inputs[0].shape", infer, "scale",
                     [tensor("x", numpy.zeros((1, 5), "float32"), "FP32")])
        self.refused("inputs[0].shape", infer, "scale",
                     [tensor("x", numpy.zeros((9, 4), "float32"), "FP32")])
        self.refused("outputs[0]", infer, "scale", [tensor("x", ROW, "FP32")],
                     outputs=[triton.InferRequestedOutput("wrong")])
        self.refused("explicit", self.client.load_model, "scale")

    def test_index(self):
        index = self.client.get_model_repository_index()
        self.assertEqual({(one["name"], one["state"]) for one in index},
                         {(name, "READY") for name in models()})


class TritonClientRepository(unittest.TestCase):
    def test_load_and_unload(self):
        some = {"scale": models()["scale"], "broken": {"1/model.onnx": b"not a graph"},
                "other": {"1/model.onnx": onnx_models.identity("INT32")}}
        with Server(some, arguments=["--model-control-mode", "explicit"]) as server:
            client = triton.InferenceServerClient(f"127.0.0.1:{server.port}")
            self.assertEqual([one.get("state") for one in client.get_model_repository_index()],
                             [None] * 3)
            client.load_model("scale")
            self.assertTrue(client.is_model_ready("scale"))
            self.assertFalse(client.is_model_ready("other"))
            with self.assertRaises(InferenceServerException):
                client.load_model("broken")
            with self.assertRaises(InferenceServerException):
                client.load_model("nobody")
            states = {(one["name"], one.get("version")): one.get("state")
                      for one in client.get_model_repository_index()}
            self.assertEqual(states["scale", "1"], "READY")
            self.assertEqual(states["scale", "2"], "READY")
            client.load_model("scale", config='{"max_batch_size": 4}')
            self.assertEqual(client.get_model_config("scale")["max_batch_size"], 4)
            self.assertTrue(client.is_model_ready("scale"))
            client.unload_model("scale")
            self.assertFalse(client.is_model_ready("scale"))
            with self.assertRaises(InferenceServerException):
                client.infer("scale", [tensor("x", ROW, "FP32")])
            client.load_model("other")
            client.unload_model("other")
            client.close()


if __name__ == "__main__":
    unittest.main(verbosity=2)
