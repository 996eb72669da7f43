# SPDX-License-Identifier: Apache-2.0
"""Ten times more than a tenant can do: memory bounded, refusals at once, all accounted for."""
import gzip
import os
import sys
import time
import unittest
from concurrent.futures import ThreadPoolExecutor

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../scenario"))
from load import Load, assert_conserved, wait_for_idle  # noqa: E402
from roost_server import SOAK, Server, fake_model, row_sums, wait_for  # noqa: E402

SECONDS = 60 if SOAK else 5
TIMES, CLIENTS = 10, 40
MIB = 1 << 20
SLEEPS = fake_model("service sleep", "service_us 200000 0", "jitter 30 7")


class Overload(unittest.TestCase):
    def stop_when_overloaded(self, load):
        """Goes on until TIMES more was sent than can be answered with 200. Every client may yet
        see one more answer and, as it looks at `stopping` before it takes the lock, one to a
        request that it sends after this."""
        def is_overloaded():
            with load.lock:
                good_most = load.counts["m"][200] + 2 * CLIENTS
                if load.sent["m"] < TIMES * good_most:
                    return False
                load.stopping.set()
                return True
        wait_for(f"{TIMES} times what the model carries", is_overloaded)

    def overload(self, config, statuses):
        """Clients that never pause, against 5 requests/s; a neighbour is served meanwhile."""
        models = {"m": SLEEPS, "neighbour": fake_model("service_us 200 10")}
        with Server(models, config) as server:
            before = server.memory_bytes()
            end = time.monotonic() + SECONDS
            with Load(server, {"m": CLIENTS, "neighbour": 1}) as load:
                while time.monotonic() < end:
                    server.alive()
                    metrics = server.metrics()
                    self.assertLessEqual(metrics["roost_queue_requests", "m"], 8)
                    self.assertLess(server.memory_bytes() - before, 48 * MIB)
                    load.progress("m", 50)
                self.stop_when_overloaded(load)
            counts = load.counts["m"]
            self.assertLessEqual(set(counts), statuses, load.errors)
            self.assertGreater(counts[200], 0)
            self.assertGreaterEqual(load.sent["m"], TIMES * counts[200])
            self.assertGreater(counts[429], counts[200])
            self.assertEqual(sum(counts.values()), load.sent["m"])
            self.assertEqual(set(load.counts["neighbour"]), {200})
            for headers in load.headers:
                self.assertGreaterEqual(int(headers["Retry-After"]), 1)
            assert_conserved(server, load, models)
            metrics = server.metrics()
            self.assertEqual(metrics["roost_refused", "m"], counts[429])
            self.assertEqual(metrics["roost_expired", "m"], counts[504])
            self.assertEqual(row_sums(server.infer("m")), [10])

    def test_queue_is_bounded(self):
        self.overload("defaults: {batching: off, shed: never}\n"
                      "tenants: [{name: m, queue_max: 8, deadline: 30 s}]", {200, 429})

    def test_deadlines(self):
        """With shedding by deadline what is predicted to be late is refused at once."""
        self.overload("defaults: {batching: off}\n"
                      "tenants: [{name: m, queue_max: 8, deadline: 1 s}]", {200, 429, 504})

    def test_slo(self):
        """Who would miss the SLO is refused, on arrival or when its turn has come."""
        self.overload("defaults: {batching: off}\n"
                      "tenants: [{name: m, queue_max: 8, deadline: 30 s, slo: p95 1 s, "
                      "shed: slo}]", {200, 429})

    def test_too_late_for_its_turn(self):
        """Nothing is known of the model yet, so all are let in, two of them to the host and a third
        when the first is done; after the second run the others' answers would come too late."""
        model = fake_model("service sleep", "service_us 2000000 0")
        config = "tenants: [{name: m, batching: off, slo: p95 3 s, deadline: 30 s, shed: slo}]"
        with Server({"m": model}, config) as server, ThreadPoolExecutor(6) as pool:
            calls = [pool.submit(server.infer, "m") for _ in range(6)]
            answers = [call.result() for call in calls]
            self.assertEqual(sorted(answer.status for answer in answers), [200] * 3 + [429] * 3)
            for answer in answers:
                if answer.status == 429:
                    self.assertIn("would miss the SLO", answer.json()["error"])
                    self.assertGreaterEqual(int(answer.headers["Retry-After"]), 1)
            self.assertEqual(wait_for_idle(server, ["m"])["roost_refused", "m"], 3)

    def test_one_slow_run_does_not_shut_the_door(self):
        """What took too long once is tried again when nothing else is to be done."""
        model = fake_model("service sleep", "service_us 30000 0")
        config = "tenants: [{name: m, batching: off, slo: p95 20 ms, deadline: 30 s, shed: slo}]"
        with Server({"m": model}, config) as server:
            for _ in range(20):
                self.assertEqual(server.infer("m").status, 200)

    def test_pipelines(self):
        """An answer lets more of its connection in, which may be refused, while that is sent."""
        model = fake_model("service sleep", "service_us 40000 0")
        config = "tenants: [{name: m, batching: off, slo: p95 60 ms, deadline: 30 s, shed: slo}]"
        body = (b'{"inputs":[{"name":"x","shape":[1,4],"datatype":"FP32","data":[1,2,3,4]}],'
                b'"parameters":{"timeout":%d}}')
        count, sockets = 200, []
        with Server({"m": model}, config) as server:
            for timeout_us in (30000, 50000, 59000, 1000000):
                content = body % timeout_us
                sockets.append(server.socket())
                sockets[-1].sendall(count * (
                    b"POST /v2/models/m/infer HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
                    % len(content) + content))
            for one in sockets:
                data = b""
                while data.count(b"HTTP/1.1 ") < count:
                    more = one.recv(1 << 16)
                    self.assertTrue(more, "the server has gone")
                    data += more
                one.close()
            metrics = wait_for_idle(server, ["m"])
            self.assertEqual(metrics["roost_queue_requests", "m"], 0)
            self.assertEqual(server.infer("m").status, 200)

    def test_input_memory_is_bounded(self):
        """Large bodies beyond the tenant's budget are refused, and the budget is whole again."""
        model = fake_model("service sleep", "service_us 100000 0", inputs="x FP32 -1 262144",
                           outputs="y FP32 -1 1")
        config = "tenants: [{name: m, input_memory: 8 MiB, batching: off, shed: never}]"
        header = (b'{"inputs":[{"name":"x","shape":[1,262144],"datatype":"FP32",'
                  b'"parameters":{"binary_data_size":1048576}}]}')
        with Server({"m": model}, config) as server:
            before = server.memory_bytes()
            request = (b"POST /v2/models/m/infer HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n"
                       b"Inference-Header-Content-Length: %d\r\n\r\n"
                       % (len(header) + MIB, len(header)))
            sockets = []
            for _ in range(20):
                sockets.append(server.socket())
                sockets[-1].sendall(request)
            refused = [one for one in sockets if self.is_refused(server, one)]
            self.assertGreaterEqual(len(refused), 12)
            for one in sockets:
                if one not in refused:
                    one.sendall(header + bytes(MIB))
                    self.assertIn(b"HTTP/1.1 200", one.recv(100))
                one.close()
            wait_for_idle(server, ["m"])
            self.assertLess(server.memory_bytes() - before, 32 * MIB)

    def test_larger_than_input_memory(self):
        """What could never fit is not told to come again: 413 with the setting, whatever its form;
        alone each input of the last one would fit."""
        width = 65536  # 256 KiB a row
        model = {"1/model.fake": fake_model("input z FP32 -1 65536", "optional z",
                                            inputs="x FP32 -1 65536", outputs="y FP32 -1 1"),
                 "config.pbtxt": "max_batch_size: 8"}
        with Server({"m": model}, "tenants: [{name: m, input_memory: 1 MiB}]") as server:
            def binary(rows, **headers):
                head = (b'{"inputs":[{"name":"x","shape":[%d,%d],"datatype":"FP32",'
                        b'"parameters":{"binary_data_size":%d}}]}' % (rows, width, rows * MIB // 4))
                body = head + bytes(rows * MIB // 4)
                if headers:
                    body = gzip.compress(body)
                return server.post("/v2/models/m/infer", body, {
                    "Inference-Header-Content-Length": str(len(head)), **headers})

            def named(name, rows):
                return {"name": name, "shape": [rows, width], "datatype": "FP32",
                        "data": [0] * (rows * width)}

            def plain(*inputs):
                return server.post("/v2/models/m/infer", {"inputs": inputs})

            coded = {"Content-Encoding": "gzip"}
            for answer in (binary(4), binary(4, **coded), plain(named("x", 5)),
                           plain(named("x", 3), named("z", 3))):
                self.assertEqual(answer.status, 413, answer)
                self.assertNotIn("Retry-After", answer.headers)
                self.assertRegex(answer.error, r"take \d{7} bytes, .* 1048576: .*input_memory")
            for answer in (binary(3), binary(3, **coded), plain(named("x", 4)),
                           plain(named("x", 2), named("z", 2))):
                self.assertEqual(answer.status, 200, answer)
            wait_for_idle(server, ["m"])

    def is_refused(self, server, one):
        """The place of a body is reserved when its length is known, so the answer is there now or
        the server waits for the body."""
        wait_for("the headers to be read", lambda: server.metrics()[
            "roost_http_requests", None] >= 20)
        one.setblocking(False)
        try:
            answer = one.recv(10000)
        except BlockingIOError:
            return False
        finally:
            one.setblocking(True)
            one.settimeout(60)
        self.assertIn(b" 429 ", answer)
        self.assertIn(b"Retry-After: ", answer)
        return True


if __name__ == "__main__":
    unittest.main(verbosity=2)
