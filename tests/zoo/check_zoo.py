#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Has the onnx package judge the zoo: every graph by its checker and shape inference, small ones by
its reference evaluator against the engine's answers.

usage: ROOST_BUILD=build/debug tests/zoo/check_zoo.py [MODEL...]
"""
import os
import re
import subprocess
import sys
import tempfile

try:
    import numpy as np
    import onnx
    from onnx.reference import ReferenceEvaluator
    from onnx.reference.ops.op_gather import Gather as ReferenceGather
except ImportError as error:
    print(f"check_zoo: {error}; run scripts/setup")
    sys.exit(1 if os.environ.get("CI") else 77)

TOOL = os.path.join(os.environ["ROOST_BUILD"], "tests", "zoo", "zoo_tool")
SCALE = 0.0002
# What the reference evaluator gets through in a few seconds each. It takes a hundred for
# Inception V4, most of them in pooling.
REFERENCE_FLOPS_MAX = 1.2e9
REFERENCE_ALSO = {"inception_v2", "resnet_v1_50", "resnet_v2_50"}
PAGE_BYTES = 4096
FLOAT, INT64 = onnx.TensorProto.FLOAT, onnx.TensorProto.INT64
TYPES = {FLOAT: np.float32, INT64: np.int64}


class Gather(ReferenceGather):
    """onnx 1.19's own fails on indices that are a view into something larger."""

    def _run(self, x, indices, axis=None):
        return ReferenceGather._run(self, x, np.ascontiguousarray(indices), axis=axis)


def expect(condition, text):
    if not condition:
        raise AssertionError(text)


def tool(*arguments):
    return subprocess.run([TOOL, *map(str, arguments)], check=True, stdout=subprocess.PIPE,
                          text=True).stdout


def shape_of(value, rows):
    return [d.dim_value if d.HasField("dim_value") else rows
            for d in value.type.tensor_type.shape.dim]


def check_graph(path):
    """The checker's opinion, and what the zoo promises beyond it."""
    onnx.checker.check_model(path, full_check=True)
    model = onnx.load(path, load_external_data=False)
    expect(model.ir_version == 8, "IR version")
    expect([(o.domain, o.version) for o in model.opset_import] == [("", 17)], "opset")
    for value in list(model.graph.input) + list(model.graph.output):
        expect(value.type.tensor_type.shape.dim[0].dim_param == "N", f"{value.name}: batch")
        expect(value.doc_string, f"{value.name}: no doc string")
    # Every shape that the zoo has worked out is in the file, so the checker has compared it.
    named = {v.name for v in model.graph.value_info} | {v.name for v in model.graph.output}
    for node in model.graph.node:
        expect(set(node.output) <= named, f"{node.name}: shape unknown")
    for tensor in model.graph.initializer:
        fields = {e.key: e.value for e in tensor.external_data}
        expect(int(fields.get("offset", 0)) % PAGE_BYTES == 0, f"{tensor.name}: alignment")
    return model


def check_config(text, name, model):
    """config.pbtxt agrees with the graph."""
    expect(f'name: "{name}"' in text, "name in config.pbtxt")
    entries = dict(re.findall(r'name: "(\w+)"\n    data_type: \w+\n(?:    [fl].*\n)?'
                              r"    dims: \[ ([\d, ]+) \]", text))
    for value in list(model.graph.input) + list(model.graph.output):
        dims = [int(d) for d in entries[value.name].split(",")]
        expect(dims == shape_of(value, -1)[1:], f"{value.name}: dims in config.pbtxt")
    for entry in model.metadata_props:
        if not entry.key.startswith("roost.input."):
            continue
        expect(f'key: "{entry.key}"\n  value {{ string_value: "{entry.value}" }}' in text,
               f"{entry.key} in config.pbtxt")


def draw_inputs(model, rows, random):
    """Valid inputs: indices in the range that the metadata tells."""
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    inputs = {}
    for value in model.graph.input:
        shape = shape_of(value, rows)
        if value.type.tensor_type.elem_type == INT64:
            low, high = map(int, metadata[f"roost.input.{value.name}.range"].split(":"))
            inputs[value.name] = random.integers(low, high, shape)
            inputs[value.name].flat[0] = high - 1
        else:
            inputs[value.name] = random.standard_normal(shape).astype(np.float32)
    return inputs


def engine_answers(path, model, inputs, directory):
    rows = next(iter(inputs.values())).shape[0]
    for name, value in inputs.items():
        value.tofile(os.path.join(directory, f"{name}.in"))
    tool("run", path, rows, directory)
    answers = []
    for value in model.graph.output:
        flat = np.fromfile(os.path.join(directory, f"{value.name}.out"),
                           dtype=TYPES[value.type.tensor_type.elem_type])
        answers.append(flat.reshape(shape_of(value, rows)))
    return answers


def check_answers(name, answer, classifier):
    expect(np.isfinite(answer).all(), f"{name}: not finite")
    expect(answer.std() > 0, f"{name}: constant")
    expect(np.abs(answer[0] - answer[1]).max() > 1e-6, f"{name}: the same for every input")
    if classifier:
        expect(np.allclose(answer.sum(axis=1), 1.0, atol=1e-4), f"{name}: no probabilities")
        expect(answer.max() < 0.9, f"{name}: one class takes it all")


def check_reference(name, path, inputs, answers):
    expected = ReferenceEvaluator(path, new_ops=[Gather]).run(None, inputs)
    for ours, theirs in zip(answers, expected):
        expect(ours.shape == theirs.shape, f"{name}: shape of the answer")
        expect(np.allclose(ours, theirs, rtol=1e-3, atol=1e-5),
               f"{name}: off the reference by {np.abs(ours - theirs).max():g}")


def check_model(name, kind, flops, directory):
    tool("make", directory, SCALE, name)
    path = os.path.join(directory, name, "1", "model.onnx")
    model = check_graph(path)
    with open(os.path.join(directory, name, "config.pbtxt"), encoding="utf-8") as file:
        check_config(file.read(), name, model)
    classifier = kind == "classifier"
    inputs = draw_inputs(model, 2 if classifier else 5, np.random.default_rng(1))
    answers = engine_answers(path, model, inputs, directory)
    check_answers(name, answers[0], classifier)
    if classifier:
        with open(os.path.join(directory, name, "labels.txt"), encoding="utf-8") as file:
            expect(len(file.readlines()) == answers[0].shape[1], f"{name}: labels")
    # A row's answer does not depend on its neighbours.
    last = {key: value[-1:] for key, value in inputs.items()}
    alone = engine_answers(path, model, last, directory)
    expect(np.allclose(alone[0][0], answers[0][-1], rtol=1e-3, atol=1e-5), f"{name}: rows mix")
    compared = flops <= REFERENCE_FLOPS_MAX or name in REFERENCE_ALSO
    if compared:
        check_reference(name, path, *((last, alone) if classifier else (inputs, answers)))
    print(f"{name}: checked{', as the reference' if compared else ''}", flush=True)


def main():
    models = [line.split() for line in tool("list").splitlines()]
    wanted = set(sys.argv[1:])
    for name, kind, flops in models:
        if wanted and name not in wanted:
            continue
        with tempfile.TemporaryDirectory(prefix="roost-zoo-") as directory:
            check_model(name, kind, float(flops), directory)


if __name__ == "__main__":
    main()
