# SPDX-License-Identifier: Apache-2.0
"""Requests with binary tensors, made from what a model says of its inputs."""
import array
import json
import os
import random
import re
import tempfile

WIDTH = {"FP32": 4, "INT64": 8}


class Bodies:
    """Distinct requests of equal length in a file, and their tensors alone in another one, which is
    what the raw engine loop takes."""

    def __init__(self, header, tensors):
        self.count = len(tensors)
        self.header_length = len(header)
        handle, self.path = tempfile.mkstemp(prefix="bodies-")
        with os.fdopen(handle, "wb") as file:
            for tensor in tensors:
                file.write(header + tensor)
        handle, self.tensor_path = tempfile.mkstemp(prefix="tensors-")
        with os.fdopen(handle, "wb") as file:
            file.write(b"".join(tensors))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.unlink(self.path)
        os.unlink(self.tensor_path)


def header_of(inputs):
    """inputs: (name, datatype, shape, bytes)"""
    text = json.dumps({
        "inputs": [{"name": name, "datatype": datatype, "shape": shape,
                    "parameters": {"binary_data_size": size}}
                   for name, datatype, shape, size in inputs],
        "parameters": {"binary_data_output": True}}, separators=(",", ":"))
    return text.encode()


def plain_bodies(name, elements, rows=1):
    """One request with a tensor of floats, for the fake engine."""
    data = array.array("f", [0.5] * rows * elements).tobytes()
    return Bodies(header_of([(name, "FP32", [rows, elements], len(data))]), [data])


def model_bodies(server, model, rows, count):
    """`count` requests of a served model with random inputs within the ranges that it declares."""
    metadata = server.get(f"/v2/models/{model}").json()
    config = json.dumps(server.get(f"/v2/models/{model}/config").json())
    generator = random.Random(1)
    inputs, makers = [], []
    for tensor in metadata["inputs"]:
        shape = [rows if size < 0 else size for size in tensor["shape"]]
        elements = 1
        for size in shape:
            elements *= size
        inputs.append((tensor["name"], tensor["datatype"], shape,
                       elements * WIDTH[tensor["datatype"]]))
        makers.append((tensor["datatype"], elements, index_range(config, tensor["name"])))
    tensors = [b"".join(random_tensor(generator, *maker) for maker in makers)
               for _ in range(count)]
    return Bodies(header_of(inputs), tensors)


def index_range(config, name):
    match = re.search(rf'"roost\.input\.{name}\.range": {{"string_value": "\d+:(\d+)"}}', config)
    return int(match.group(1)) if match else 1


def random_tensor(generator, datatype, elements, limit):
    if datatype == "INT64":
        return array.array("q", (generator.randrange(limit) for _ in range(elements))).tobytes()
    # A random number for each of a megabyte would take seconds: turns of a block are distinct too.
    block = array.array("f", (generator.uniform(-1, 1) for _ in range(min(elements, 4099))))
    turn = generator.randrange(len(block))
    block = block[turn:] + block[:turn]
    return (block * (elements // len(block) + 1))[:elements].tobytes()
