# SPDX-License-Identifier: Apache-2.0
"""Grants take effect on hosts: in control groups, in resctrl, on threads; wholly or not at all."""
import ctypes
import os
import platform
import re
import shutil
import signal
import struct
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../scenario"))
from load import Load, assert_conserved  # noqa: E402
from roost_server import Server, UnixConnection, fake_model, wait_for  # noqa: E402

MODELS = {"a": fake_model("service_us 200 20"), "b": fake_model("service_us 20000 2000"),
          "c": fake_model("service_us 300 30")}
CONFIG = """
server: {{tick: {tick}, policy: {policy}}}
defaults: {{deadline: 30 s, workers: 1}}
tenants:
  - name: a
    slo: p95 5 s
    share: {a}
    variants: [{{model: a, accuracy: 0.9}}, {{model: c, accuracy: 0.8}}]
  - {{name: b, slo: p95 10 s, share: {b}}}
"""
SCHED_GETATTR = {"x86_64": 315, "aarch64": 275}.get(platform.machine())
SCHED_OTHER, SCHED_IDLE = 0, 5
SCHED_BATCH = 3


def config(policy="static", a=3, b=1, tick="20 ms"):
    return CONFIG.format(policy=policy, a=a, b=b, tick=tick)


def control(server, path, body=None):
    connection = UnixConnection(server.control)
    try:
        answer = server.call("GET" if body is None else "POST", path, body, connection=connection)
    finally:
        connection.close()
    assert answer.status == 200, answer
    return answer.json()


def set_policy(server, name, options=""):
    control(server, "/v2/roost/policy", f'{{"policy": "{name}", "options": "{options}"}}')


def manager(server):
    return server.status()["manager"]


def grant(server, tenant):
    return server.lanes(tenant)[0]["grant"]


def host(server, tenant):
    """The one host of a tenant, None while it has none; hosts that stand by are others."""
    lane = server.lanes(tenant)[0]
    return next((one["pid"] for one in lane["hosts"]
                 if one["state"] == "ready" and one["variant"] == lane["variant"]), None)


def read(path):
    try:
        with open(path, encoding="ascii") as file:
            return file.read(1 << 16).strip()
    except OSError:
        return None


def schedule(tid):
    """(policy, nice, slice in ns) of a thread."""
    attributes = ctypes.create_string_buffer(56)
    if ctypes.CDLL(None, use_errno=True).syscall(SCHED_GETATTR, tid, attributes, 56, 0) != 0:
        return None
    _, policy, _, nice, _, runtime_ns = struct.unpack_from("IIQiIQ", attributes)
    return policy, nice, runtime_ns


def threads(pid):
    try:
        return [int(name) for name in os.listdir(f"/proc/{pid}/task")]
    except OSError:
        return []


def schedules(pid):
    return {schedule(tid) for tid in threads(pid)} - {None}


class Tree:
    """with Tree() as tree: the files of a machine with version 2 of control groups and resctrl, in
    plain files; a kernel's part in them is Roost's own."""

    def __init__(self, closids=4, ways="ff"):
        self.root = tempfile.mkdtemp(prefix="roost-tree-")
        self.group = os.path.join(self.root, "sys/fs/cgroup/service")
        self.home = os.path.join(self.group, "supervisor")
        self.resctrl = os.path.join(self.root, "sys/fs/resctrl")
        self.write("proc/self/mountinfo", "30 25 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw")
        self.write("proc/self/cgroup", "0::/service/supervisor")
        for directory, processes in ((self.group, ""), (self.home, "1")):
            for name, text in (("controllers", "cpu"), ("subtree_control", ""),
                               ("type", "domain"), ("procs", processes)):
                self.write(f"{directory}/cgroup.{name}", text)
        self.write("sys/fs/resctrl/schemata", f"L3:0={ways}\nMB:0=100")
        for name, text in (("L3/cbm_mask", ways), ("L3/min_cbm_bits", "1"),
                           ("L3/num_closids", str(closids)), ("MB/min_bandwidth", "10"),
                           ("MB/bandwidth_gran", "10"), ("MB/num_closids", str(closids))):
            self.write(f"sys/fs/resctrl/info/{name}", text)

    def write(self, name, text):
        path = os.path.join(self.root, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="ascii") as file:
            file.write(text + "\n")

    def arguments(self):
        return ["--knob-root", self.root]

    def owners(self, directory=None):
        return sorted(name for name in os.listdir(directory or self.group) if "roost-" in name)

    def setting(self, pid, name):
        """A setting of a process's group; None: it has none."""
        for owner in self.owners():
            value = read(os.path.join(self.group, owner, str(pid), name))
            if value is not None:
                return value
        return None

    def path(self, pid, name):
        return os.path.join(self.group, self.owners()[0], str(pid), name)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.root, ignore_errors=True)


