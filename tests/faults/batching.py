# SPDX-License-Identifier: Apache-2.0
"""Requests that share a batch, are split over workers, wait for a parked host, or hurry."""
import os
import sys
import unittest
from concurrent.futures import ThreadPoolExecutor

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../scenario"))
from load import Load, assert_conserved, wait_for_idle  # noqa: E402
from roost_server import Server, fake_model, request_json, row_sums, wait_for  # noqa: E402


def queued(server, tenant):
    return server.metrics()["roost_queue_requests", tenant]


class Batching(unittest.TestCase):
    def test_joined_requests_get_their_own_answers(self):
        """Eight requests of different sizes make one batch of sixteen rows, on a held-up worker."""
        config = "tenants: [{name: m, batching: on, batch_max: 16, batch_delay: 50 s}]"
        sizes = [1, 2, 3, 1, 4, 2, 1, 2]
        with Server({"m": fake_model("service_us 1000 10")}, config,) as server, \
                ThreadPoolExecutor(8) as pool:
            calls = []
            for number, size in enumerate(sizes):
                rows = [(1000 * number + row, 0, 0, 0) for row in range(size)]
                calls.append((rows, pool.submit(server.infer, "m", rows)))
            for rows, call in calls:
                self.assertEqual(row_sums(call.result()), [row[0] for row in rows])
            metrics = server.metrics()
            self.assertEqual(metrics["nv_inference_exec_count", "m"], 1)
            self.assertEqual(metrics["nv_inference_count", "m"], 16)
            self.assertEqual(metrics["nv_inference_request_success", "m"], 8)

    def test_shapes_do_not_mix(self):
        """Rows of different length are never joined."""
        model = fake_model("service_us 3000 10", inputs="x FP32 -1 -1", outputs="y FP32 -1 1")
        with Server({"m": model}) as server, ThreadPoolExecutor(12) as pool:
            rows = [[number] * (1 + number % 5) for number in range(60)]
            calls = [pool.submit(server.infer, "m", [row]) for row in rows]
            self.assertEqual([call.result().json()["outputs"][0]["data"] for call in calls],
                             [[sum(row)] for row in rows])
            assert_idle = wait_for_idle(server, ["m"])
            self.assertEqual(assert_idle["nv_inference_request_success", "m"], 60)

    def test_text(self):
        """BYTES are joined and cut apart again."""
        model = fake_model("service_us 3000 10", inputs="x BYTES -1 1", outputs="y BYTES -1 1")
        with Server({"m": model}) as server, ThreadPoolExecutor(12) as pool:
            texts = ["a" * (1 + number) for number in range(50)]
            calls = [pool.submit(server.post, "/v2/models/m/infer", request_json(
                [[text]], datatype="BYTES")) for text in texts]
            self.assertEqual([call.result().json()["outputs"][0]["data"] for call in calls],
                             [[str(97 * len(text))] for text in texts])

    def test_learned_under_load(self):
        with Server({"m": fake_model("service_us 1000 20")}, "defaults: {workers: 2}") as server:
            with Load(server, {"m": 16}, most=40):
                pass
            load = Load(server, {"m": 16}, most=40)
            with load:
                pass
            load.assert_all_good()
            metrics = wait_for_idle(server, ["m"])
            self.assertEqual(metrics["nv_inference_count", "m"], 2 * 16 * 40)
            self.assertLess(metrics["nv_inference_exec_count", "m"], 2 * 16 * 40)

    def test_outputs_that_are_not_batched(self):
        """The fake's output has one row whatever comes: seen at the first joined batch, which is
        run again one by one."""
        model = fake_model("service_us 5000 10", inputs="x FP32 -1 4", outputs="y FP32 1 4")
        config = "tenants: [{name: m, batching: on}]"
        with Server({"m": {"1/model.fake": model, "config.pbtxt": "max_batch_size: 8"}}, config,
                    ready=False) as server:
            entries = wait_for("it to settle", lambda: [
                one for one in server.post("/v2/repository/index").json()
                if one.get("state") in ("READY", "UNAVAILABLE")])
            if entries[0]["state"] == "UNAVAILABLE":
                self.assertIn("y", entries[0]["reason"])
                return
            with ThreadPoolExecutor(8) as pool:
                calls = [pool.submit(server.infer, "m", [(n, 0, 0, 0)]) for n in range(24)]
                self.assertEqual([row_sums(call.result()) for call in calls],
                                 [[n] for n in range(24)])


