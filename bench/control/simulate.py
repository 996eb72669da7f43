# SPDX-License-Identifier: Apache-2.0
"""The same mixes, arrivals and policies in the simulator, with costs learnt from the server."""
import json
import os
import subprocess

from common import BINARY, WORK
from mixes import MIXES

POLICIES = ("static", "faircim", "roost")
SIM_KNOBS = {"weight", "cores", "quota", "workers", "class", "ways", "bandwidth", "batch",
             "variant", "shed"}
TICK = "250 ms"  # the server's default
SEARCH_S = 20  # simulated at each load of the search for the highest one


def variant_text(name, costs, hand_off_ns):
    fields = [f"name: {name}", f"mflops: {costs['mflops']}",
              f"flops: {costs['flops']:.0f}", f"memory: {costs['memory']}",
              f"start: {costs['start_ns'] / 1e6:.3f} ms"]
    if costs["accuracy"] is not None:
        fields.append(f"accuracy: {costs['accuracy']}")
    points = ", ".join(f"[{rows:.3f}, {(ns + hand_off_ns) / 1e3:.3f} us]"
                       for rows, ns in costs["points"])
    return "{" + ", ".join(fields + [f"points: [{points}]"]) + "}"


def tenant_text(tenant, learnt, arrivals):
    costs = learnt["tenants"][tenant.name]
    variants = ", ".join(variant_text(name, costs[name], learnt["hand_off_ns"])
                         for name in tenant.ladder)
    rows = "1"
    if tenant.batch != "1":
        mu, sigma = tenant.batch.removeprefix("lognormal(").rstrip(")").split(",")
        rows = f"{{mu: {mu}, sigma: {sigma}, min: 1, max: 64}}"
    return (f"  - {{name: {tenant.name}, slo: {tenant.slo}, workers: 2, rows: {rows},\n"
            f"     arrivals: {arrivals(tenant)},\n     variants: [{variants}]}}\n")


def scenario(mix, learnt, warm_s, seconds, arrivals):
    """`arrivals` says a tenant's, in YAML. Half of what a request costs the network thread and the
    generator is taken on its way in, half on its way out."""
    knobs = ", ".join(knob for knob in learnt["knobs"] if knob in SIM_KNOBS)
    half = {side: f"{learnt[side + '_ns'] / 2e3:.2f} us" for side in ("network", "generator")}
    return (f"duration: {warm_s + seconds} s\nwarmup: {warm_s} s\ntick: {TICK}\n"
            f"node: {{cores: {learnt['cores']}, standby: cheapest, knobs: [{knobs}]}}\n"
            f"network: {{request: {half['network']}, answer: {half['network']}}}\n"
            f"generator: {{request: {half['generator']}, answer: {half['generator']}}}\n"
            "tenants:\n" + "".join(tenant_text(tenant, learnt, arrivals) for tenant in mix))


def run(text, policies):
    """policy -> the simulator's report"""
    path = os.path.join(WORK, "control-scenario.yaml")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    done = subprocess.run([BINARY, "sim", path, "--policy", ",".join(policies), "--json"],
                          stdout=subprocess.PIPE, text=True, check=True)
    return {report["policy"]: report for report in json.loads(done.stdout)}


def cell(mix_name, learnt, scale, paths):
    """The simulated twin of a cell, for every policy that is compared."""
    return run(scenario(MIXES[mix_name], learnt, scale.warm_s, scale.measured_s,
                        lambda tenant: f"{{process: trace, file: {paths[tenant.name]}}}"),
               POLICIES)


def holds(mix, learnt, rate):
    text = scenario(mix, learnt, 1, SEARCH_S,
                    lambda tenant: f"{{rate: {rate * tenant.rate:.4f}}}")
    tenants = run(text, ("static",))["static"]["tenants"]
    return all(tenant["attainment"] * 100 >= tenant["slo_percentile"] for tenant in tenants)


def capacity(mix, learnt, guess):
    """As limits.py measures it, by halving."""
    low, high = guess / 4, guess * 4
    while high / low > 1.02:
        middle = (low * high) ** 0.5
        low, high = (middle, high) if holds(mix, learnt, middle) else (low, middle)
    return low
