# SPDX-License-Identifier: Apache-2.0
"""Requests that are wrong in every way: a 4xx that names the field, and a server that serves on."""
import json
import os
import socket
import struct
import sys
import unittest
import zlib

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../scenario"))
from load import Load, wait_for_idle  # noqa: E402
from roost_server import Server, fake_model, row_sums, wait_for  # noqa: E402

CONFIG = """
server:
  limits: {header_max: 4 KiB, body_max: 1 MiB, header_timeout: 1 s, body_timeout: 1 s,
           connections_max: 200, pipeline_max: 8}
"""
MODELS = {
    "m": {"1/model.fake": fake_model("service_us 50 5"), "config.pbtxt": "max_batch_size: 8"},
    "two": fake_model("input b INT64 -1 2", "service_us 50 5", inputs="a FP32 -1 2"),
    "text": fake_model(inputs="x BYTES -1 2", outputs="y BYTES -1 1"),
    "bool": fake_model(inputs="x BOOL -1 4", outputs="y INT32 -1 1"),
    "int8": fake_model(inputs="x INT8 -1 4", outputs="y INT32 -1 1"),
    "half": fake_model(inputs="x FP16 -1 4", outputs="y FP32 -1 1"),
}
BODY = b'{"inputs":[{"name":"x","shape":[1,4],"datatype":"FP32","data":[1,2,3,4]}]}'
INFER = b"POST /v2/models/m/infer HTTP/1.1\r\nHost: x\r\n"
GOOD = INFER + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY
SECRET = b"GET /v2/models/stolen HTTP/1.1\r\nHost: x\r\n\r\n"

# Requests that two servers might read differently; exactly one answer each, a 4xx, then the end.
SMUGGLING = [
    INFER + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SECRET,
    INFER + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + SECRET,
    INFER + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello" + SECRET,
    INFER + b"Content-Length: 5, 6\r\n\r\nhello" + SECRET,
    INFER + b"Content-Length: +5\r\n\r\nhello" + SECRET,
    INFER + b"Content-Length: -5\r\n\r\nhello" + SECRET,
    INFER + b"Content-Length: 0x5\r\n\r\nhello" + SECRET,
    INFER + b"Content-Length: 5 5\r\n\r\nhello" + SECRET,
    INFER + b"Content-Length: \r\n\r\nhello" + SECRET,
    INFER + b"Content-Length: 99999999999999999999999\r\n\r\nhello" + SECRET,
    INFER + b"Content-Length : 5\r\n\r\nhello" + SECRET,
    INFER + b" Content-Length: 5\r\n\r\nhello" + SECRET,
    INFER + b"Content\x00-Length: 5\r\n\r\nhello" + SECRET,
    INFER + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + SECRET,
    INFER + b"Transfer-Encoding: identity\r\n\r\n" + SECRET,
    INFER + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + SECRET,
    INFER + b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n" + SECRET,
    INFER + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" + SECRET,
    INFER + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n" + SECRET,
    INFER + b"Transfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n0\r\n\r\n" + SECRET,
    INFER + b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\na\r\n0\r\n\r\n" + SECRET,
    INFER + b"Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n" + SECRET,
    INFER + b"Transfer-Encoding: chunked\r\n\r\n1\na\n0\n\n" + SECRET,
    b"POST /v2/models/m/infer HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SECRET,
    b"GET /v2 HTTP/1.1\r\nHost: x\r\nX: a\r\n\rGET / HTTP/1.1\r\n\r\n" + SECRET,
    b"GET /v2 HTTP/1.1\r\nHost: x\r\nX: a\rb\r\n\r\n" + SECRET,
    b"GET /v2 HTTP/1.1\r\nHost: x\r\nX: a\x00b\r\n\r\n" + SECRET,
    b"GET /v2 HTTP/1.1\r\nHost: x\r\n folded: a\r\n\r\n" + SECRET,
    b"GET /v2 HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n" + SECRET,
    b"GET /v2 HTTP/1.1\r\n\r\n" + SECRET,
]
NOT_HTTP = [
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100), b"\x00" * 200, b"\xff" * 200,
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET\r\n\r\n", b"GET /v2\r\n\r\n", b"hello world\r\n\r\n",
    b"GET /v2 HTTP/9.9\r\nHost: x\r\n\r\n",
    b"GET /v2 HTTP/1.1 x\r\nHost: x\r\n\r\n", b"get /v2 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"G\x00T /v2 HTTP/1.1\r\nHost: x\r\n\r\n", b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /v2\x01 HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /v2 HTTP/1.1\r\n: x\r\n\r\n",
    b"GET /v2 HTTP/1.1\r\nHost x\r\n\r\n", b"*3\r\n$3\r\nSET\r\n",
]
PATHS = [("/", 404), ("//", 404), ("/v3", 404), ("/v2/models", 404), ("/v2/models/", 404),
         ("/v2/models/nobody", 404), ("/v2/models/m/versions/9", 404),
         ("/v2/models/m/versions/x", 404), ("/v2/models/m/versions/-1", 404),
         ("/v2/models/m/versions/99999999999999999999", 404), ("/v2/models/m/x", 404),
         ("/v2/models/%6d", 200), ("/v2/models/%zz", 400), ("/v2/models/%00", 400),
         ("/v2/models/..", 404), ("/v2/models/../../etc/passwd", 404), ("/v2/models/%2e%2e", 404),
         ("/v2/models/m%2f..", 404), ("/v2/models/" + "m" * 900, 404), ("/" + "a/" * 300, 404),
         ("/v2/roost/status", 404), ("/v2/health/ready?x=1", 200), ("/v2/health/ready/", 200)]


