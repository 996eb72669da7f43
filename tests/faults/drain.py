# SPDX-License-Identifier: Apache-2.0
"""SIGTERM under load: what was admitted is answered, and the server ends with exit code 0."""
import http.client
import os
import signal
import socket
import sys
import threading
import unittest
from concurrent.futures import ThreadPoolExecutor

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../scenario"))
from roost_server import PATIENCE_S, Server, fake_model, row_sums, wait_for  # noqa: E402

SLEEPS = fake_model("service sleep", "service_us 50000 0")


def inside(server, tenants):
    """Requests that wait or run."""
    metrics = server.metrics()
    return sum(metrics["roost_queue_requests", tenant] + metrics["roost_batches_running", tenant]
               for tenant in tenants)


def admitted(server, tenants):
    """Requests that were let in: those that wait, run or are answered."""
    metrics = server.metrics()
    return inside(server, tenants) + sum(metrics["nv_inference_request_success", tenant]
                                         for tenant in tenants)


class Drain(unittest.TestCase):
    def test_everything_admitted_is_answered(self):
        """What waits in two queues when the signal comes is answered."""
        tenants = ("a", "b")
        with Server({name: SLEEPS for name in tenants}, "defaults: {batching: off}") as server, \
                ThreadPoolExecutor(42) as pool:
            answers = [pool.submit(server.infer, tenant, [(number, 0, 0, 0)])
                       for number in range(21) for tenant in tenants]
            wait_for("all requests to be admitted",
                     lambda: admitted(server, tenants) >= len(answers))
            server.signal(signal.SIGTERM)
            good = [answer.result() for answer in answers]
            self.assertEqual({answer.status for answer in good}, {200}, good)
            self.assertEqual(sorted(row_sums(answer)[0] for answer in good),
                             sorted(list(range(21)) * 2))
            server.stop()

    def test_under_load(self):
        """Clients that go on until the connection is refused see nothing but good answers."""
        outcomes = []
        with Server({"m": fake_model("service_us 500 50")}) as server:
            threads = [threading.Thread(target=self.client, args=(server, outcomes))
                       for _ in range(6)]
            for thread in threads:
                thread.start()
            wait_for("some answers", lambda: len(outcomes) > 100)
            server.stop()
            for thread in threads:
                thread.join()
        self.assertEqual(set(outcomes), {200, "refused"})
        self.assertEqual(outcomes.count("refused"), 6)

    def client(self, server, outcomes):
        while True:
            try:
                connection = server.connect()
                connection.connect()
            except OSError:
                outcomes.append("refused")
                return
            try:
                outcomes.append(server.call("POST", "/v2/models/m/infer", BODY,
                                            connection=connection).status)
            except (ConnectionError, http.client.HTTPException):
                # Accepted by the kernel, but never by the server that stopped listening.
                outcomes.append("refused")
                return
            finally:
                connection.close()

    def test_slow_client_does_not_hold_it_for_ever(self):
        """Neither an idle connection nor half a request outlasts the grace time."""
        with Server({"m": SLEEPS}, "server: {grace: 60 s, limits: {header_timeout: 300 ms, "
                    "body_timeout: 300 ms}}") as server:
            half = [b"", b"GET /v2 HT", b"GET /v2 HTTP/1.1\r\nHost: x\r\n",
                    b"POST /v2/models/m/infer HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"]
            sockets = [server.socket() for _ in half]
            for one, text in zip(sockets, half):
                one.sendall(text)
            idle = server.connect()
            self.assertEqual(server.call("GET", "/v2/health/live", connection=idle).status, 200)
            server.stop()
            for one in sockets:
                one.close()
            idle.close()

    def test_a_batch_does_not_wait_for_companions(self):
        config = "tenants: [{name: m, batching: on, batch_delay: 100 s, deadline: 300 s}]"
        model = fake_model("service_us 100 10")
        with Server({"m": model}, config, ["--grace", "60 s"]) as server, \
                ThreadPoolExecutor(1) as pool:
            answer = pool.submit(server.infer, "m")
            wait_for("a request that waits", lambda: inside(server, ["m"]) == 1)
            server.stop()
            self.assertEqual(row_sums(answer.result()), [10])

    def test_grace_is_over(self):
        """A request that never ends is given up; the exit code says so, and no process is left."""
        model = fake_model("service_us 100 0", "hang_after 40")
        config = ("server: {grace: 200 ms, hang_after: 1 h, default_deadline: 1 h}\n"
                  "defaults: {batching: off}")
        with Server({"m": model}, config) as server:
            sockets = [server.socket() for _ in range(60)]
            for one in sockets:
                one.sendall(b"POST /v2/models/m/infer HTTP/1.1\r\nHost: x\r\nContent-Length: %d"
                            b"\r\n\r\n" % len(BODY) + BODY)
            wait_for("the last request", lambda: server.metrics()[
                "nv_inference_request_success", "m"] + inside(server, ["m"]) == 60)
            server.stop(expect=1)
            for one in sockets:
                one.close()
            server.process = None

    def test_at_once(self):
        """SIGTERM while models still load, and SIGINT."""
        for number in (signal.SIGTERM, signal.SIGINT):
            with Server({"m": fake_model("load_ms 60000"), "n": SLEEPS}, ready=False) as server:
                wait_for("the host that loads", lambda: [
                    host["pid"] for lane in server.lanes("m") for host in lane["hosts"]
                    if host["pid"]])
                server.signal(number)
                self.assertEqual(server.process.wait(timeout=PATIENCE_S), 0)

    def test_readiness_while_it_stops(self):
        """The metrics port tells that the server stops, for as long as it has work."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        with Server({"m": SLEEPS}, "defaults: {batching: off}",
                    ["--metrics-port", str(port)]) as server, ThreadPoolExecutor(60) as pool:
            answers = [pool.submit(server.infer, "m") for _ in range(60)]
            wait_for("all requests to be admitted",
                     lambda: admitted(server, ["m"]) >= len(answers))
            metrics = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
            self.assertEqual(server.call("GET", "/v2/health/ready", connection=metrics).status, 200)
            server.signal(signal.SIGTERM)
            server.wait_log("server.stop ")
            answer = server.call("GET", "/v2/health/ready", connection=metrics)
            self.assertEqual(answer.status, 503, answer)
            self.assertIn("stopping", answer.error)
            metrics.close()
            self.assertEqual({answer.result().status for answer in answers}, {200})


BODY = (b'{"inputs":[{"name":"x","shape":[1,4],"datatype":"FP32","data":[1,2,3,4]}]}')

if __name__ == "__main__":
    unittest.main(verbosity=2)
