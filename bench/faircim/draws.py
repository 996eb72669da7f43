# SPDX-License-Identifier: Apache-2.0
"""The frozen settings, and the hash that shows that nobody touched them."""
import hashlib
import json
import os
import sys

DRAWS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "draws.json")


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()


def write_draws(path, progress):
    """One setting a line, so that a change is seen for what it is."""
    proposals = {n: mine["next"] for n, mine in progress["sets"].items()}
    head = json.dumps({"seed": progress["seed"], "proposals": proposals}, sort_keys=True)
    lines = [json.dumps(s, sort_keys=True, separators=(",", ":"))
             for _, mine in sorted(progress["sets"].items()) for s in mine["kept"]]
    text = head[:-1] + ', "draws": [\n' + ",\n".join(lines) + "\n]}\n"
    with open(path, "w") as file:
        file.write(text)
    with open(path + ".sha256", "w") as file:
        file.write(digest(text) + "\n")


def read_draws(path):
    with open(path) as file:
        text = file.read()
    with open(path + ".sha256") as file:
        if digest(text) != file.read().strip():
            sys.exit(f"{path}: not what was frozen")
    return json.loads(text)["draws"]
