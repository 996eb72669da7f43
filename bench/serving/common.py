# SPDX-License-Identifier: Apache-2.0
"""What every figure of this folder uses: the servers, the driver, medians, the figure lines."""
import contextlib
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "../.."))
BUILD = os.environ["ROOST_BUILD"]
TOOLS = os.path.join(BUILD, "tools")
WORK = os.path.join(ROOT, "build/bench")
ZOO = os.path.join(WORK, "models")
os.makedirs(WORK, exist_ok=True)
tempfile.tempdir = WORK
sys.path.insert(0, os.path.join(ROOT, "tests/scenario"))
import roost_server  # noqa: E402
from roost_server import BINARY  # noqa: E402

rounds = 5  # alternations; main.py's --rounds


# ---- telling --------------------------------------------------------------------------------

def median(values):
    return statistics.median(values)


def spread(values):
    """Median and extremes, for people."""
    return f"{median(values):.4g} [{min(values):.4g} .. {max(values):.4g}]"


def say(text):
    print(text, flush=True)


def figure(name, value, bound, unit="", least=False):
    good = value >= bound if least else value <= bound
    say(f"figure {name} {value:.4g}{unit} {'>=' if least else '<='}{bound:g}{unit} "
        f"{'ok' if good else 'short'}")


# ---- processes ------------------------------------------------------------------------------

def cpu_ns(pids):
    """CPU time of processes with all their threads, by the kernel's own clock of each."""
    return sum(time.clock_gettime_ns((~pid << 3) | 2) for pid in pids)


def family(pid):
    return [pid, *roost_server.descendants(pid)]


def memory_kib(pid, file="smaps_rollup"):
    """The lines of /proc/PID/smaps_rollup or status that are sizes."""
    with open(f"/proc/{pid}/{file}", encoding="ascii", errors="replace") as lines:
        return {key: int(value) for key, value in
                re.findall(r"^(\w+):\s+(\d+) kB$", lines.read(), re.MULTILINE)}


def pss_kib(pids):
    return sum(memory_kib(pid)["Pss"] for pid in pids)


class Roost(roost_server.Server):
    """The server under test. `models` are texts of fake models; `zoo` takes those of the zoo;
    `core` is where the supervisor runs."""

    def __init__(self, models=None, config="", zoo=False, core=None, arguments=()):
        arguments = [*arguments, *(["--model-repository", ZOO] if zoo else [])]
        self.core = core
        super().__init__(models, config, ["--log-level", "info", *arguments])

    def command(self):
        return pinned(self.core, super().command())

    def pids(self):
        return family(self.process.pid)


class Echo:
    """with Echo() as echo: the bare echo with a second thread, on the same HTTP code."""

    def __init__(self, core=None):
        self.core = core

    def __enter__(self):
        self.process = subprocess.Popen(
            pinned(self.core, [os.path.join(TOOLS, "roost_bench_http_echo"), "--port", "0"]),
            stdout=subprocess.PIPE, text=True)
        match = re.search(r"(\d+)\s*$", self.process.stdout.readline())
        self.port = int(match.group(1))
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.communicate()

    def pids(self):
        return [self.process.pid]


def pinned(core, command):
    return command if core is None else ["taskset", "-c", str(core), *command]


# ---- driving --------------------------------------------------------------------------------

def drive(server, path, bodies, seconds, connections=1, rate=0, core=None, warm=0.3, samples=None):
    """Closed loop, or open with a rate. `bodies` is a Bodies. The driver's report."""
    command = [os.path.join(TOOLS, "roost_bench_http_drive"), "--port", str(server.port),
               "--path", path, "--body", bodies.path, "--bodies", str(bodies.count),
               "--header-length", str(bodies.header_length), "--connections", str(connections),
               "--rate", str(rate), "--duration", f"{seconds}s", "--warm", f"{warm}s"]
    command += ["--samples", samples] if samples else []
    done = subprocess.run(pinned(core, command), stdout=subprocess.PIPE, text=True, check=False)
    report = json.loads(done.stdout)
    if report["failed"]:
        raise RuntimeError(f"{report['failed']} of {report['requests']} requests failed: {path}")
    return report


def drive_cpu_us(server, path, bodies, seconds, **how):
    """CPU per request of all the server's processes, and the driver's report."""
    pids = server.pids()
    before = cpu_ns(pids)
    report = drive(server, path, bodies, seconds, **how)
    return (cpu_ns(pids) - before) / report["requests"] / 1e3, report


def raw_loop(model, batch, seconds, inputs=None, core=None, arguments=()):
    """One thread and the engine, nothing of Roost around it. The loop's key=value pairs."""
    command = [os.path.join(TOOLS, "roost_bench_engine_loop"), model, "--batch", str(batch),
               "--seconds", str(seconds), *arguments]
    if inputs is not None:
        command += ["--inputs", str(inputs.count), "--input-file", inputs.tensor_path]
    if core is not None:
        command += ["--cpu", str(core)]
    text = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    return {key: float(value) for key, value in re.findall(r"(\w+)=([\d.]+)", text)}


# ---- models ---------------------------------------------------------------------------------

def zoo_make(*models, scale=0.01):
    subprocess.run([BINARY, "zoo", "make", "--directory", ZOO, "--scale", str(scale),
                    *models], check=True, stdout=subprocess.DEVNULL)


def zoo_path(model):
    return os.path.join(ZOO, model, "1/model.onnx")


@contextlib.contextmanager
def optimised(server):
    """Path of the only optimised copy that the server's cache holds."""
    cache = os.path.join(server.directory, "cache")
    paths = [os.path.join(cache, key, "model.onnx") for key in os.listdir(cache)]
    paths = [path for path in paths if os.path.exists(path)]
    assert len(paths) == 1, paths
    yield paths[0]


def explicit(*tenants, **defaults):
    """A roost.yaml of these tenants of the zoo: names, or maps in YAML's flow style."""
    lines = ["server: {control_mode: explicit}"]
    if defaults:
        lines.append("defaults: {" + ", ".join(f"{k}: {v}" for k, v in defaults.items()) + "}")
    lines.append("tenants: [" + ", ".join(
        tenant if tenant.startswith("{") else f"{{name: {tenant}}}" for tenant in tenants) + "]")
    return "\n".join(lines)


def infer_path(model):
    return f"/v2/models/{model}/infer"


def infer_ns(server, model):
    """(number, nanoseconds) of successful requests inside the engine."""
    stats = server.get(f"/v2/models/{model}/stats").json()["model_stats"][0]["inference_stats"]
    return stats["compute_infer"]["count"], stats["compute_infer"]["ns"]
