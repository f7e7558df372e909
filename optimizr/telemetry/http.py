"""A small HTTP server that cannot get into a run's way, whoever talks to it.

It answers GET and HEAD. So many connections at once, none of them for long, nothing on stderr.
"""

from __future__ import annotations

import logging
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any, NamedTuple

from optimizr.errors import ConfigError

log = logging.getLogger("optimizr")

_SILENCE_SECONDS = 5.0
"""How long a client may say nothing, or not take what it is told."""
_WHOLE_SECONDS = 15.0
"""How long a connection may last."""
_MOST = 16
"""Connections at once; one more, and the oldest is cut off: a probe is heard whoever else is."""
_POLL_SECONDS = 0.1
"""How long it may take to stop, and how closely `_WHOLE_SECONDS` is kept."""


class Reply(NamedTuple):
    """What a path answers."""

    status: HTTPStatus
    content_type: str
    body: bytes


Routes = Mapping[str, Callable[[str], Reply]]
"""By path; each is given the `Accept` header."""


class Server(ThreadingHTTPServer):
    """Serves some routes, in a thread of its own and one for each connection."""

    daemon_threads = True
    request_queue_size = _MOST

    def __init__(self, address: str, routes: Routes) -> None:
        """Listen at HOST:PORT, [::]:PORT too. Raises OSError."""
        host, _, port = address.rpartition(":")
        found = socket.getaddrinfo(
            host.strip("[]"), int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        self.address_family, *_, where = found[0]
        self.routes = routes
        self._open: dict[Any, float] = {}
        """Each connection, and when it must have ended."""
        super().__init__(where, _Handler)  # type: ignore[arg-type]  # an IPv6 one is longer

    def server_bind(self) -> None:
        """Bind, and leave out what HTTPServer does then: it asks DNS for its own name."""
        TCPServer.server_bind(self)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Begin to serve a connection."""
        if len(self._open) >= _MOST:
            self._cut_off(next(iter(self._open)))
        self._open[request] = time.monotonic() + _WHOLE_SECONDS
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Close a connection."""
        self._open.pop(request, None)
        super().shutdown_request(request)

    def service_actions(self) -> None:
        """Cut off who has been served for too long: he may send a byte now and then for ever."""
        now = time.monotonic()
        for request, end in list(self._open.items()):
            if now > end:
                self._cut_off(request)

    def _cut_off(self, request: Any) -> None:
        """Have its thread come to its end."""
        self._open.pop(request, None)
        with suppress(OSError):
            request.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        """Pass over who has left; tell of a mistake of ours."""
        if not isinstance(sys.exc_info()[1], OSError):
            log.warning("telemetry.http: a request could not be answered", exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    server: Server
    timeout = _SILENCE_SECONDS

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def _answer(self, with_body: bool) -> None:
        route = self.server.routes.get(self.path.partition("?")[0], self._not_found)
        status, content_type, body = route(self.headers.get("Accept", ""))
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def _not_found(self, _accept: str) -> Reply:
        known = ", ".join(self.server.routes)
        text = f"expected one of {known}\n"
        return Reply(HTTPStatus.NOT_FOUND, "text/plain; charset=utf-8", text.encode())

    def log_message(self, *_: Any) -> None:
        """Say nothing: stderr is the run's."""

    def version_string(self) -> str:
        return "optimizr"


@contextmanager
def listening(address: str, routes: Routes) -> Iterator[None]:
    """Serve for the length of a `with`. Raises ConfigError if the address cannot be had."""
    try:
        server = Server(address, routes)
    except (OSError, UnicodeError) as error:  # a name that is none fails as text already
        said = getattr(error, "strerror", None) or error
        raise ConfigError(
            f"telemetry.http: expected an address of this machine that is free, got {address!r} "
            f"({said}); name another"
        ) from None
    thread = threading.Thread(
        target=server.serve_forever, args=(_POLL_SECONDS,), name="http", daemon=True
    )
    with server:
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()
