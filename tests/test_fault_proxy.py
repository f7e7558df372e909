"""The proxy that other tests trust to fail as they say."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.servers.faults import Faults
from tests.servers.seaweed import S3, connect

BODY = b"0123456789" * 100


class Handler(BaseHTTPRequestHandler):
    """Keeps what is put; tells the Host it was asked for."""

    protocol_version = "HTTP/1.1"
    kept: dict[str, bytes]

    def log_message(self, *_: object) -> None:  # stderr is the tests'
        pass

    def do_GET(self) -> None:
        self.send_response(204 if self.path == "/empty" else 200)
        self.send_header("X-Host", self.headers["Host"])
        if self.path == "/chunked":
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"3e8\r\n" + BODY + b"\r\n0\r\n\r\n")
        elif self.path == "/empty":
            self.end_headers()
        else:
            self.send_header("Content-Length", str(len(BODY)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(BODY)

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_PUT(self) -> None:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers["Content-Length"]))
        self.kept[self.path] = body
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()


class Server(ThreadingHTTPServer):
    request_queue_size = 256


@pytest.fixture
def kept() -> dict[str, bytes]:
    return {}


@pytest.fixture
def faults(kept: dict[str, bytes]) -> Iterator[Faults]:
    server = Server(("127.0.0.1", 0), type("Keeping", (Handler,), {"kept": kept}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    with Faults(f"http://127.0.0.1:{server.server_port}/base") as proxy:
        yield proxy
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def client(faults: Faults) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection(address(faults), timeout=10)
    yield connection
    connection.close()


def address(faults: Faults) -> str:
    return faults.url.split("/")[2]


def ask(
    client: http.client.HTTPConnection, method: str, path: str = "/x", **more: object
) -> tuple[int, bytes, http.client.HTTPMessage]:
    client.request(method, path, **more)  # type: ignore[arg-type]
    answer = client.getresponse()
    return answer.status, answer.read(), answer.headers


def test_without_faults_all_kinds_of_messages_pass_over_one_connection(
    faults: Faults, client: http.client.HTTPConnection, kept: dict[str, bytes]
) -> None:
    client.connect()
    kept_open = client.sock
    assert ask(client, "GET")[:2] == (200, BODY)
    assert ask(client, "GET", "/chunked")[:2] == (200, BODY)
    assert ask(client, "HEAD")[:2] == (200, b"")
    assert ask(client, "GET", "/empty")[:2] == (204, b"")
    assert ask(client, "PUT", "/a", body=BODY)[0] == 200
    assert ask(client, "PUT", "/b", body=iter([BODY, BODY]), encode_chunked=True)[0] == 200
    assert kept == {"/a": BODY, "/b": BODY * 2}
    assert client.sock is kept_open
    assert faults.requests == {"GET": 3, "HEAD": 1, "PUT": 2}
    assert faults.log[-1] == ("PUT", "/b")


def test_the_server_sees_the_host_that_the_client_asked_for(
    faults: Faults, client: http.client.HTTPConnection
) -> None:
    assert ask(client, "GET")[2]["X-Host"] == address(faults)
    assert faults.url.endswith("/base")


def test_a_client_that_waits_for_100_continue_gets_it(
    faults: Faults, kept: dict[str, bytes]
) -> None:
    host, port = address(faults).split(":")
    with socket.create_connection((host, int(port)), timeout=10) as raw:
        raw.sendall(b"PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n")
        raw.sendall(b"Expect: 100-continue\r\n\r\n")
        assert raw.recv(1000).startswith(b"HTTP/1.1 100 ")
        raw.sendall(b"body")
        assert raw.recv(1000).startswith(b"HTTP/1.1 200 ")
    assert kept == {"/a": b"body"}


def test_each_nth_request_is_reset_before_the_server_sees_it(
    faults: Faults, client: http.client.HTTPConnection, kept: dict[str, bytes]
) -> None:
    faults.reset_every = 2
    assert ask(client, "PUT", "/a", body=BODY)[0] == 200
    with pytest.raises(ConnectionResetError):
        ask(client, "PUT", "/b", body=BODY)
    assert list(kept) == ["/a"]


def test_each_nth_request_is_answered_before_the_server_sees_it(
    faults: Faults, client: http.client.HTTPConnection, kept: dict[str, bytes]
) -> None:
    faults.answer_every, faults.retry_after = (2, 429), 3
    assert ask(client, "PUT", "/a", body=BODY)[0] == 200
    status, _, headers = ask(client, "PUT", "/b", body=BODY)
    assert (status, headers["Retry-After"]) == (429, "3")
    faults.answer_every, faults.retry_after = (4, 503), None
    assert ask(client, "HEAD")[0] == 200
    status, _, headers = ask(client, "HEAD")
    assert (status, headers["Retry-After"]) == (503, None)
    assert list(kept) == ["/a"]


@pytest.mark.parametrize("path", ["/plain", "/chunked"])
def test_each_nth_body_is_cut_in_its_middle(
    faults: Faults, client: http.client.HTTPConnection, path: str
) -> None:
    faults.cut_every = 2
    assert ask(client, "GET", path)[1] == BODY
    assert ask(client, "HEAD")[0] == 200  # has no body, and is not counted
    with pytest.raises(http.client.IncompleteRead) as caught:
        ask(client, "GET", path)
    assert len(caught.value.partial) <= len(BODY) // 2


def test_the_answer_to_each_nth_put_is_dropped_though_it_is_done(
    faults: Faults, client: http.client.HTTPConnection, kept: dict[str, bytes]
) -> None:
    faults.drop_answer_every = 2
    assert ask(client, "PUT", "/a", body=BODY)[0] == 200
    assert ask(client, "GET")[0] == 200
    with pytest.raises(ConnectionResetError):
        ask(client, "PUT", "/b", body=BODY)
    assert kept == {"/a": BODY, "/b": BODY}


def test_a_server_that_is_down_comes_up_again(
    faults: Faults, client: http.client.HTTPConnection
) -> None:
    assert ask(client, "GET")[0] == 200
    faults.down = True
    for _ in range(2):  # over the connection that is there, and over a new one
        with pytest.raises(ConnectionResetError):
            ask(client, "GET")
        client.close()
    faults.down = False
    assert ask(client, "GET")[0] == 200


def test_latency_is_that_of_one_request_for_many_at_once(faults: Faults) -> None:
    faults.latency = 0.3

    def one(_: int) -> int:
        connection = http.client.HTTPConnection(address(faults), timeout=10)
        try:
            return ask(connection, "GET")[0]
        finally:
            connection.close()

    started = time.monotonic()
    with ThreadPoolExecutor(64) as threads:
        assert set(threads.map(one, range(64))) == {200}
    assert 0.3 <= time.monotonic() - started < 3  # one after another they would take 19


def test_signatures_of_s3_hold_through_it(s3: S3) -> None:
    bucket = s3.new_bucket()
    with Faults(s3.endpoint) as faults:
        through = connect(faults.url, s3.access_key, s3.secret_key)
        through.client.put_object(Bucket=bucket, Key="a b.webp", Body=BODY)
        assert through.client.get_object(Bucket=bucket, Key="a b.webp")["Body"].read() == BODY
        through.client.close()
    assert faults.requests == {"PUT": 1, "GET": 1}
