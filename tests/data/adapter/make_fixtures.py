#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the small ONNX files beside this script that src/engine/adapter_test.c adapts.

usage: make_fixtures.py      (needs the onnx package: build/venv/bin/python3 has it)

The files are committed, so that no test depends on this script.
"""
import os

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper

HERE = os.path.dirname(os.path.abspath(__file__))
PIXELS = 4 * 4 * 3


def value(name, kind, dims):
    return helper.make_tensor_value_info(name, kind, dims)


def save(name, opset, ir_version, nodes, inputs, outputs, weights=(), external=False):
    graph = helper.make_graph(nodes, name, inputs, outputs, initializer=list(weights))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)],
                              producer_name="roost-test")
    model.ir_version = ir_version
    onnx.checker.check_model(model)
    path = os.path.join(HERE, name + ".onnx")
    if external:
        onnx.save(model, path, save_as_external_data=True, location="data/" + name + ".weights",
                  size_threshold=0)
    else:
        onnx.save(model, path)


def classifier():
    """Channels last. Class 0 is always 0, class i + 1 is pixel i. Weights are external."""
    shift = numpy.zeros((PIXELS, PIXELS + 1), numpy.float32)
    shift[numpy.arange(PIXELS), numpy.arange(PIXELS) + 1] = 1
    nodes = [helper.make_node("Flatten", ["pixels"], ["flat"], axis=1),
             helper.make_node("MatMul", ["flat", "shift"], ["probabilities"]),
             helper.make_node("ReduceSum", ["flat"], ["sum"], keepdims=0)]
    os.makedirs(os.path.join(HERE, "data"), exist_ok=True)
    save("classifier", 17, 8, nodes, [value("pixels", TensorProto.FLOAT, ["n", 4, 4, 3])],
         [value("sum", TensorProto.FLOAT, []),
          value("probabilities", TensorProto.FLOAT, ["n", PIXELS + 1])],
         [numpy_helper.from_array(shift, "shift")], external=True)


def old():
    """Channels first, an old operator set and file, and names that the tenant has too."""
    nodes = [helper.make_node("Mul", ["image", "two"], ["scores"]),
             helper.make_node("Flatten", ["scores"], ["flat"], axis=1)]
    save("old", 9, 3, nodes,
         [value("image", TensorProto.FLOAT, [1, 3, 4, 4]), value("two", TensorProto.FLOAT, [])],
         [value("flat", TensorProto.FLOAT, [1, PIXELS])],
         [numpy_helper.from_array(numpy.array(2, numpy.float32), "two")])


def branches():
    """Channels first with an If whose branches read values of the graph around them, an integer
    input of its own and half-precision output."""
    def branch(name, factor):
        nodes = [helper.make_node("Constant", [], [name + "_c"], value=numpy_helper.from_array(
            numpy.array(factor, numpy.float32))),
                 helper.make_node("Mul", ["scores", name + "_c"], [name])]
        return helper.make_graph(nodes, name, [], [value(name, TensorProto.FLOAT, None)])
    nodes = [helper.make_node("Flatten", ["image"], ["scores"], axis=1),
             helper.make_node("Cast", ["flag"], ["truth"], to=TensorProto.BOOL),
             helper.make_node("If", ["truth"], ["chosen"], then_branch=branch("then", 10),
                              else_branch=branch("else", 1)),
             helper.make_node("Cast", ["chosen"], ["half"], to=TensorProto.FLOAT16)]
    save("branches", 12, 7, nodes,
         [value("image", TensorProto.FLOAT, ["n", 3, 4, 4]), value("flag", TensorProto.INT64, [1])],
         [value("half", TensorProto.FLOAT16, ["n", PIXELS])])


def main():
    classifier()
    old()
    branches()


if __name__ == "__main__":
    main()