def tensor(**change):
    one = {"name": "x", "shape": [1, 4], "datatype": "FP32", "data": [1, 2, 3, 4]}
    one.update(change)
    return {"inputs": [{key: value for key, value in one.items() if value is not None}]}


def with_data(text):
    """A body whose data is this text, JSON or not."""
    return '{"inputs":[{"name":"x","shape":[1,4],"datatype":"FP32","data":%s}]}' % text


DATA_AT = with_data("%s").index("%s")
NESTED = "[" * 200 + "]" * 200
NOT_UTF8 = b'{"inputs":[{"name":"\xff"}]}'
# (model, body, what the message must name)
BAD_JSON = [
    ("m", "", "JSON: the text is empty"), ("m", "{", "at byte 1"),
    ("m", "[]", "body: must be a JSON object, not an array"),
    ("m", "null", "body: must be a JSON object, not null"), ("m", "{}", "inputs"),
    ("m", {"inputs": {}}, "inputs"), ("m", {"inputs": []}, 'inputs: "x" is missing'),
    ("m", {"inputs": [3]}, "inputs[0]"),
    ("m", tensor(name=None), "inputs[0].name"), ("m", tensor(name=3), "inputs[0].name"),
    ("m", tensor(name="z"), "inputs[0].name"), ("m", tensor(name=""), "inputs[0].name"),
    ("m", tensor(shape=None), "inputs[0].shape"), ("m", tensor(shape=4), "inputs[0].shape"),
    ("m", tensor(shape=[4]), "inputs[0].shape"), ("m", tensor(shape=[1, 5]), "inputs[0].shape"),
    ("m", tensor(shape=[1, -4]), "inputs[0].shape"), ("m", tensor(shape=[0, 4], data=[]),
                                                     "inputs[0].shape"),
    ("m", tensor(shape=[1.5, 4]), "inputs[0].shape"), ("m", tensor(shape=["1", 4]),
                                                      "inputs[0].shape"),
    ("m", tensor(shape=[9, 4], data=[1] * 36), "inputs[0].shape"),
    ("m", tensor(shape=[1] * 20), "inputs[0].shape"),
    ("m", tensor(shape=[2 ** 62, 4]), "inputs[0].shape"),
    ("m", tensor(shape=[2 ** 63, 4]), "inputs[0].shape"),
    ("m", tensor(datatype=None), "inputs[0].datatype"), ("m", tensor(datatype="FP64"),
                                                       "inputs[0].datatype"),
    ("m", tensor(datatype="float"), "inputs[0].datatype"), ("m", tensor(datatype=7),
                                                          "inputs[0].datatype"),
    ("m", tensor(data=None), "inputs[0]"), ("m", tensor(data=3), "inputs[0].data"),
    ("m", tensor(data=[1, 2, 3]), "inputs[0].data"), ("m", tensor(data=[1] * 5), "inputs[0].data"),
    ("m", tensor(data=[1, 2, "x", 4]), "inputs[0].data[2]"),
    ("m", tensor(data=[1, 2, None, 4]), "inputs[0].data[2]"),
    ("m", tensor(data=[1, 2, True, 4]), "inputs[0].data[2]"),
    ("m", tensor(data=[[1, 2], [3, 4]]), "inputs[0].data"),
    ("m", tensor(data=[[1, 2, 3, [4]]]), "inputs[0].data[0][3]"),
    ("m", tensor(data=[1e300, 2, 3, 4]), "inputs[0].data[0]"),
    ("m", with_data("[NaN,1,2,3]"), f"at byte {DATA_AT + 1}"),
    ("m", with_data("[1,Infinity,2,3]"), f"at byte {DATA_AT + 3}"),
    ("m", with_data(NESTED), f"JSON: more than 64 levels deep at byte {DATA_AT + 61}"),
    ("m", '{"a":' * 100000 + "1" + "}" * 100000, "JSON: more than 64 levels deep at byte 320"),
    ("m", '{"a":' * 100000, "at byte 500000"), ("m", "[" * 100000, "at byte 100000"),
    ("m", NOT_UTF8, "UTF-8"),
    ("m", '{"inputs":[' + '{},' * 3000 + "{}]}", "inputs"),
    ("m", {"id": 3, **tensor()}, "id"), ("m", {"id": "x" * 300, **tensor()}, "id"),
    ("m", {"parameters": 3, **tensor()}, "parameters"),
    ("m", {"parameters": {"priority": -1}, **tensor()}, "priority"),
    ("m", {"parameters": {"timeout": "x"}, **tensor()}, "timeout"),
    ("m", {"parameters": {"triton_x": 1}, **tensor()}, "triton_x"),
    ("m", {"parameters": {f"p{n}": n for n in range(40)}, **tensor()}, "parameters"),
    ("m", {"outputs": 3, **tensor()}, "outputs"),
    ("m", {"outputs": [{}], **tensor()}, "outputs[0]"),
    ("m", {"outputs": [{"name": "z"}], **tensor()}, "outputs[0]"),
    ("m", {"outputs": [{"name": "y"}, {"name": "y"}], **tensor()}, "outputs[1]"),
    ("m", {"outputs": [{"name": "y", "parameters": {"classification": -1}}], **tensor()},
     "outputs[0].parameters.classification"),
    ("m", {"outputs": [{"name": "y", "parameters": {"binary_data": 3}}], **tensor()},
     "outputs[0].parameters.binary_data"),
    ("m", {"inputs": tensor()["inputs"] * 2}, "inputs[1]"),
    ("m", tensor(parameters={"binary_data_size": 16}), "inputs[0]"),
    ("m", tensor(data=None, parameters={"binary_data_size": 16}), "inputs[0]"),
    ("two", {"inputs": [{"name": "a", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]}]}, "b"),
    ("two", {"inputs": [{"name": "a", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]},
                        {"name": "b", "shape": [2, 2], "datatype": "INT64", "data": [1] * 4}]},
     "inputs[1].shape"),
    ("two", {"inputs": [{"name": "a", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]},
                        {"name": "b", "shape": [1, 2], "datatype": "INT64", "data": [1.5, 2]}]},
     "inputs[1].data[0]"),
    ("int8", tensor(datatype="INT8", data=[1, 2, 3, 128]), "inputs[0].data[3]"),
    ("bool", tensor(datatype="BOOL", data=[1, 0, 2, 1]), "inputs[0].data[2]"),
    ("half", tensor(datatype="FP16"), "inputs[0]"),
    ("text", tensor(shape=[1, 2], datatype="BYTES", data=["a", 3]), "inputs[0].data[1]"),
]


