# SPDX-License-Identifier: Apache-2.0
"""How well the search for the highest load repeats itself."""
import json
import os
import subprocess

from common import BINARY, ROOT, WORK, Roost, figure, median, raw_loop, say
import common

MODELS = os.path.join(ROOT, "build/demo/models")
# As scripts/demo makes them.
DEMO = (("1", "ncf"), ("0.01", "wnd"), ("0.25", "dlrm_rmc1"),
        ("1", "mobilenet_v2_100", "resnet_v2_50"))
LOOP_MODEL = os.path.join(MODELS, "resnet_v2_50/1/model.onnx")


class Demo(Roost):
    """What `make demo` serves."""

    def __init__(self):
        super().__init__(arguments=["--model-repository", MODELS])
        self.config_path = os.path.join(ROOT, "demo/roost.yaml")


def demo_models():
    for scale, *models in DEMO:
        subprocess.run([BINARY, "zoo", "make", "--directory", MODELS, "--scale",
                        scale, *models], check=True, stdout=subprocess.DEVNULL)


def find_max(server):
    """The highest multiplier of the demo's load at which every promise is kept."""
    path = os.path.join(WORK, "find-max.json")
    subprocess.run([BINARY, "load", "--url", f"http://127.0.0.1:{server.port}",
                    "--file", os.path.join(ROOT, "demo/load.yaml"), "--find-max", "--no-live",
                    "--json", path], check=True, stdout=subprocess.DEVNULL)
    with open(path, encoding="utf-8") as file:
        return json.load(file)["find_max"]["multiplier"]


def capacity():
    """spread of --find-max on the demo's tenants, normalised to a raw loop in between"""
    demo_models()
    with Demo() as server:
        multipliers, loops = [], [raw_loop(LOOP_MODEL, 1, 2, arguments=["--optimise"])]
        for _ in range(common.rounds):
            multipliers.append(find_max(server))
            loops.append(raw_loop(LOOP_MODEL, 1, 2, arguments=["--optimise"]))
            say(f"  {multipliers[-1]:.3g} times the demo's load; the raw loop makes "
                f"{loops[-1]['items_per_s']:.1f} items/s")
    speeds = [(a["items_per_s"] + b["items_per_s"]) / 2 for a, b in zip(loops, loops[1:])]
    normal = [multiplier / speed for multiplier, speed in zip(multipliers, speeds)]
    figure("find_max_spread", (max(normal) - min(normal)) / median(normal), 0.10)
