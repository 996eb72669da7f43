# SPDX-License-Identifier: Apache-2.0
"""The server of a mix under a policy, and runs of load against it."""
import json
import os
import subprocess
import threading
import time

from common import BINARY, WORK, Roost, cpu_ns
from roost_server import UnixConnection, wait_for
import mixes

CACHE = os.path.join(WORK, "control-cache")  # so that a model is optimised once, not per server
# More than the server's queues hold: what it cannot take must not hold up the generator.
CONNECTIONS = 4096


class Served(Roost):
    """with Served(mix, policy) as server: ...; the policy "cheapest" is nobody's, with the last
    variant of every ladder by hand."""

    def __init__(self, mix, policy, arguments=()):
        super().__init__(config=mixes.config(mix), zoo=True, arguments=arguments)
        self.mix, self.policy = mix, policy
        os.makedirs(CACHE, exist_ok=True)
        os.symlink(CACHE, os.path.join(self.directory, "cache"))

    def variants(self):
        """tenant -> (variant that serves, variant that is wanted)"""
        return {lane["tenant"]: (lane["variant"], lane["wanted"])
                for lane in self.status()["lanes"]}

    def __enter__(self):
        """Every variant has served before a policy comes, so that all stand by: a server of some
        age, not one whose first minute is an overload."""
        server = super().__enter__()
        if self.policy == "none":
            return server
        for rung in (*range(max(len(tenant.ladder) for tenant in self.mix)), 0):
            self.switch_all(rung)
        if self.policy == "cheapest":
            self.switch_all(-1)
        else:
            self.manage("policy", policy=self.policy)
        return server

    def manage(self, path, **value):
        """A POST to the control socket."""
        connection = UnixConnection(self.control)
        answer = self.call("POST", "/v2/roost/" + path, json.dumps(value), connection=connection)
        connection.close()
        assert answer.status in (200, 202), answer

    def switch(self, tenant, variant):
        """As `roost switch` does it, without a process of its own. Returns when it serves."""
        self.manage(f"tenants/{tenant}/switch", variant=variant)
        wait_for(f"the switch of {tenant} to {variant}",
                 lambda: self.variants()[tenant] == (variant, variant))

    def switch_all(self, rung):
        """To a rung of every ladder; to the last one where there are fewer."""
        for tenant in self.mix:
            self.switch(tenant.name, tenant.ladder[min(rung, len(tenant.ladder) - 1)])

    def run_load(self, paths, warm_s, seconds):
        """Replays the traces. roost load's report, with what the server counted meanwhile."""
        watch = Watch(self)
        others = Others(self)
        report = load_report(self, load_file(self.mix, paths), [
            "--warmup", f"{warm_s}s", "--duration", f"{seconds}s"])
        report["other_cores"] = others.cores()
        report["server"] = watch.end(seconds)
        return report


class Others:
    """CPU that neither the server nor the generator nor this program takes."""

    def __init__(self, server):
        self.server = server
        self.begun = self.look()

    def look(self):
        with open("/proc/stat", encoding="ascii") as file:
            user, nice, system, _, _, irq, softirq, steal = map(int, file.readline().split()[1:9])
        busy_s = (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")
        own_s = cpu_ns(self.server.pids()) / 1e9 + sum(os.times()[:4])
        return time.monotonic(), busy_s - own_s

    def cores(self):
        at_s, other_s = (b - a for a, b in zip(self.begun, self.look()))
        return max(0, other_s / at_s)


class Watch:
    """Samples of the server's counters, twice a second, since nobody tells when a warm-up ends."""

    def __init__(self, server):
        self.server, self.samples = server, []
        self.ending = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.ending.wait(0.5):
            self.samples.append(counters(self.server))

    def end(self, seconds):
        """What the counters gained in the last `seconds`."""
        self.ending.set()
        self.thread.join()
        last = counters(self.server)
        first = min(self.samples, key=lambda sample: abs(last["at_s"] - seconds - sample["at_s"]))
        gained = {key: last[key] - first[key] for key in last if key not in ("at_s", "switches")}
        gained["seconds"] = last["at_s"] - first["at_s"]
        gained["switches"] = {tenant: count - first["switches"][tenant]
                              for tenant, count in last["switches"].items()}
        gained["variants"] = self.server.variants()
        return gained


def counters(server):
    metrics = server.metrics()
    tenants = [tenant.name for tenant in server.mix]
    return {
        "at_s": time.monotonic(),
        "switches": {name: metrics["roost_switches", name] for name in tenants},
        "requests": sum(metrics["nv_inference_request_success", name] for name in tenants),
        "refused": sum(metrics["roost_refused", name] for name in tenants),
        "runs_cpu_s": sum(metrics["roost_cpu_seconds", name] for name in tenants),
        "supervisor_cpu_s": cpu_ns([server.process.pid]) / 1e9,
        "manager_cpu_s": metrics["roost_manager_cpu_seconds", None],
        "decide_cpu_s": metrics["roost_policy_cpu_seconds", None],
        "moves": metrics["roost_policy_moves", None],
        "faults": metrics["roost_policy_faults", None],
    }


def load_file(mix, paths=None, rates=None):
    """roost load's file: traces, or rates for the mix's first guess."""
    path = os.path.join(WORK, "control-load.yaml")
    with open(path, "w", encoding="utf-8") as file:
        file.write("tenants:\n")
        for tenant in mix:
            when = f"arrivals: trace, trace: {paths[tenant.name]}" if paths else \
                f"rate: {rates[tenant.name]}"
            file.write(f"  - {{name: {tenant.name}, {when}, batch: \"{tenant.batch}\"}}\n")
    return path


def load_report(server, path, arguments):
    out = os.path.join(WORK, "control-load.json")
    done = subprocess.run(
        [BINARY, "load", "--url", f"http://127.0.0.1:{server.port}",
         "--file", path, "--no-live", "--connections", str(CONNECTIONS), "--distinct", "8",
         "--drain", "5s", "--json", out, *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode not in (0, 1, 3):  # 1: not one good answer; 3: the generator lagged
        raise RuntimeError(f"roost load ended with {done.returncode}: {done.stdout}")
    with open(out, encoding="utf-8") as file:
        return json.load(file)