LENGTH = "Inference-Header-Content-Length"


def binary(header, data, length=None):
    text = json.dumps(header).encode()
    return text + data, {LENGTH: str(len(text) if length is None else length)}


def raw(data):
    """A body that is the only input."""
    return data, {LENGTH: "0"}


def binary_tensor(size, **change):
    return tensor(data=None, parameters={"binary_data_size": size}, **change)


BAD_BINARY = [
    ("m", binary(binary_tensor(16), bytes(15)), "inputs[0]"),
    ("m", binary(binary_tensor(16), bytes(17)), "body: unexpected additional input data: 1 bytes"),
    ("m", binary(binary_tensor(12), bytes(12)), "inputs[0]"),
    ("m", binary(binary_tensor(-16), bytes(16)), "binary_data_size"),
    ("m", binary(binary_tensor("16"), bytes(16)), "binary_data_size"),
    ("m", binary(binary_tensor(2 ** 63), bytes(16)), "binary_data_size"),
    ("m", binary(binary_tensor(16), bytes(16), 100000), f"{LENGTH}: 100000, but the body has"),
    ("m", binary(binary_tensor(16), bytes(16), -1), f'{LENGTH}: "-1" is not a length in bytes'),
    ("m", binary(binary_tensor(16), bytes(16), "x"), f'{LENGTH}: "x" is not a length in bytes'),
    ("m", binary(binary_tensor(16), bytes(16), ""), f'{LENGTH}: "" is not a length in bytes'),
    ("m", binary(binary_tensor(16), bytes(16), 2 ** 64), f"{LENGTH}: the length {2 ** 64} is too"),
    ("m", binary(binary_tensor(16), bytes(16), 3), f"the first 3 bytes ({LENGTH}): JSON: "),
    ("m", raw(bytes(15)), "body: 15 bytes of raw data, but FP32 of shape [-1,4] has 16 bytes"),
    ("m", raw(bytes(32)), "body: 32 bytes of raw data, but FP32 of shape [-1,4] has 16 bytes"),
    ("m", raw(b""), "body: 0 bytes of raw data, but FP32 of shape [-1,4] has 16 bytes"),
    ("m", binary(tensor(), bytes(16)), "body: unexpected additional input data: 16 bytes"),
    ("two", raw(bytes(16)), 'body: raw data needs a model with one input, but "two" has 2'),
    ("bool", binary(binary_tensor(4, datatype="BOOL"), b"\x00\x01\x02\x01"), "inputs[0]"),
    ("text", binary(binary_tensor(9, datatype="BYTES", shape=[1, 2]),
                    struct.pack("<I", 5) + b"hello"), "inputs[0]"),
    ("text", binary(binary_tensor(8, datatype="BYTES", shape=[1, 2]),
                    struct.pack("<II", 0xffffffff, 0)), "inputs[0]"),
    ("text", binary(binary_tensor(12, datatype="BYTES", shape=[1, 2]), bytes(12)), "inputs[0]"),
]


