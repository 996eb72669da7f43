#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the small ONNX files beside this script that src/engine's tests load.

usage: make_fixtures.py      (needs the onnx package: build/venv/bin/python3 has it)

The files are committed, so that no test depends on this script; the same onnx version writes the
same bytes.
"""
import os

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper

HERE = os.path.dirname(os.path.abspath(__file__))
OPSET = 17

TYPES = {
    "BOOL": TensorProto.BOOL, "UINT8": TensorProto.UINT8, "UINT16": TensorProto.UINT16,
    "UINT32": TensorProto.UINT32, "UINT64": TensorProto.UINT64, "INT8": TensorProto.INT8,
    "INT16": TensorProto.INT16, "INT32": TensorProto.INT32, "INT64": TensorProto.INT64,
    "FP16": TensorProto.FLOAT16, "FP32": TensorProto.FLOAT, "FP64": TensorProto.DOUBLE,
    "BYTES": TensorProto.STRING, "BF16": TensorProto.BFLOAT16,
}


def value(name, kind, dims):
    return helper.make_tensor_value_info(name, TYPES[kind], dims)


def ramp(name, shape, step):
    """Weights that are exact in FP32, so that every kernel gives the same sums."""
    count = int(numpy.prod(shape))
    data = ((numpy.arange(count) % 17) - 8).astype(numpy.float32) * numpy.float32(step)
    return numpy_helper.from_array(data.reshape(shape), name)


def save(name, nodes, inputs, outputs, weights=(), metadata=None, check=True):
    graph = helper.make_graph(nodes, name, inputs, outputs, initializer=list(weights))
    model = helper.make_model(graph, producer_name="roost",
                              opset_imports=[helper.make_opsetid("", OPSET)])
    model.ir_version = 8
    if metadata:
        helper.set_model_props(model, metadata)
    if check:
        onnx.checker.check_model(model)
    data = model.SerializeToString(deterministic=True)
    write(name + ".onnx", data)
    return data


def write(name, data):
    with open(os.path.join(HERE, name), "wb") as file:
        file.write(data)


def add():
    save("add", [helper.make_node("Add", ["x", "y"], ["sum"])],
         [value("x", "FP32", ["n", 4]), value("y", "FP32", ["n", 4])],
         [value("sum", "FP32", ["n", 4])])


def mlp():
    nodes = [helper.make_node("Gemm", ["x", "w1", "b1"], ["h1"]),
             helper.make_node("Relu", ["h1"], ["h2"]),
             helper.make_node("Gemm", ["h2", "w2", "b2"], ["y"])]
    weights = [ramp("w1", (16, 48), 1 / 16), ramp("b1", (48,), 1 / 8),
               ramp("w2", (48, 8), 1 / 16), ramp("b2", (8,), 1 / 8)]
    data = save("mlp", nodes, [value("x", "FP32", ["batch", 16])],
                [value("y", "FP32", ["batch", 8])], weights,
                {"roost.mflops": "0.0015", "roost.accuracy": "0.75"})
    write("truncated.onnx", data[:len(data) // 2])


def conv():
    """What optimisers change most: a convolution with its normalisation, in another layout."""
    nodes = [helper.make_node("Conv", ["x", "w1"], ["c1"], pads=[1, 1, 1, 1]),
             helper.make_node("BatchNormalization", ["c1", "scale", "shift", "mean", "var"],
                              ["n1"]),
             helper.make_node("Relu", ["n1"], ["r1"]),
             helper.make_node("GlobalAveragePool", ["r1"], ["p1"]),
             helper.make_node("Flatten", ["p1"], ["y"])]
    weights = [ramp("w1", (16, 8, 3, 3), 1 / 16),
               numpy_helper.from_array(numpy.full(16, 2, numpy.float32), "scale"),
               ramp("shift", (16,), 1 / 8), ramp("mean", (16,), 1 / 4),
               numpy_helper.from_array(numpy.full(16, 4, numpy.float32), "var")]
    save("conv", nodes, [value("x", "FP32", ["n", 8, 6, 6])], [value("y", "FP32", ["n", 16])],
         weights)


def types():
    inputs = [value("in_" + kind, kind, ["n"]) for kind in TYPES]
    outputs = [value("out_" + kind, kind, ["n"]) for kind in TYPES]
    nodes = [helper.make_node("Identity", ["in_" + kind], ["out_" + kind]) for kind in TYPES]
    save("types", nodes, inputs, outputs)


def text():
    save("text", [helper.make_node("Identity", ["x"], ["y"])],
         [value("x", "BYTES", ["n", 2])], [value("y", "BYTES", ["n", 2])])


def half():
    save("half", [helper.make_node("Add", ["x", "x"], ["y"])],
         [value("x", "FP16", ["n", 3])], [value("y", "FP16", ["n", 3])])


def optional():
    """y = x * scale + shift; scale and shift may be left out."""
    nodes = [helper.make_node("Mul", ["x", "scale"], ["scaled"]),
             helper.make_node("Add", ["scaled", "shift"], ["y"])]
    weights = [numpy_helper.from_array(numpy.array([3], numpy.float32), "scale"),
               numpy_helper.from_array(numpy.array([1], numpy.float32), "shift")]
    save("optional", nodes,
         [value("x", "FP32", ["n", 2]), value("scale", "FP32", [1]), value("shift", "FP32", [1])],
         [value("y", "FP32", ["n", 2])], weights)


def nonzero():
    save("nonzero", [helper.make_node("NonZero", ["x"], ["indices"])],
         [value("x", "FP32", ["n", 4])], [value("indices", "INT64", [2, "found"])])


def embedding():
    """Tables in a file of their own, looked up by ids that a client may get wrong."""
    nodes = [helper.make_node("Gather", ["table", "ids"], ["rows"], axis=0),
             helper.make_node("ReduceMax", ["rows"], ["y"], axes=[1], keepdims=0)]
    table = ramp("table", (64, 16), 1 / 4)
    write("embedding.weights", table.raw_data)
    size = len(table.raw_data)
    for name, location in (("embedding", "embedding.weights"), ("lost", "nowhere.weights"),
                           ("escape", "../engine/embedding.weights")):
        external = TensorProto(name="table", data_type=TensorProto.FLOAT, dims=table.dims,
                               data_location=TensorProto.EXTERNAL)
        for key, text_ in (("location", location), ("offset", "0"), ("length", str(size))):
            external.external_data.add(key=key, value=text_)
        save(name, nodes, [value("ids", "INT64", ["n", 4])], [value("y", "FP32", ["n", 16])],
             [external], check=False)


def slow():
    """A loop of `trips` rounds: as long a run as a test wants."""
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["go_on"]),
         helper.make_node("Add", ["v", "v"], ["twice"]),
         helper.make_node("Clip", ["twice", "low", "high"], ["v_next"])],
        "round",
        [value("round_index", "INT64", []), value("go", "BOOL", []), value("v", "FP32", [1])],
        [value("go_on", "BOOL", []), value("v_next", "FP32", [1])],
        initializer=[numpy_helper.from_array(numpy.array(-8, numpy.float32), "low"),
                     numpy_helper.from_array(numpy.array(8, numpy.float32), "high")])
    save("slow", [helper.make_node("Loop", ["trips", "", "x"], ["y"], body=body)],
         [value("trips", "INT64", []), value("x", "FP32", [1])], [value("y", "FP32", [1])])


def large():
    """64 MiB of weights made while it loads, from a file of a few hundred bytes."""
    nodes = [helper.make_node("ConstantOfShape", ["shape"], ["w"],
                              value=numpy_helper.from_array(numpy.array([0.5], numpy.float32))),
             helper.make_node("MatMul", ["x", "w"], ["y"])]
    shape = numpy_helper.from_array(numpy.array([4096, 4096], numpy.int64), "shape")
    save("large", nodes, [value("x", "FP32", ["n", 4096])], [value("y", "FP32", ["n", 4096])],
         [shape])


def reshape():
    """Refuses some inputs of the declared shape only while it runs."""
    target = numpy_helper.from_array(numpy.array([-1, 6], numpy.int64), "target")
    save("reshape", [helper.make_node("Reshape", ["x", "target"], ["y"])],
         [value("x", "FP32", ["n", 2])], [value("y", "FP32", ["m", 6])], [target])


def refused():
    save("unknown_operator", [helper.make_node("Frobnicate", ["x"], ["y"])],
         [value("x", "FP32", [1])], [value("y", "FP32", [1])], check=False)
    save("inconsistent", [helper.make_node("MatMul", ["x", "w"], ["y"])],
         [value("x", "FP32", [1, 4])], [value("y", "FP32", [1, 4])], [ramp("w", (3, 4), 1)],
         check=False)
    sequence = helper.make_tensor_sequence_value_info("parts", TensorProto.FLOAT, None)
    save("sequence", [helper.make_node("SplitToSequence", ["x"], ["parts"])],
         [value("x", "FP32", ["n", 4])], [sequence])
    save("rank_nine", [helper.make_node("Identity", ["x"], ["y"])],
         [value("x", "FP32", [1] * 9)], [value("y", "FP32", [1] * 9)])
    save("long_name", [helper.make_node("Identity", ["x"], ["y" * 200])],
         [value("x", "FP32", [1])], [value("y" * 200, "FP32", [1])])
    write("garbage.onnx", numpy.random.RandomState(7).bytes(2048))
    write("empty.onnx", b"")


if __name__ == "__main__":
    for make in (add, mlp, conv, types, text, half, optional, nonzero, embedding, slow, large,
                 reshape, refused):
        make()
