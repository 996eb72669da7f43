#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""docs/METRICS.md has every metric and no other, with its type and labels, and docs/MODELS.md every
statement of the fake engine, with an example that answers what the page says."""
import glob
import json
import os
import re
import sys
import unittest

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
sys.path.insert(0, os.path.join(ROOT, "tests/scenario"))
from roost_server import Server, wait_for  # noqa: E402

NAME = r"(?:roost|nv)_[a-z0-9_]+"
WITH_SUFFIX = re.compile(r"_(bucket|sum|count)$")


def read(name):
    with open(os.path.join(ROOT, name), encoding="utf-8") as file:
        return file.read()


def fences(text, language):
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.M | re.S)


def tables(text):
    """The cells of every row of every table, as texts without backticks."""
    for line in text.splitlines():
        if line.startswith("| `"):
            yield [cell.strip().replace("`", "") for cell in line.strip("|").split("|")]


def metrics_of_page():
    """name -> (type, set of labels)"""
    return {cells[0]: (cells[1], set(filter(None, cells[2].split(", "))))
            for cells in tables(read("docs/METRICS.md"))}


def metrics_of_source():
    names = []
    for path in glob.glob("src/**/*.c", root_dir=ROOT, recursive=True):
        text = read(path)
        if "prom_family(" in text and not path.endswith("_test.c"):
            names += re.findall(f'"({NAME})"', text)
    return names


def metrics_of_server(text):
    """name -> (type, set of labels of its samples, or None without samples)"""
    found = {name: (kind, None) for name, kind in re.findall(r"^# TYPE (\S+) (\S+)$", text, re.M)}
    for sample, labels in re.findall(r"^(\w+)(?:\{(.*)\})? \S+$", text, re.M):
        name = sample if sample in found else WITH_SUFFIX.sub("", sample)
        keys = set(re.findall(r'(\w+)="', labels)) - {"le"}
        found[name] = (found[name][0], keys)
    return found


class Metrics(unittest.TestCase):
    def test_names(self):
        page, source = metrics_of_page(), metrics_of_source()
        self.assertGreater(len(source), 50)
        self.assertEqual(len(source), len(set(source)), "a name stands twice in the source")
        self.assertEqual(len(page), len(list(tables(read("docs/METRICS.md")))), "a row too many")
        self.assertEqual(sorted(page), sorted(source))

    def test_queries(self):
        text = read("docs/METRICS.md")
        page = set(metrics_of_page())
        queries = fences(text, "promql") + fences(text, "yaml")
        self.assertGreater(len(queries), 3)
        for name in re.findall(rf"\b{NAME}\b", "".join(queries)):
            self.assertIn(name if name in page else WITH_SUFFIX.sub("", name), page)

    def test_types_and_labels(self):
        models = {name: "input x FP32 -1 4\noutput y FP32 -1 4\n" for name in ("small", "large")}
        config = "tenants: [{name: t, variants: [{model: large}, {model: small}]}]"
        with Server(models, config, ["--policy", "static"]) as server:
            def told():
                return metrics_of_server(server.get("/metrics").body.decode())
            # Tenants have grants from the first tick on.
            found = wait_for("what tenants hold", lambda: all(
                labels is not None for _, labels in told().values()) and told())
            page = metrics_of_page()
            for name, (kind, labels) in found.items():
                with self.subTest(name=name):
                    self.assertEqual((kind, labels), page[name])
            for name in set(page) - set(found):
                self.assertTrue(name.startswith("roost_grant_"), f"{name} is not exported")


class FakeEngine(unittest.TestCase):
    def setUp(self):
        self.section = read("docs/MODELS.md").partition("\n## The fake engine\n")[2]

    def test_statements(self):
        source = re.findall(r'^    \{"(\w+)", "[^"]*", ', read("src/engine/fake_program.c"), re.M)
        self.assertGreater(len(source), 10)
        page = [cells[0].split()[0] for cells in tables(self.section)]
        self.assertEqual(sorted(page), sorted(source))

    def test_example(self):
        model, config = fences(self.section, "fake")[0], fences(self.section, "yaml")[0]
        body = re.search(r"-d '(.*)'", self.section).group(1)
        answer = re.search(r"^\{.*\}$", self.section, re.M).group(0)
        with Server({"ranker": model}, config) as server:
            for name in ("ranker", "slow_ranker"):
                told = server.post(f"/v2/models/{name}/infer", json.loads(body))
                self.assertEqual(told.body.decode(), answer.replace('"ranker"', f'"{name}"'))


if __name__ == "__main__":
    unittest.main(verbosity=2)