class BadHttp(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(MODELS, CONFIG)
        cls.server.__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.server.__exit__(None, None, None)

    def tearDown(self):
        self.assertEqual(row_sums(self.server.infer("m")), [10])

    def exchange(self, data, end=True):
        """Everything that the server says until it closes the connection."""
        with self.server.socket() as one:
            try:
                one.sendall(data)
                if end:
                    one.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # it may have closed already
            answer = b""
            while True:
                try:
                    part = one.recv(65536)
                except ConnectionResetError:
                    return answer
                if not part:
                    return answer
                answer += part

    def test_smuggling(self):
        for data in SMUGGLING:
            with self.subTest(data=data[:200]):
                answer = self.exchange(data, end=False)
                self.assertRegex(answer, rb"^HTTP/1.1 (4\d\d|501) ")
                self.assertEqual(answer.count(b"HTTP/1.1 "), 1, answer)
                self.assertNotIn(b"stolen", answer)

    def test_not_http(self):
        for data in NOT_HTTP:
            with self.subTest(data=data[:100]):
                self.assertRegex(self.exchange(data), rb"^HTTP/1.1 [45]\d\d ")

    def test_large_headers(self):
        for data in (b"GET /" + b"a" * 100000, b"GET /v2 HTTP/1.1\r\nX: " + b"a" * 100000,
                     b"GET /v2 HTTP/1.1\r\n" + b"a" * 100000,
                     b"GET /v2 HTTP/1.1\r\n" + b"a: b\r\n" * 20000):
            with self.subTest(data=data[:40]):
                self.assertIn(b"HTTP/1.1 431 ", self.exchange(data))

    def test_large_bodies(self):
        size = 1 << 20
        self.assertEqual(self.server.post("/v2/models/m/infer", b" " * (size + 1)).status, 413)
        chunks = INFER + b"Transfer-Encoding: chunked\r\n\r\n" + (
            b"10000\r\n" + b" " * 0x10000 + b"\r\n") * 17
        self.assertIn(b"HTTP/1.1 413 ", self.exchange(chunks))
        bomb = zlib.compress(b" " * (64 << 20))
        answer = self.server.post("/v2/models/m/infer", bomb, {"Content-Encoding": "deflate"})
        self.assertEqual(answer.status, 413, answer)
        for coding, body, status in (("br", BODY, 501), ("gzip", BODY, 400), ("deflate", b"", 400),
                                     ("gzip", zlib.compress(BODY)[:10], 400)):
            answer = self.server.post("/v2/models/m/infer", body, {"Content-Encoding": coding})
            self.assertEqual(answer.status, status, (coding, answer))

    def test_slow_clients(self):
        """Neither a slow head nor a slow body holds a connection: 408, or the end of it."""
        for data in (b"GET /v2 HT", INFER, GOOD[:-1], GOOD[:-len(BODY)]):
            with self.subTest(data=data[-30:]):
                answer = self.exchange(data, end=False)
                self.assertIn(b"HTTP/1.1 408 ", answer)

    def test_verbs_and_paths(self):
        for path, status in PATHS:
            with self.subTest(path=path[:60]):
                self.assertEqual(self.server.get(path).status, status)
        for verb, path in (("POST", "/v2"), ("DELETE", "/v2/models/m"), ("PUT", "/metrics"),
                           ("GET", "/v2/models/m/infer"), ("PATCH", "/v2/models/m/infer"),
                           ("OPTIONS", "/v2"), ("TRACE", "/v2"), ("POST", "/v2/models/m/config")):
            with self.subTest(verb=verb, path=path):
                self.assertEqual(self.server.call(verb, path, b"").status, 405)
        head = self.server.call("HEAD", "/v2")
        self.assertEqual((head.status, head.body), (200, b""))

    def test_json(self):
        for model, body, part in BAD_JSON:
            with self.subTest(model=model, body=str(body)[:120]):
                data = body if isinstance(body, bytes) else (
                    body if isinstance(body, str) else json.dumps(body)).encode()
                answer = self.server.post(f"/v2/models/{model}/infer", data)
                self.assertEqual(answer.status, 400, answer)
                self.assertIn(part, answer.error)

    def test_binary(self):
        for model, (body, headers), part in BAD_BINARY:
            with self.subTest(model=model, body=body[:120], headers=headers):
                answer = self.server.post(f"/v2/models/{model}/infer", body, headers)
                self.assertEqual(answer.status, 400, answer)
                self.assertIn(part, answer.error)

    def test_nan_is_data(self):
        """Binary NaN and infinity are values like others; in JSON answers they are null."""
        body, headers = binary(binary_tensor(16), struct.pack("<4f", float("nan"), 1, 2, 3))
        answer = self.server.post("/v2/models/m/infer", body, headers)
        self.assertEqual(answer.json()["outputs"][0]["data"], [None] * 4)

    def test_disconnects_at_every_byte(self):
        """The client goes away after every prefix of a JSON and of a binary request."""
        body, headers = binary(binary_tensor(16), struct.pack("<4f", 1, 2, 3, 4))
        json_length = int(headers[LENGTH])
        requests = [GOOD, INFER + b"Inference-Header-Content-Length: %d\r\n"
                    b"Content-Length: %d\r\n\r\n" % (json_length, len(body)) + body,
                    INFER + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(BODY) + BODY
                    + b"\r\n0\r\n\r\n"]
        with Load(self.server, {"m": 1}) as load:
            for data in requests:
                for length in range(len(data) + 1):
                    with self.server.socket() as one:
                        one.sendall(data[:length])
                        if length % 3 == 0:  # a reset instead of an orderly end
                            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                           struct.pack("ii", 1, 0))
            load.progress("m", 5)
        load.assert_all_good()
        wait_for_idle(self.server, MODELS)
        wait_for("the connections to be gone",
                 lambda: self.server.metrics()["roost_http_connections", None] == 1)

    def test_pipelining(self):
        """Thirty requests in one go, good and bad; answers in their order."""
        data, expected = b"", []
        for number in range(30):
            if number % 5 == 4:
                body, status = b'{"inputs":[]}', b"400"
            else:
                body, status = BODY.replace(b"[1,2", b"[%d,2" % number), b"200"
            data += INFER + b"Content-Length: %d\r\n\r\n" % len(body) + body
            expected.append(status)
        answer = self.exchange(data + b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\n"
                               b"Connection: close\r\n\r\n", end=False)
        statuses = [part[:3] for part in answer.split(b"HTTP/1.1 ")[1:]]
        self.assertEqual(statuses, expected + [b"200"])
        for number in range(30):
            if number % 5 != 4:
                self.assertIn(b'"data":[%d.0,' % (number + 9), answer)

    def test_too_many_connections(self):
        sockets = []
        try:
            for _ in range(220):
                sockets.append(self.server.socket())
            refused = wait_for("refused connections", lambda: self.refused(sockets))
            self.assertGreaterEqual(refused, 15)
        finally:
            for one in sockets:
                one.close()
        wait_for("room again", lambda: self.try_ready())

    def refused(self, sockets):
        count = 0
        for one in sockets:
            one.setblocking(False)
            try:
                count += one.recv(1000, socket.MSG_PEEK).startswith(b"HTTP/1.1 503")
            except BlockingIOError:
                pass
        return count if count >= 15 else None

    def try_ready(self):
        try:
            return self.server.get("/v2/health/ready").status == 200
        except OSError:
            return False

    def test_stops_reading_answers(self):
        """A client that sends and never reads costs bounded memory."""
        before = self.server.memory_bytes()
        with self.server.socket() as one:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            one.settimeout(0.5)
            try:
                for _ in range(4000):
                    one.sendall(GOOD * 10)
            except OSError:
                pass
            self.assertLess(self.server.memory_bytes() - before, 64 << 20)
        wait_for_idle(self.server, MODELS)


if __name__ == "__main__":
    unittest.main(verbosity=2)
