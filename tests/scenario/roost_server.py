# SPDX-License-Identifier: Apache-2.0
"""The real server for tests: started on a free port in a directory of its own, watched, stopped.

Nothing here asserts on times. Waiting is polling with a bound that only a server that hangs
reaches, and the end of every test checks that no process of the server is left.
"""
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

BUILD = os.environ.get("ROOST_BUILD", "")
BINARY = os.path.join(BUILD, "src/cli/roost")
SOAK = os.environ.get("ROOST_SOAK") == "1"
PATIENCE_S = 60
SANITIZER = re.compile(r"ERROR: \w*Sanitizer|runtime error:|WARNING: ThreadSanitizer|assert")


def wait_for(what, condition, patience_s=PATIENCE_S):
    """Polls until the condition gives something true, and returns that."""
    end = time.monotonic() + patience_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"gave up waiting for {what}")
        time.sleep(0.02)


def process_table():
    """pid -> parent's pid, of everything that is not a zombie."""
    table = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as file:
                fields = file.read().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[0] != "Z":
            table[int(name)] = int(fields[1])
    return table


def descendants(root):
    table = process_table()
    found, fresh = [], [root]
    while fresh:
        fresh = [pid for pid, parent in table.items() if parent in fresh]
        found += fresh
    return found


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=PATIENCE_S)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Answer:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    def json(self):
        return json.loads(self.body)

    @property
    def error(self):
        return self.json()["error"]

    def __repr__(self):
        return f"{self.status} {self.body[:500]!r}"


def fake_model(*lines, inputs="x FP32 -1 4", outputs="y FP32 -1 4"):
    """The text of a model of the fake engine; its answers are sums of rows."""
    return "\n".join([f"input {inputs}", f"output {outputs}", *lines, ""])


