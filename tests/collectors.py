"""Collectors that take OTLP on this machine and keep it: one by HTTP, one by gRPC."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)


class Got(NamedTuple):
    """One span as it came, ids as in the log."""

    name: str
    trace_id: str
    span_id: str
    parent: str
    links: list[tuple[str, str]]
    start: int
    end: int
    attributes: dict[str, Any]
    error: str | None
    resource: dict[str, Any]


def spans(requests: list[ExportTraceServiceRequest]) -> list[Got]:
    """Read all spans."""
    return [
        Got(
            span.name,
            span.trace_id.hex(),
            span.span_id.hex(),
            span.parent_span_id.hex(),
            [(link.trace_id.hex(), link.span_id.hex()) for link in span.links],
            span.start_time_unix_nano,
            span.end_time_unix_nano,
            _values(span.attributes),
            span.status.message if span.status.code == span.status.STATUS_CODE_ERROR else None,
            _values(of.resource.attributes),
        )
        for request in requests
        for of in request.resource_spans
        for scope in of.scope_spans
        for span in scope.spans
    ]


def _values(attributes: Any) -> dict[str, Any]:
    return {a.key: getattr(a.value, a.value.WhichOneof("value")) for a in attributes}


Requests = list[ExportTraceServiceRequest]


@contextmanager
def by_http() -> Iterator[tuple[int, Requests]]:
    """Give the port, and what came to it."""
    got: Requests = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path == "/v1/traces":
                got.append(ExportTraceServiceRequest.FromString(body))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server.server_port, got
        server.shutdown()
        thread.join()


@contextmanager
def by_grpc() -> Iterator[tuple[int, Requests]]:
    """Give the port, and what came to it."""
    got: Requests = []

    class Servicer(trace_service_pb2_grpc.TraceServiceServicer):
        def Export(  # noqa: N802 - the name is the protocol's
            self,
            request: ExportTraceServiceRequest,
            context: Any,  # noqa: ARG002
        ) -> ExportTraceServiceResponse:
            got.append(request)
            return ExportTraceServiceResponse()

    with ThreadPoolExecutor(2) as pool:
        server = grpc.server(pool)
        add: Any = trace_service_pb2_grpc.add_TraceServiceServicer_to_server
        add(Servicer(), server)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        yield port, got
        server.stop(None).wait()
