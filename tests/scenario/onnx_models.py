# SPDX-License-Identifier: Apache-2.0
"""Small ONNX models, made with the onnx package: what goes in comes out."""
import onnx
from onnx import TensorProto, helper

# Triton's name -> ONNX's type and numpy's name
TYPES = {
    "BOOL": (TensorProto.BOOL, "bool"), "UINT8": (TensorProto.UINT8, "uint8"),
    "UINT16": (TensorProto.UINT16, "uint16"), "UINT32": (TensorProto.UINT32, "uint32"),
    "UINT64": (TensorProto.UINT64, "uint64"), "INT8": (TensorProto.INT8, "int8"),
    "INT16": (TensorProto.INT16, "int16"), "INT32": (TensorProto.INT32, "int32"),
    "INT64": (TensorProto.INT64, "int64"), "FP16": (TensorProto.FLOAT16, "float16"),
    "FP32": (TensorProto.FLOAT, "float32"), "FP64": (TensorProto.DOUBLE, "float64"),
    "BYTES": (TensorProto.STRING, "object"),
}


def save(graph):
    model = helper.make_model(graph, producer_name="roost-test",
                              opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.checker.check_model(model)
    return model.SerializeToString()


def value(name, datatype, dims):
    return helper.make_tensor_value_info(name, TYPES[datatype][0], dims)


def identity(datatype, dims=("batch", "n")):
    """y = x"""
    return save(helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "identity",
                                  [value("x", datatype, dims)], [value("y", datatype, dims)]))


def folded(width=4, side=1000, steps=8):
    """y = x + 0, where the zero is the product of large constants: a small file whose graph takes
    long to optimise."""
    nodes = [helper.make_node("ConstantOfShape", ["shape"], ["p0"])]
    nodes += [helper.make_node("MatMul", [f"p{n}", "p0"], [f"p{n + 1}"]) for n in range(steps)]
    nodes += [helper.make_node("ReduceSum", [f"p{steps}"], ["zero"], keepdims=0),
              helper.make_node("Add", ["x", "zero"], ["y"])]
    shape = helper.make_tensor("shape", TensorProto.INT64, [2], [side, side])
    dims = ("batch", width)
    return save(helper.make_graph(nodes, "folded", [value("x", "FP32", dims)],
                                  [value("y", "FP32", dims)], [shape]))


def scale(factor, width=4):
    """y = factor * x, and z = x"""
    weight = helper.make_tensor("factor", TensorProto.FLOAT, [1], [factor])
    dims = ("batch", width)
    return save(helper.make_graph(
        [helper.make_node("Mul", ["x", "factor"], ["y"]),
         helper.make_node("Identity", ["x"], ["z"])], "scale",
        [value("x", "FP32", dims)], [value("y", "FP32", dims), value("z", "FP32", dims)], [weight]))