class OnATree(unittest.TestCase):
    def weights(self, server, tree):
        return [tree.setting(host(server, name), "cpu.weight") for name in "ab"]

    def wait_weights(self, server, tree, *weights):
        wait_for(f"weights {weights}", lambda: self.weights(server, tree) == list(weights))

    def test_weights_and_caps(self):
        with Tree() as tree, Server(MODELS, config(), tree.arguments()) as server:
            self.wait_weights(server, tree, "150", "50")
            self.assertEqual([grant(server, name)["weight"] for name in "ab"], [150, 50])
            self.assertEqual(server.metrics()["roost_grant_weight", "a"], 150)
            server.write_config(config(a=1))
            server.signal(signal.SIGHUP)
            self.wait_weights(server, tree, "100", "100")
            set_policy(server, "static", "mode=exclusive")
            wait_for("exclusive grants", lambda: grant(server, "b")["mode"] == "exclusive")
            for name in "ab":
                slots = grant(server, name)["slots"]
                cap = "max" if slots % 10 == 0 else str(slots * 1000)
                self.assertEqual(tree.setting(host(server, name), "cpu.max"), f"{cap} 10000")
            pids = {str(host(server, name)) for name in "ab"}
            set_policy(server, "none")
            self.assertLessEqual(pids, set(read(tree.home + "/cgroup.procs").split()))
            self.assertEqual([tree.setting(pid, "cpu.weight") for pid in pids], [None, None])
            server.stop()
            self.assertEqual(tree.owners(), [])

    def test_turned_off(self):
        with Tree() as tree, Server(MODELS, config(), [*tree.arguments(), "--no-knobs"]) as server:
            wait_for("decisions", lambda: manager(server)["decisions"] > 3)
            self.assertEqual(tree.owners(), [])
            self.assertFalse({"weight", "slice", "ways"} & set(manager(server)["knobs"]))
            self.assertEqual(grant(server, "a")["weight"], 100)

    def test_undone_wholly(self):
        """The second tenant's weight cannot be written: the first one's is as it was, and so is
        what the policy sees; once it can, both follow."""
        slowly = "500 ms"  # so that it is mended long before the knobs are given up
        with Tree() as tree, \
                Server(MODELS, config(tick=slowly), tree.arguments()) as server:
            broken = self.break_weight(server, tree, config(b=3, tick=slowly))
            wait_for("plans that fail", lambda: manager(server)["apply_failures"] > 2)
            self.assertEqual(tree.setting(host(server, "a"), "cpu.weight"), "150")
            self.assertEqual([grant(server, name)["weight"] for name in "ab"], [150, 50])
            self.assertIn("cpu.weight", manager(server)["last_fault"])
            self.assertGreater(server.metrics()["roost_policy_apply_failures", None], 2)
            self.assertEqual(len(re.findall("policy.apply", server.log())), 1)
            self.assertEqual(server.infer("b").status, 200)
            os.unlink(broken)
            with open(broken, "w", encoding="ascii") as file:
                file.write("50\n")
            self.wait_weights(server, tree, "100", "100")

    def break_weight(self, server, tree, then):
        self.wait_weights(server, tree, "150", "50")
        broken = tree.path(host(server, "b"), "cpu.weight")
        os.unlink(broken)
        os.symlink("/dev/full", broken)
        server.write_config(then)
        server.signal(signal.SIGHUP)
        return broken

    def test_given_up(self):
        """A knob that stays broken does not keep the policy from everything else."""
        with Tree() as tree, Server(MODELS, config(), tree.arguments()) as server:
            pids = [host(server, name) for name in "ab"]
            self.break_weight(server, tree, config(b=3))
            server.wait_log("knob.given_up")
            wait_for("groups to go", lambda: [tree.setting(pid, "cpu.weight")
                                              for pid in pids] == [None, None])
            self.assertFalse({"weight", "quota", "slice"} & set(manager(server)["knobs"]))
            set_policy(server, "static", "mode=exclusive")
            if server.status()["cores"] > 1:
                wait_for("exclusive grants", lambda: grant(server, "b")["mode"] == "exclusive")
            report = manager(server)
            self.assertEqual((report["deciding"], report["faults"]), ("static", 0), report)

    def test_a_host_is_replaced(self):
        with Tree() as tree, Server(MODELS, config(), tree.arguments()) as server:
            self.wait_weights(server, tree, "150", "50")
            with Load(server, {"a": 2, "b": 1}) as load:
                old = host(server, "a")
                os.kill(old, signal.SIGKILL)
                wait_for("another host", lambda: old not in server.hosts("a"))
                self.wait_weights(server, tree, "150", "50")
                load.progress("a", 10)
                self.assertIsNone(tree.setting(old, "cpu.weight"))
            load.assert_all_good()
            assert_conserved(server, load, ["a", "b"])

    def test_the_supervisor_is_killed(self):
        """Groups of control groups and resctrl are removed by the next start, with the same
        control socket and cache; what belongs to others stays."""
        with Tree() as tree, Server(MODELS, config("parties"), tree.arguments()) as server:
            others = os.path.join(tree.group, "others")
            os.mkdir(others)
            wait_for("groups", lambda: tree.owners() and tree.owners(tree.resctrl))
            left = tree.owners() + tree.owners(tree.resctrl)
            server.process.kill()
            server.process.wait()
            self.assertEqual(tree.owners() + tree.owners(tree.resctrl), left)
            server.start()
            self.assertFalse(set(left) & set(tree.owners() + tree.owners(tree.resctrl)))
            self.assertTrue(os.path.isdir(others))

    def masks(self, tree):
        texts = [read(os.path.join(tree.resctrl, owner, "schemata")) or ""
                 for owner in tree.owners(tree.resctrl)]
        return [int(text.partition("L3:0=")[2].split()[0], 16) for text in texts if "L3" in text]

    def test_ways(self):
        with Tree() as tree, Server(MODELS, config("parties"), tree.arguments()) as server:
            masks = wait_for("ways of two tenants", lambda: (lambda found: len(found) == 2 and
                                                             found)(self.masks(tree)))
            self.assertEqual(masks[0] & masks[1], 0, masks)
            self.assertEqual(sorted(bin(mask).count("1") for mask in masks),
                             sorted(grant(server, name)["ways"] for name in "ab"))
            set_policy(server, "none")
            self.assertEqual(tree.owners(tree.resctrl), [])
            self.assertEqual(read(tree.resctrl + "/schemata").splitlines()[0], "L3:0=ff")

    def test_too_few_ways_and_classes(self):
        """More tenants than classes of service, and than ways: nobody gets any, and the policies
        go on with the rest."""
        for closids, ways in ((2, "ff"), (4, "1")):
            with self.subTest(closids=closids), Tree(closids, ways) as tree, \
                    Server(MODELS, config("static"), tree.arguments()) as server:
                for name in ("parties", "clite", "hera", "roost"):
                    set_policy(server, name)
                    goal = manager(server)["decisions"] + 5
                    wait_for("decisions", lambda g=goal: manager(server)["decisions"] > g)
                    report = manager(server)
                    self.assertEqual((report["deciding"], report["faults"],
                                      report["apply_failures"]), (name, 0, 0), report)
                    self.assertLessEqual(len(tree.owners(tree.resctrl)), closids - 1)


