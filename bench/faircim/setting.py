# SPDX-License-Identifier: Apache-2.0
"""One setting: what the paper does not give (arrivals, batch sizes, the node's speed), as numbers,
as a scenario, and run."""
import json
import os
import subprocess
import tempfile

from tables import ACCURACY, GFLOPS, JOBS, MFLOPS, ROOT, ladder_of

CORES = 56
FIT_SECONDS, EVALUATE_SECONDS = 240, 600
FIT_OPTIONS = ["--set", "faircim.upgrade=false"]


def variant_text(name, setting, drawn):
    speedup = 1 / (1 - setting["parallel"] + setting["parallel"] / CORES)
    if name in GFLOPS:
        per_row_s = GFLOPS[name] / (setting["speed_gflops"] * drawn["efficiency"]) * speedup
        facts = f"accuracy: {ACCURACY[name]:.4g}, mflops: {MFLOPS[name]:g}, " \
                f"flops: {GFLOPS[name] * 1e9:.4g}, "
    else:
        # Neither cost nor accuracy is known, and there is nothing to switch to.
        per_row_s = drawn["solo_s"] * speedup
        facts = "accuracy: 1, "
    return f"{{name: {name}, {facts}per_row: {max(1, round(per_row_s * 1e9))} ns, " \
           f"parallel: {setting['parallel']}, start: 2 s}}"


def scenario_text(setting, seconds, stall=False, sla5_ms=None, title=None, fixed=None):
    """`fixed`: (variant, share) by job, which then hold from the start."""
    number = setting["set"]
    lines = [f"name: {title or f'FairCIM set {number}, one drawn setting'}",
             f"duration: {seconds} s", "tick: 1 s", "window: 60 s", "window_min: 5 s",
             f"node: {{cores: {CORES}, knobs: [weight, cores, quota, variant], "
             f"switch: {'stall' if stall else 'overlap'}, standby: {'none' if stall else 'all'}}}",
             "tenants:"]
    for i, (job, drawn) in enumerate(zip(JOBS[number], setting["jobs"])):
        sla_ms = sla5_ms if sla5_ms is not None and i == 4 else job["sla_ms"]
        lines += [f"  - name: {i + 1}-{job['dnn']}",
                  f"    slo: p95 {sla_ms} ms",
                  "    deadline: 60 s", "    shed: never", "    queue_max: 100000",
                  f"    threads: {CORES}", "    workers: 1", "    batching: off",
                  f"    rows: {drawn['rows']}", f"    batch_max: {drawn['rows']}",
                  "    variation: lognormal", "    variation_cv: 0.1",
                  f"    arrivals: {{process: constant, rate: {drawn['per_s']}}}"]
        ladder = ladder_of(job["dnn"])
        if fixed is not None:
            variant, share = fixed[i]
            ladder = [ladder[variant]]
            lines.append(f"    share: {share}")
        lines.append("    variants:")
        lines += [f"      - {variant_text(name, setting, drawn)}" for name in ladder]
    return "\n".join(lines) + "\n"


def binary():
    build = os.environ.get("ROOST_BUILD", os.path.join(ROOT, "build", "release"))
    return os.path.join(build, "src", "cli", "roost")


def simulate(text, policies, seed, options=()):
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(text)
        file.flush()
        run = subprocess.run([binary(), "sim", file.name, "--policy", ",".join(policies), "--seed",
                              str(seed), "--json", *options], capture_output=True, check=False)
    if run.returncode != 0:
        raise RuntimeError(run.stderr.decode())
    return json.loads(run.stdout)


def downgrades(setting, seconds=FIT_SECONDS, sla5_ms=None):
    """By job, of faircim as the paper has it: never back up."""
    result = simulate(scenario_text(setting, seconds, sla5_ms=sla5_ms), ["faircim"],
                      setting["seed"], FIT_OPTIONS)[0]
    return [t["switches"] for t in result["tenants"]]
