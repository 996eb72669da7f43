# SPDX-License-Identifier: Apache-2.0
"""Items per second through HTTP against the raw engine loop."""
from bodies import model_bodies
from common import (Roost, drive, explicit, figure, infer_path, median, optimised, raw_loop, say,
                    spread, zoo_make)
import common

LOOP_CORE, NET_CORE = 1, 0
SECONDS = 2


def throughput(model, batch, inputs, bound):
    """One worker pinned to a core, network and load on the other; the loop on the worker's."""
    zoo_make(model)
    tenant = f'{{name: {model}, batching: "off", workers: 1, cpus: "{LOOP_CORE}"}}'
    with Roost(config=explicit(tenant), zoo=True, core=NET_CORE) as roost, \
            model_bodies(roost, model, batch, inputs) as bodies, optimised(roost) as copy:
        ratios = []
        for _ in range(common.rounds):
            loop = raw_loop(copy, batch, SECONDS, bodies, LOOP_CORE,
                            ["--optimised"])["items_per_s"]
            ours = batch * drive(roost, infer_path(model), bodies, SECONDS, connections=4,
                                 core=NET_CORE)["per_s"]
            ratios.append(ours / loop)
            say(f"  {model}: {ours:.1f} items/s through HTTP, {loop:.1f} in the loop, "
                f"ratio {ratios[-1]:.3f}")
    say(f"items {model}: {spread(ratios)} of the raw loop")
    figure(f"items_{model}_batch{batch}", median(ratios), bound, least=True)


def items():
    """items/s through HTTP against the raw loop"""
    throughput("resnet_v2_50", 1, 16, 0.95)
    throughput("wnd", 64, 64, 0.90)
