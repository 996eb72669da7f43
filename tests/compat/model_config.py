# SPDX-License-Identifier: Apache-2.0
"""docs/MODELS.md has every field of Triton's ModelConfig, as the definitions in Triton's own client
have them. (docs_test holds that table against the reader's.)"""
import importlib.util
import os
import re
import unittest

import tritonclient

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")


def definitions():
    """The generated module alone: the package around it wants gRPC, which nothing here needs."""
    path = os.path.join(os.path.dirname(tritonclient.__file__), "grpc/model_config_pb2.py")
    spec = importlib.util.spec_from_file_location("model_config_pb2", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.DESCRIPTOR


def fields(message, prefix="", above=frozenset()):
    """Names as the table writes them: [] for lists, {} for maps."""
    for field in message.fields:
        name, inner = prefix + field.name, field.message_type
        if inner is not None and inner.GetOptions().map_entry:
            name, inner = name + "{}", inner.fields_by_name["value"].message_type
        elif field.is_repeated:
            name += "[]"
        yield name
        if inner is not None and inner.name not in above:
            yield from fields(inner, name + ".", above | {inner.name})


class ModelConfig(unittest.TestCase):
    def test_every_field_is_in_the_table(self):
        with open(os.path.join(ROOT, "docs/MODELS.md"), encoding="utf-8") as page:
            section = page.read().split("\n## Every field of config.pbtxt\n")[1].split("\n## ")[0]
        rows = re.findall(r'^\| `([^`"]+)` \| (\w+) \|', section, re.M)
        table = {name for name, _ in rows} - {"parameters{anything else}"}
        self.assertEqual(table, set(fields(definitions().message_types_by_name["ModelConfig"])))
        self.assertLessEqual({treatment for _, treatment in rows},
                             {"honoured", "ignored", "refused"})


if __name__ == "__main__":
    unittest.main(verbosity=2)
