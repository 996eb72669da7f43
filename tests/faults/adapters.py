# SPDX-License-Identifier: Apache-2.0
"""One tenant, variants of other image sizes, layouts, names and numbers of classes: every client
gets what the tenant's signature says, whichever serves."""
import json
import os
import signal
import sys
import unittest

import numpy
from onnx import helper, numpy_helper

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../scenario"))
import onnx_models  # noqa: E402
from roost_server import Server, UnixConnection, wait_for  # noqa: E402

CLASSES = 1000
PIXEL = (30.0, 60.0, 90.0)
MEAN, STD = (10.0, 20.0, 30.0), (2.0, 4.0, 8.0)


def weights(classes, first):
    """Class c has (c + 1) times one channel; a background class in front is never asked for."""
    table = numpy.zeros((3, classes + first), numpy.float32)
    for c in range(classes):
        table[c % 3, c + first] = c + 1
    table[:, :first] = 1e6
    return numpy_helper.from_array(table, "weights")


def classifier(pixels, last, first, names):
    """The mean of each channel, times weights. Channels last or first; `first` extra classes."""
    source, target = names
    dims = ("batch", pixels, pixels, 3) if last else ("batch", 3, pixels, pixels)
    axes = [1, 2] if last else [2, 3]
    return onnx_models.save(helper.make_graph(
        [helper.make_node("ReduceMean", [source], ["means"], axes=axes, keepdims=0),
         helper.make_node("MatMul", ["means", "weights"], [target])],
        "classifier", [onnx_models.value(source, "FP32", dims)],
        [onnx_models.value(target, "FP32", ("batch", CLASSES + first))],
        [weights(CLASSES, first)]))


LARGE = classifier(224, False, 0, ("image", "scores"))
SMALL = classifier(160, True, 1, ("pixels", "probabilities"))
ADAPTER = {"resize": [160, 160], "layout": "nchw_to_nhwc", "output_map": "drop_first",
           "normalise": {"mean": MEAN, "std": STD}}


def config(adapter, accuracy=0.6):
    variants = [{"model": "large", "accuracy": 0.8},
                {"model": "small", "accuracy": accuracy, "adapter": adapter}]
    return json.dumps({"tenants": [{"name": "t", "variants": variants, "deadline": "30 s"}]})


def models(small=SMALL):
    return {"large": {"1/model.onnx": LARGE}, "small": {"1/model.onnx": small}}


def control(server, path, value):
    connection = UnixConnection(server.control)
    try:
        return server.call("POST", path, json.dumps(value), connection=connection)
    finally:
        connection.close()


def variant(server, name):
    return next(one for one in server.lanes("t")[0]["variants"] if one["name"] == name)


def switch(server, name):
    answer = control(server, "/v2/roost/tenants/t/switch", {"variant": name})
    assert answer.status == 200, answer
    wait_for(f"{name} to serve", lambda: server.lanes("t")[0]["variant"] == name)


def classify(server, rows=2):
    """The scores of images of one colour; every row of the batch is as the first."""
    image = numpy.empty((rows, 3, 224, 224), "<f4")
    image[:] = numpy.reshape(PIXEL, (1, 3, 1, 1))
    head = json.dumps({
        "inputs": [{"name": "image", "shape": image.shape, "datatype": "FP32",
                    "parameters": {"binary_data_size": image.nbytes}}],
        "outputs": [{"name": "scores"}]}).encode()
    answer = server.post("/v2/models/t/infer", head + image.tobytes(),
                         {"Inference-Header-Content-Length": str(len(head))})
    assert answer.status == 200, answer
    output = answer.json()["outputs"][0]
    assert output["name"] == "scores" and output["shape"] == [rows, CLASSES], output["shape"]
    scores = numpy.reshape(output["data"], (rows, CLASSES))
    numpy.testing.assert_allclose(scores, scores[:1].repeat(rows, 0), rtol=1e-4)
    return scores[0]


def expected(channels):
    return [(c + 1) * channels[c % 3] for c in range(CLASSES)]


def normalised():
    return [(p - m) / s for p, m, s in zip(PIXEL, MEAN, STD)]


def cache_files(server):
    return [os.path.join(path, name) for path, directories, files
            in os.walk(os.path.join(server.directory, "cache")) for name in directories + files]


class Adapters(unittest.TestCase):
    def test_sizes_layouts_names_classes(self):
        with Server(models(), config(ADAPTER)) as server:
            numpy.testing.assert_allclose(classify(server), expected(PIXEL), rtol=1e-4)
            for _ in range(2):
                switch(server, "small")
                numpy.testing.assert_allclose(classify(server), expected(normalised()), rtol=1e-4)
                switch(server, "large")
                numpy.testing.assert_allclose(classify(server), expected(PIXEL), rtol=1e-4)
            self.assertRegex(server.log(), r"variant=small .*optimised=1")
            left = [path for path in cache_files(server) if "adapted" in path or "stage-" in path]
            self.assertEqual(left, [])

    def test_a_map_file_that_changes(self):
        """The cached copy of one map is not served for another."""
        adapter = {**ADAPTER, "output_map": "map"}
        server = Server(models(), config(adapter))
        path = os.path.join(server.directory, "map")
        with open(path, "w", encoding="ascii") as file:
            file.write("\n".join(str(i + 1) for i in range(CLASSES)))
        with server:
            switch(server, "small")
            numpy.testing.assert_allclose(classify(server), expected(normalised()), rtol=1e-4)
            with open(path + "~", "w", encoding="ascii") as file:
                file.write("\n".join(str(CLASSES - i) for i in range(CLASSES)))
            os.rename(path + "~", path)
            old = server.hosts("t")
            server.signal(signal.SIGHUP)
            wait_for("the new lane", lambda: server.hosts("t") and
                     not set(old) & set(server.hosts("t")))
            switch(server, "small")
            numpy.testing.assert_allclose(classify(server), expected(normalised())[::-1], rtol=1e-4)

    def test_one_that_does_not_fit(self):
        """The tenant goes on with the variant that it has, and says what is wrong."""
        with Server(models(), config({**ADAPTER, "resize": [161, 160]})) as server:
            control(server, "/v2/roost/tenants/t/switch", {"variant": "small"})
            reason = wait_for("the reason", lambda: variant(server, "small").get("reason"))
            self.assertRegex(reason, r"adapter: input: the variant wants \[-1,160,160,3\], "
                                     r"and would get \[-1,161,160,3\]")
            numpy.testing.assert_allclose(classify(server), expected(PIXEL), rtol=1e-4)

    def test_declared_accuracy_changes_no_host(self):
        with Server(models(), config(ADAPTER)) as server:
            old = server.hosts("t")
            server.write_config(config(ADAPTER, accuracy=0.7))
            server.signal(signal.SIGHUP)
            wait_for("the accuracy", lambda: variant(server, "small")["accuracy"] == 0.7)
            self.assertEqual(server.hosts("t"), old)


if __name__ == "__main__":
    unittest.main(verbosity=2)
