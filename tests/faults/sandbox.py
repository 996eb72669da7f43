# SPDX-License-Identifier: Apache-2.0
"""What hosts may do, as the kernel tells it: nothing but their work."""
import os
import re
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../scenario"))
import onnx_models  # noqa: E402
from roost_server import Server, descendants, fake_model  # noqa: E402

CAP_DAC_READ_SEARCH = 1 << 2
MODELS = {"real": {"1/model.onnx": onnx_models.identity("FP32", ("batch", 4))},
          "fake": fake_model("service_us 100 10")}


def status_of(pid):
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)


def links_of(pid):
    folder = f"/proc/{pid}/fd"
    links = []
    for number in os.listdir(folder):
        try:
            links.append(os.readlink(os.path.join(folder, number)))
        except OSError:
            pass  # closed meanwhile
    return links


def threads_of(pid):
    names = []
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/comm", encoding="ascii", errors="replace") as file:
            names.append(file.read().strip())
    return sorted(names)


def name_of(pid):
    with open(f"/proc/{pid}/comm", encoding="ascii", errors="replace") as file:
        return file.read().strip()


def helper_threads(pid):
    """ThreadSanitizer begins one at the start of a process and one after a fork."""
    with open(f"/proc/{pid}/maps", encoding="utf-8", errors="replace") as file:
        return 2 if "libtsan" in file.read() else 0


class Sandbox(unittest.TestCase):
    def test_hosts(self):
        with Server(MODELS, "defaults: {workers: 2}") as server:
            for tenant in MODELS:
                self.assertEqual(server.infer(tenant).status, 200)
                host = server.lanes(tenant)[0]["hosts"][0]
                report, pid = host["sandbox"], host["pid"]
                status = status_of(pid)
                self.assertTrue(report["no_new_privs"])
                self.assertEqual(status["NoNewPrivs"].strip(), "1")
                if report["seccomp"]:
                    self.assertEqual(status["Seccomp"].strip(), "2")
                if report["capabilities_dropped"]:
                    # Only to read model files of others, and landlock says which.
                    allowed = CAP_DAC_READ_SEARCH if report["landlock"] else 0
                    for kind in ("CapEff", "CapPrm"):
                        self.assertEqual(int(status[kind], 16) & ~allowed, 0)
                if report["network_namespace"]:
                    self.assertNotEqual(os.readlink(f"/proc/{pid}/ns/net"),
                                        os.readlink("/proc/self/ns/net"))
                missing = [name for name, value in report.items() if value is False]
                self.assertTrue(not missing or report["reason"], report)

    def test_no_telemetry(self):
        """No thread, file or socket but Roost's own in the spawner and the hosts."""
        with Server(MODELS) as server:
            for tenant in MODELS:
                self.assertEqual(server.infer(tenant).status, 200)
            hosts = set(server.hosts())
            for pid in descendants(server.process.pid):
                sockets = [link for link in links_of(pid) if link.startswith("socket:")]
                files = [link for link in links_of(pid) if link.startswith("/")
                         and not link.startswith(("/memfd:", "/dev/", server.directory))]
                self.assertEqual(files, [], pid)
                self.assertLessEqual(len(sockets), 1, (pid, links_of(pid)))
                threads = threads_of(pid)
                threads.remove(name_of(pid))
                allowed = 1 if pid in hosts else 0  # the worker
                self.assertLessEqual(len(threads), allowed + helper_threads(pid), threads)
            left = [name for name in os.listdir(server.directory)
                    if name not in ("repository", "roost.yaml", "log", "control", "cache")]
            self.assertEqual(left, [])

    def test_without(self):
        """--no-sandbox is obeyed, and told."""
        with Server(MODELS, arguments=["--no-sandbox"]) as server:
            host = server.lanes("real")[0]["hosts"][0]
            self.assertEqual(status_of(host["pid"])["Seccomp"].strip(), "0")
            self.assertFalse(host["sandbox"]["seccomp"])
            self.assertFalse(host["sandbox"]["landlock"])
            self.assertNotEqual(host["sandbox"]["reason"], "")
            self.assertEqual(len(re.findall(" sandbox=none\n", server.log())), len(MODELS))


if __name__ == "__main__":
    unittest.main(verbosity=2)
