# SPDX-License-Identifier: Apache-2.0
"""Files of models that are wrong in every way: only that tenant is unavailable, and says why."""
import os
import random
import re
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../scenario"))
import onnx_models  # noqa: E402
from roost_server import Server, fake_model, row_sums, wait_for  # noqa: E402

MIB = 1 << 20
GOOD = onnx_models.identity("FP32", ("batch", 4))
IO = ('input [{ name: "x" data_type: TYPE_FP32 dims: [ 4 ] }]\n'
      'output [{ name: "y" data_type: TYPE_FP32 dims: [ 4 ] }]\n')


def onnx(config="", model=GOOD):
    files = {"1/model.onnx": model}
    if config:
        files["config.pbtxt"] = config
    return files


def random_bytes(seed, count):
    return random.Random(seed).randbytes(count)


def flipped(seed):
    """The good model with some bits changed."""
    generator = random.Random(seed)
    data = bytearray(GOOD)
    for _ in range(4):
        data[generator.randrange(len(data))] ^= 1 << generator.randrange(8)
    return bytes(data)


# model -> a part of the reason
BROKEN = {
    "empty": (onnx(model=b""), ""),
    "text": (onnx(model=b"this is not a graph\n" * 50), ""),
    "truncated": (onnx(model=GOOD[:len(GOOD) // 2]), ""),
    "random": (onnx(model=random_bytes(1, 4096)), ""),
    "large_random": (onnx(model=random_bytes(2, 1 << 20)), ""),
    "no_file": ({"config.pbtxt": IO}, "there is no"),
    "wrong_name": (onnx('name: "another"'), "another"),
    "wrong_type": (onnx("max_batch_size: 8\n" + IO.replace("TYPE_FP32", "TYPE_INT32", 1)), "x"),
    "wrong_dims": (onnx("max_batch_size: 8\n" + IO.replace("[ 4 ]", "[ 5 ]", 1)), "x"),
    "wrong_input": (onnx("max_batch_size: 8\n" + IO.replace('"x"', '"nobody"')), "nobody"),
    "wrong_output": (onnx("max_batch_size: 8\n" + IO.replace('"y"', '"nobody"')), "nobody"),
    "no_batch": (onnx("max_batch_size: 8", onnx_models.identity("FP32", (4,))), ""),
    "syntax": (onnx("max_batch_size: {"), "config.pbtxt"),
    "unknown_field": (onnx("max_batch_seize: 8"), "max_batch_seize"),
    "ensemble": (onnx('platform: "ensemble"\nensemble_scheduling { step [{ model_name: "a" }] }'),
                 "ensemble"),
    "sequence": (onnx("sequence_batching { }"), "sequence"),
    "python": (onnx('backend: "python"'), "python"),
    "no_version": (onnx("version_policy: { specific { versions: [ 7 ] } }"), "7"),
    "no_labels": (onnx("max_batch_size: 8\n" + IO[:-4]
                       + ' label_filename: "none.txt" }]\n'), "none.txt"),
    "binary_config": (onnx(random_bytes(3, 500).decode("latin-1")), "config.pbtxt"),
    "fails": (fake_model("fail_load this one never loads"), "this one never loads"),
    "bad_fake": (fake_model("serve_us 3"), "serve_us"),
    "too_large": (fake_model("memory_mb 4000000"), "no memory"),
}


class BrokenModels(unittest.TestCase):
    def test_each_says_why(self):
        models = {name: model for name, (model, _) in BROKEN.items()}
        models["good"] = onnx("max_batch_size: 8")
        models["fine"] = fake_model("service_us 100 10")
        with Server(models, ready=False) as server:
            entries = wait_for("every model to settle", lambda: self.settled(server))
            states = {one["name"]: (one["state"], one["reason"]) for one in entries}
            self.assertEqual(states["good"][0], "READY")
            self.assertEqual(states["fine"][0], "READY")
            self.assertEqual(server.infer("good").json()["outputs"][0]["data"], [1, 2, 3, 4])
            self.assertEqual(row_sums(server.infer("fine")), [10])
            self.assertEqual(server.get("/v2/health/ready").status, 503)
            self.assertEqual(server.get("/v2/health/live").status, 200)
            log = server.log()
            for name, (_, part) in BROKEN.items():
                with self.subTest(model=name):
                    state, reason = states[name]
                    self.assertEqual(state, "UNAVAILABLE")
                    self.assertNotEqual(reason, "")
                    self.assertIn(part, reason)
                    for path in ("ready", "infer"):
                        method = "POST" if path == "infer" else "GET"
                        answer = server.call(method, f"/v2/models/{name}/{path}", b"{}")
                        self.assertEqual(answer.status, 503, answer)
                        self.assertIn(part, answer.error)
                    self.assertIn(f"tenant={name} ", log)

    def settled(self, server):
        server.alive()
        entries = server.post("/v2/repository/index").json()
        done = len(entries) == len(BROKEN) + 2 and all(
            one.get("state") in ("READY", "UNAVAILABLE") for one in entries)
        return entries if done else None

    def test_random_damage(self):
        """Whatever a damaged graph does to the engine, the server and the others live on."""
        models = {f"damaged{seed}": onnx(model=flipped(seed)) for seed in range(30)}
        models["good"] = onnx("max_batch_size: 8")
        with Server(models, ready=False) as server:
            def settled():
                server.alive()
                entries = server.post("/v2/repository/index").json()
                return len(entries) == len(models) and all(
                    one.get("state") in ("READY", "UNAVAILABLE") for one in entries)
            wait_for("every model to settle", settled)
            for name in models:
                answer = server.infer(name)
                self.assertIn(answer.status, (200, 400, 500, 503), (name, answer))
            self.assertEqual(server.infer("good").json()["outputs"][0]["data"], [1, 2, 3, 4])

    def test_too_large_for_what_is_left(self):
        """Refused before it is loaded, with the sum; a smaller one still finds room."""
        models = {"small": fake_model("memory_mb 1")}
        with Server(models) as server:
            limit_mib = int(server.wait_log(r"memory_mib=(\d+)")[0])
            given_mib = server.memory_bytes() // MIB + 256  # the server's own counts as well
        models["large"] = fake_model()
        server = Server(models, arguments=["--memory-reserve", f"{limit_mib - given_mib} MiB"],
                        ready=False)
        os.truncate(os.path.join(server.repository, "large/1/model.fake"), given_mib * MIB)
        with server:
            entries = wait_for("both to settle", lambda: self.both_settled(server))
            self.assertEqual(entries["small"]["state"], "READY")
            self.assertEqual(entries["large"]["state"], "UNAVAILABLE")
            reason = re.search(r"needs about (\d+) MiB and (\d+) MiB of (\d+) MiB are left",
                               entries["large"]["reason"])
            self.assertIsNotNone(reason, entries)
            needed, left, limit = map(int, reason.groups())
            self.assertEqual((needed, limit), (given_mib + 48, limit_mib))
            self.assertLess(left, given_mib)
            self.assertEqual(row_sums(server.infer("small")), [10])
            self.assertEqual(server.infer("large").status, 503)

    def both_settled(self, server):
        server.alive()
        entries = {one["name"]: one for one in server.post("/v2/repository/index").json()}
        states = [one.get("state") for one in entries.values()]
        return entries if sorted(states, key=str) == ["READY", "UNAVAILABLE"] else None

    def test_failing_runs(self):
        """Runs that fail are answered with 500 and counted; those in between are good."""
        with Server({"m": fake_model("fail_every 4", "service_us 100 10")}) as server:
            statuses = [server.infer("m").status for _ in range(40)]
            failed = statuses.count(500)
            self.assertIn(failed, range(10, 15), statuses)
            self.assertEqual(statuses.count(200), 40 - failed)
            metrics = server.metrics()
            self.assertEqual(metrics["nv_inference_request_failure", "m"], failed)
            self.assertEqual(metrics["nv_inference_request_success", "m"], 40 - failed)
            self.assertEqual(metrics["roost_host_deaths", "m"], 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
