# SPDX-License-Identifier: Apache-2.0
"""Closed-loop load on fake models that checks every answer to be the sender's own."""
import collections
import http.client
import json
import threading

from roost_server import request_json, wait_for


class Load:
    """with Load(server, {"tenant": clients, ...}) as load: ...; afterwards load.counts[tenant] has
    the number of answers by status ("wrong" for answers to somebody else's question, "lost" for
    connections that ended without one), and load.sent[tenant] the number of requests."""

    def __init__(self, server, clients, parameters=None, most=None, path="/v2/models/{}/infer"):
        self.server = server
        self.clients = clients
        self.parameters = parameters
        self.most = most
        self.path = path
        self.stopping = threading.Event()
        self.counts = {tenant: collections.Counter() for tenant in clients}
        self.sent = collections.Counter()
        self.errors = collections.Counter()
        self.headers = []
        self.lock = threading.Lock()
        self.threads = []

    def ask(self, connection, tenant, number):
        more = {"parameters": self.parameters} if self.parameters else {}
        body = json.dumps(request_json([(number, 1, 2, 3)], id=str(number), **more))
        connection.request("POST", self.path.format(tenant), body)
        response = connection.getresponse()
        text = response.read()
        if response.status != 200:
            with self.lock:
                self.errors[text.decode(errors="replace")] += 1
                if response.status == 429:
                    self.headers.append(response.headers)
            return response.status
        value = json.loads(text)
        good = value["id"] == str(number) and value["outputs"][0]["data"][0] == number + 6
        return 200 if good else "wrong"

    def client(self, tenant, first):
        connection = self.server.connect()
        number = first
        while not self.stopping.is_set() and (self.most is None or number < first + self.most):
            with self.lock:
                self.sent[tenant] += 1
            try:
                outcome = self.ask(connection, tenant, number)
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                outcome = "lost"
                with self.lock:
                    self.errors[repr(error)] += 1
            with self.lock:
                self.counts[tenant][outcome] += 1
            number += 1
        connection.close()

    def __enter__(self):
        for index, tenant in enumerate(self.clients):
            for client in range(self.clients[tenant]):
                first = (index * 64 + client) * 10000
                thread = threading.Thread(target=self.client, args=(tenant, first))
                thread.start()
                self.threads.append(thread)
        return self

    def __exit__(self, *_):
        if self.most is None:
            self.stopping.set()
        self.join()

    def stop(self):
        self.stopping.set()
        self.join()

    def join(self):
        for thread in self.threads:
            thread.join()

    def answered(self, tenant):
        with self.lock:
            return sum(self.counts[tenant].values())

    def progress(self, tenant, more):
        """Waits for so many further answers of the tenant."""
        goal = self.answered(tenant) + more
        wait_for(f"{more} more answers of {tenant}", lambda: self.answered(tenant) >= goal)

    def assert_all_good(self):
        for tenant, counts in self.counts.items():
            assert set(counts) == {200}, f"{tenant}: {dict(counts)}, {dict(self.errors)}"
            assert counts[200] == self.sent[tenant]


def assert_conserved(server, load, tenants):
    """What the server counted is what the clients saw, and nothing is left inside."""
    metrics = wait_for_idle(server, tenants)
    for tenant in tenants:
        good = load.counts[tenant][200]
        assert metrics["nv_inference_request_success", tenant] == good, (tenant, good, metrics)
        failed = sum(n for status, n in load.counts[tenant].items() if status not in (200, "lost"))
        assert metrics["nv_inference_request_failure", tenant] == failed, (tenant, failed, metrics)


def wait_for_idle(server, tenants):
    def idle():
        metrics = server.metrics()
        quiet = all(metrics[name, tenant] == 0 for tenant in tenants for name in
                    ("roost_queue_requests", "roost_batches_running", "roost_input_memory_bytes"))
        return metrics if quiet else None
    return wait_for("an idle server", idle)