def groups_of(pid):
    return read(f"/proc/{pid}/cgroup") or ""


@unittest.skipIf(SCHED_GETATTR is None, "the system call's number is not known here")
class OnThisMachine(unittest.TestCase):
    """Threads are the kernel's; control groups where they may be written."""

    def need(self, server, *knobs):
        missing = set(knobs) - set(manager(server)["knobs"])
        if missing:
            self.skipTest(f"no {missing} here: {manager(server)['node_knobs']}")

    def grouped(self, server, pid):
        weights = "weight" in manager(server)["knobs"]
        return not weights or f"/roost-{server.process.pid}-" in groups_of(pid)

    def wait_slice(self, server, tenant):
        """Every thread that serves, of every host of the tenant, has the slice that status tells;
        the one that only listens to the supervisor lets others go first."""
        def held():
            slice_ns = grant(server, tenant)["slice_ns"]
            return slice_ns > 0 and all(
                {(policy, runtime) for policy, _, runtime in schedules(pid)
                 if policy != SCHED_BATCH} == {(SCHED_OTHER, slice_ns)} and
                self.grouped(server, pid) for pid in server.hosts(tenant))
        wait_for(f"slices of {tenant}", held)

    def test_the_small_one_gets_short_turns(self):
        with Server(MODELS, config("roost")) as server:
            self.need(server, "slice")
            with Load(server, {"a": 1, "b": 1}) as load:
                self.wait_slice(server, "a")
                self.assertEqual(grant(server, "b")["slice_ns"], 0)
                old = host(server, "a")
                os.kill(old, signal.SIGKILL)
                wait_for("another host", lambda: old not in server.hosts("a"))
                self.wait_slice(server, "a")
                load.progress("a", 20)
                # A switch starts another host or lets one take over: it has the grant, too.
                control(server, "/v2/roost/tenants/a/switch", '{"variant": "c"}')
                wait_for("the switch", lambda: server.lanes("a")[0]["variant"] == "c")
                self.wait_slice(server, "a")
                load.progress("a", 20)
            load.assert_all_good()
            assert_conserved(server, load, ["a", "b"])
            report = manager(server)
            self.assertEqual((report["faults"], report["apply_failures"]), (0, 0), report)
            pids = server.hosts()
            set_policy(server, "none")
            for pid in pids:
                self.assertEqual({runtime for _, _, runtime in schedules(pid)} & {100000}, set())
                self.assertNotIn(f"/roost-{server.process.pid}-", groups_of(pid))

    def test_a_loader_is_beside_all_grants(self):
        """It starts idle, or nice where it could not be lifted again, and outside of the groups,
        in which its class would be no help to the others; when it serves it is like all."""
        models = {**MODELS, "c": fake_model("load_ms 600000")}
        with Server(models, config()) as server:
            self.need(server, "weight")
            wait_for("groups", lambda: self.grouped(server, host(server, "a")))
            def loader():
                hosts = [one for one in server.lanes("a")[0]["hosts"] if one["state"] == "loading"]
                names = {read(f"/proc/{hosts[0]['pid']}/task/{tid}/comm"): tid
                         for tid in threads(hosts[0]["pid"])} if hosts else {}
                return names.get("loader") and (hosts[0]["pid"], names["loader"])
            control(server, "/v2/roost/tenants/a/switch", '{"variant": "c"}')
            pid, tid = wait_for("a loader", loader)
            wait_for("its class", lambda: schedule(tid)[0] == SCHED_IDLE or schedule(tid)[1] > 0)
            wait_for("a small share", lambda: schedule(tid)[:2] == (SCHED_BATCH, 10))
            self.assertNotIn(f"/roost-{server.process.pid}-", groups_of(pid))

    def test_the_supervisor_is_killed(self):
        with Server(MODELS, config()) as server:
            self.need(server, "weight")
            old = server.process.pid
            wait_for("groups", lambda: self.grouped(server, host(server, "a")))
            pids = server.hosts()
            where = sorted(set(re.findall(r":([\w,]*):(/\S*/roost-\d+-\d+)/", "".join(
                groups_of(pid) for pid in pids)) + re.findall(
                    r":([\w,]*):(/roost-\d+-\d+)/", "".join(groups_of(pid) for pid in pids))))
            self.assertTrue(where)
            server.process.kill()
            server.process.wait()
            wait_for("the end of the hosts", lambda: not any(threads(pid) for pid in pids))
            server.start()
            for controllers, group in where:
                for mount in ("/sys/fs/cgroup", f"/sys/fs/cgroup/{controllers}"):
                    self.assertFalse(os.path.exists(mount + group), mount + group)
            wait_for("groups", lambda: self.grouped(server, host(server, "a")))
            self.assertNotEqual(old, server.process.pid)


if __name__ == "__main__":
    unittest.main(verbosity=2)
