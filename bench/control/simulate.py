# SPDX-License-Identifier: Apache-2.0
"""The same mixes, arrivals and policies in the simulator, with costs learnt from the server."""
import json
import os
import subprocess

from common import BINARY, WORK
from mixes import MIXES
import arrivals
import learn
import limits

POLICIES = ("static", "faircim", "roost")
SIM_KNOBS = {"weight", "cores", "quota", "workers", "class", "slice", "ways", "bandwidth",
             "batch", "variant", "shed"}
TURN = "4 ms"  # between ticks of a kernel of 250 Hz
TICK = "250 ms"  # the server's default
BETWEEN_S = 0.3  # from the end of a load to the next one: roost load drains, ends and starts


def variant_text(name, costs, hand_off_ns):
    fields = [f"name: {name}", f"mflops: {costs['mflops']}",
              f"flops: {costs['flops']:.0f}", f"memory: {costs['memory']}",
              f"start: {costs['start_ns'] / 1e6:.3f} ms"]
    if costs["accuracy"] is not None:
        fields.append(f"accuracy: {costs['accuracy']}")
    points = ", ".join(f"[{rows:.3f}, {(ns + hand_off_ns) / 1e3:.3f} us]"
                       for rows, ns in costs["points"])
    return "{" + ", ".join(fields + [f"points: [{points}]"]) + "}"


def tenant_text(tenant, learnt, when):
    costs = learnt["tenants"][tenant.name]
    variants = ", ".join(variant_text(name, costs[name], learnt["hand_off_ns"])
                         for name in tenant.ladder)
    rows = "1"
    if tenant.batch != "1":
        mu, sigma = tenant.batch.removeprefix("lognormal(").rstrip(")").split(",")
        rows = f"{{mu: {mu}, sigma: {sigma}, min: 1, max: 64}}"
    return (f"  - {{name: {tenant.name}, slo: {tenant.slo}, workers: 2, rows: {rows},\n"
            f"     arrivals: {when(tenant)},\n     variants: [{variants}]}}\n")


def thread_text(request_ns, wake_ns=0):
    """Half of what a request costs a thread is taken on its way in, half on its way out."""
    half = f"{request_ns / 2e3:.2f} us"
    return (f"{{request: {half}, answer: {half}, wake: {wake_ns / 2e3:.2f} us, "
            f"cooling: {learn.COOLING_NS / 1e6} ms}}")


def scenario(mix, learnt, warm_s, seconds, when):
    """`when` says a tenant's arrivals, in YAML."""
    knobs = ", ".join(knob for knob in learnt["knobs"] if knob in SIM_KNOBS)
    network = learnt["network"]
    noise = ", ".join(f"{factor:.3f}" for factor in learnt["noise"])
    return (f"duration: {warm_s + seconds} s\nwarmup: {warm_s} s\ntick: {TICK}\n"
            f"node: {{cores: {learnt['cores']}, standby: all, turn: {TURN}, knobs: [{knobs}],\n"
            f"  noise: [{noise}], noise_time: {learn.NOISE_S} s}}\n"
            f"network: {thread_text(network['warm_ns'], network['wake_ns'])}\n"
            f"generator: {thread_text(learnt['generator_ns'])}\n"
            "tenants:\n" + "".join(tenant_text(tenant, learnt, when) for tenant in mix))


def run(text, policies):
    """policy -> the simulator's report"""
    path = os.path.join(WORK, "control-scenario.yaml")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    done = subprocess.run([BINARY, "sim", path, "--policy", ",".join(policies), "--json"],
                          stdout=subprocess.PIPE, text=True, check=True)
    return {report["policy"]: report for report in json.loads(done.stdout)}


def row(mix_name, learnt, scale, paths):
    """load -> the simulated twins of its cells, for every policy that is compared. A twin lives
    through the loads before it, as the server did; `paths` are the traces of each load."""
    cell_s = scale.warm_s + scale.measured_s
    twins = {}
    for number, load in enumerate(scale.loads):
        begin_s = number * (cell_s + BETWEEN_S)
        joined = arrivals.join(os.path.join(WORK, "control-traces", f"{mix_name}-row"),
                               [paths[earlier] for earlier in scale.loads[:number + 1]],
                               cell_s + BETWEEN_S)
        twins[load] = run(scenario(MIXES[mix_name], learnt, begin_s + scale.warm_s,
                                   scale.measured_s, lambda tenant, joined=joined:
                                   f"{{process: trace, file: {joined[tenant.name]}}}"), POLICIES)
    return twins


def capacity(search, learnt):
    """As limits.py measures it."""
    def carries(paths):
        text = scenario(search.tenants, learnt, limits.WARM_S, search.step_s,
                        lambda tenant: f"{{process: trace, file: {paths[tenant.name]}}}")
        tenants = run(text, ("static",))["static"]["tenants"]
        return all(tenant["attainment"] * 100 >= tenant["slo_percentile"] for tenant in tenants)

    return search.highest(carries)