class Split(unittest.TestCase):
    CONFIG = "tenants: [{name: m, split: true, batch_max: 4, workers: 2}]"

    def test_rows_come_back_in_order(self):
        with Server({"m": fake_model("service_us 500 100", "jitter 60 3")}, self.CONFIG) as server:
            for count in (1, 4, 5, 8, 33, 200):
                rows = [(row, 1, 1, 1) for row in range(count)]
                self.assertEqual(row_sums(server.infer("m", rows)),
                                 [row + 3 for row in range(count)])
            metrics = wait_for_idle(server, ["m"])
            self.assertEqual(metrics["nv_inference_request_success", "m"], 6)
            self.assertEqual(metrics["nv_inference_count", "m"], 1 + 4 + 5 + 8 + 33 + 200)

    def test_hosts_die_meanwhile(self):
        """Parts run again like other requests."""
        with Server({"m": fake_model("service_us 2000 100")}, self.CONFIG
                    + "\ndefaults: {deadline: 30 s}") as server, ThreadPoolExecutor(4) as pool:
            rows = [(row, 0, 0, 0) for row in range(120)]
            for _ in range(5):
                calls = [pool.submit(server.infer, "m", rows) for _ in range(4)]
                wait_for("parts in the queue", lambda: queued(server, "m") > 0)
                for pid in server.hosts("m"):
                    os.kill(pid, 9)
                for call in calls:
                    self.assertEqual(row_sums(call.result()), [row[0] for row in rows])
            metrics = wait_for_idle(server, ["m"])
            self.assertEqual(metrics["nv_inference_request_success", "m"], 20)

    def test_client_leaves(self):
        with Server({"m": fake_model("service_us 5000 100")}, self.CONFIG) as server:
            body = b'{"inputs":[{"name":"x","shape":[400,4],"datatype":"FP32","data":[%s]}]}' % (
                b",".join([b"1"] * 1600))
            for _ in range(5):
                one = server.socket()
                one.sendall(b"POST /v2/models/m/infer HTTP/1.1\r\nHost: x\r\nContent-Length: %d"
                            b"\r\n\r\n" % len(body) + body)
                wait_for("parts in the queue", lambda: queued(server, "m") > 0)
                one.close()
                wait_for_idle(server, ["m"])
            metrics = server.metrics()
            self.assertEqual(metrics["roost_abandoned", "m"], 5)
            self.assertEqual(row_sums(server.infer("m")), [10])

    def test_without_split(self):
        with Server({"m": {"1/model.fake": fake_model(), "config.pbtxt": "max_batch_size: 4"}}
                    ) as server:
            answer = server.infer("m", [(1, 2, 3, 4)] * 5)
            self.assertEqual(answer.status, 400)
            self.assertIn("inputs[0].shape", answer.error)


class Park(unittest.TestCase):
    def test_parked_and_woken(self):
        config = "tenants: [{name: m, park: true, park_after: 50 ms}, {name: n}]"
        with Server({"m": fake_model("service_us 500 10"), "n": fake_model()}, config) as server:
            for _ in range(4):
                wait_for("it to be parked", lambda: server.lanes("m")[0]["state"] == "parked")
                wait_for("its host to be gone", lambda: server.lanes("m")[0]["hosts"] == [])
                self.assertEqual(server.get("/v2/models/m/ready").status, 200)
                self.assertEqual(server.get("/v2/health/ready").status, 200)
                self.assertEqual(server.get("/v2/models/m").status, 200)
                with Load(server, {"m": 4}, most=20) as load:
                    pass
                load.assert_all_good()
            self.assertEqual(server.metrics()["roost_host_deaths", "m"], 0)
            self.assertEqual(len(server.hosts("n")), 1)


class Order(unittest.TestCase):
    def test_priority_and_deadline(self):
        """While a long run holds the worker, requests queue up; the important one overtakes."""
        model = {"1/model.fake": fake_model("service sleep", "service_us 60000 0"),
                 "config.pbtxt": "dynamic_batching { priority_levels: 3 default_priority_level: 2 }"
                                 "\nmax_batch_size: 1"}
        done = []
        with Server({"m": model}, "tenants: [{name: m, batching: off}]") as server, \
                ThreadPoolExecutor(8) as pool:
            def ask(name, priority):
                answer = server.infer("m", parameters={"priority": priority})
                done.append(name)
                return answer.status
            calls = [pool.submit(ask, f"early {n}", 3) for n in range(4)]
            wait_for("a queue", lambda: queued(server, "m") >= 2)
            calls.append(pool.submit(ask, "late", 1))
            self.assertEqual([call.result() for call in calls], [200] * 5)
            self.assertNotEqual(done[-1], "late")

    def test_timeout(self):
        """A time-out of the request's own ends its waiting with 504; the others are answered."""
        model = {"1/model.fake": fake_model("service sleep", "service_us 100000 0"),
                 "config.pbtxt": "dynamic_batching { default_queue_policy {"
                                 " allow_timeout_override: true } }\nmax_batch_size: 1"}
        with Server({"m": model}, "tenants: [{name: m, batching: off, shed: never}]") as server, \
                ThreadPoolExecutor(8) as pool:
            calls = [pool.submit(server.infer, "m") for _ in range(4)]
            wait_for("a queue", lambda: queued(server, "m") >= 2)
            late = server.infer("m", parameters={"timeout": 1000})
            self.assertEqual(late.status, 504, late)
            self.assertEqual({call.result().status for call in calls}, {200})
            metrics = wait_for_idle(server, ["m"])
            self.assertEqual(metrics["roost_expired", "m"], 1)

    def test_client_leaves(self):
        """A request whose client is gone is not run, and nothing of it is left."""
        model = fake_model("service sleep", "service_us 50000 0")
        with Server({"m": model}, "defaults: {batching: off}") as server:
            body = b'{"inputs":[{"name":"x","shape":[1,4],"datatype":"FP32","data":[1,2,3,4]}]}'
            sockets = [server.socket() for _ in range(10)]
            for one in sockets:
                one.sendall(b"POST /v2/models/m/infer HTTP/1.1\r\nHost: x\r\nContent-Length: %d"
                            b"\r\n\r\n" % len(body) + body)
            wait_for("a queue", lambda: queued(server, "m") >= 5)
            for one in sockets:
                one.close()
            metrics = wait_for_idle(server, ["m"])
            answered = metrics["nv_inference_request_success", "m"]
            self.assertEqual(answered + metrics["roost_abandoned", "m"], 10)
            self.assertGreaterEqual(metrics["roost_abandoned", "m"], 5)
            load = Load(server, {"m": 2}, most=2)
            with load:
                pass
            load.assert_all_good()
            load.counts["m"][200] += int(answered)
            assert_conserved(server, load, ["m"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