class Server:
    """with Server({"name": text or {"1/model.fake": text, "config.pbtxt": text}}) as server: ..."""

    def __init__(self, models=None, config="", arguments=(), ready=True, environment=None):
        self.directory = tempfile.mkdtemp(prefix="roost-test-")
        self.repository = os.path.join(self.directory, "repository")
        self.config_path = os.path.join(self.directory, "roost.yaml")
        self.log_path = os.path.join(self.directory, "log")
        self.control = os.path.join(self.directory, "control")
        os.mkdir(self.repository)
        for name, model in (models or {}).items():
            self.write_model(name, model)
        self.write_config(config)
        self.arguments = list(arguments)
        self.environment = dict(environment or os.environ)
        # Freed memory that AddressSanitizer keeps would look like a server that does not give back.
        options = self.environment.get("ASAN_OPTIONS", "")
        self.environment["ASAN_OPTIONS"] = options + ":quarantine_size_mb=8"
        self.expect_ready = ready
        self.process = None
        self.port = None

    # ---- files ---------------------------------------------------------------------------

    def write(self, path, content):
        """Writes a file of the repository in one step, so that a poll never sees half of it."""
        path = os.path.join(self.repository, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        mode = "wb" if isinstance(content, bytes) else "w"
        with open(path + ".new~", mode) as file:
            file.write(content)
        os.rename(path + ".new~", path)

    def write_model(self, name, model):
        files = model if isinstance(model, dict) else {"1/model.fake": model}
        for path, content in files.items():
            self.write(os.path.join(name, path), content)

    def write_config(self, text):
        with open(self.config_path + "~", "w", encoding="utf-8") as file:
            file.write(text)
        os.rename(self.config_path + "~", self.config_path)

    # ---- life ----------------------------------------------------------------------------

    def command(self):
        return [BINARY, "serve", "--config", self.config_path, "--model-repository",
                self.repository, "--host", "127.0.0.1", "--http-port", "0", "--control",
                self.control, "--cache", os.path.join(self.directory, "cache"), *self.arguments]

    def start(self):
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(self.command(), stdout=log, stderr=log,
                                            stdin=subprocess.DEVNULL, env=self.environment)
        match = wait_for("the server's port", self.listening)
        self.port = int(match.group(1))
        if self.expect_ready:
            self.wait_ready()
        return self

    def listening(self):
        match = re.search(r"server\.listen http=(\d+)", self.log())
        if match is None and self.process.poll() is not None:
            raise AssertionError(f"the server ended with {self.process.returncode}:\n{self.log()}")
        return match

    def alive(self):
        if self.process.poll() is not None:
            raise AssertionError(f"the server ended with {self.process.returncode}")

    def wait_ready(self):
        def ready():
            self.alive()
            return self.get("/v2/health/ready").status == 200
        wait_for("readiness", ready)

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def wait_log(self, pattern, count=1):
        def found():
            self.alive()
            matches = re.findall(pattern, self.log())
            return matches if len(matches) >= count else None
        return wait_for(f"{pattern!r} in the log", found)

    def signal(self, number):
        self.process.send_signal(number)

    def stop(self, expect=0):
        """SIGTERM, exit code, no process left, nothing of a sanitizer in the log."""
        family = descendants(self.process.pid)
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            raise AssertionError("the server does not end after SIGTERM") from None
        wait_for(f"the end of the processes {family}",
                 lambda: not set(family) & set(process_table()))
        assert code == expect, f"exit code {code}, expected {expect}"
        bad = SANITIZER.search(self.log())
        assert bad is None, f"the log has {bad.group(0)!r}"

    def clean(self):
        if self.process is not None and self.process.poll() is None:
            for pid in [self.process.pid, *descendants(self.process.pid)]:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            self.process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.tell_log()
            self.clean()
            raise

    def __exit__(self, kind, value, trace):
        try:
            if kind is None and self.process is not None:
                self.stop()
        except BaseException:
            self.tell_log()
            raise
        finally:
            if kind is not None:
                self.tell_log()
            self.clean()

    def tell_log(self):
        try:
            lines = self.log().splitlines()
        except OSError:
            return
        print("---- the server's log", *lines[:10], *(["..."] if len(lines) > 80 else []),
              *lines[10:][-70:], sep="\n", file=sys.stderr)

    # ---- talking to it -------------------------------------------------------------------

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)

    def call(self, method, path, body=None, headers=None, connection=None):
        own = connection is None
        connection = connection or self.connect()
        try:
            connection.request(method, path, body=body, headers=headers or {})
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            if own:
                connection.close()

    def get(self, path):
        return self.call("GET", path)

    def post(self, path, value=None, headers=None):
        body = value if isinstance(value, (bytes, type(None))) else json.dumps(value)
        return self.call("POST", path, body, headers)

    def infer(self, model, rows=((1, 2, 3, 4),), **more):
        return self.post(f"/v2/models/{model}/infer", request_json(rows, **more))

    def socket(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S)

    def status(self):
        connection = UnixConnection(self.control)
        try:
            answer = self.call("GET", "/v2/roost/status", connection=connection)
        finally:
            connection.close()
        assert answer.status == 200, answer
        return answer.json()

    def lanes(self, tenant):
        return [lane for lane in self.status()["lanes"] if lane["tenant"] == tenant]

    def hosts(self, tenant=None):
        """Process ids of the hosts that serve."""
        return [host["pid"] for lane in self.status()["lanes"] for host in lane["hosts"]
                if tenant in (None, lane["tenant"]) and host["state"] == "ready" and host["pid"]]

    def metrics(self):
        """(name, model) -> value; models with several versions or labels are summed."""
        values = {}
        for line in self.get("/metrics").body.decode().splitlines():
            match = re.match(r'(\w+)(?:\{(.*)\})? (\S+)$', line)
            if match is None:
                continue
            model = re.search(r'model="([^"]*)"', match.group(2) or "")
            key = (match.group(1), model.group(1) if model else None)
            values[key] = values.get(key, 0) + float(match.group(3))
        return values

    def memory_bytes(self):
        """Resident memory of the supervisor."""
        with open(f"/proc/{self.process.pid}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def request_json(rows, name="x", datatype="FP32", **more):
    shape = [len(rows), len(rows[0])]
    return {"inputs": [{"name": name, "shape": shape, "datatype": datatype,
                        "data": [value for row in rows for value in row]}], **more}


def row_sums(answer):
    """The first element of every row of a fake model's answer."""
    output = answer.json()["outputs"][0]
    width = output["shape"][1] if len(output["shape"]) > 1 else 1
    return output["data"][::width]
