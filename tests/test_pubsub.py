"""What only Pub/Sub does: deadlines for acknowledgement, topics, rights, Google's credentials."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.auth.transport.grpc import AuthMetadataPlugin
from google.auth.transport.requests import Request
from google.cloud.pubsub_v1 import SubscriberClient
from google.oauth2.credentials import Credentials
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport

from optimizr.queue import Queue, QueueRefused
from tests.queues import LEASE_SECONDS, open_at
from tests.servers import pubsub as servers
from tests.servers.pubsub import PROJECT, PubSub, full_name
from tests.servers.shared import running
from tests.watching import free_port

Opened = Callable[[str], Queue]


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Iterator[Opened]:
    """Gives what opens a subscription, of whichever service the environment names."""
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    queues: list[Queue] = []

    def open_one(subscription: str) -> Queue:
        queues.append(open_at(f"pubsub://{PROJECT}/{subscription}"))
        return queues[-1]

    yield open_one
    for queue in queues:
        queue.close()


@pytest.fixture
def found(pubsub: PubSub, monkeypatch: pytest.MonkeyPatch) -> PubSub:
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", pubsub.endpoint)
    return pubsub


def refusal(call: Callable[[], Any]) -> QueueRefused:
    with pytest.raises(QueueRefused) as refused:
        call()
    return refused.value


def take(queue: Queue, count: int, most: int = 1000) -> list[Any]:
    taken: list[Any] = []
    end = time.monotonic() + 20
    while len(taken) < count and time.monotonic() < end:
        taken += queue.receive(most, 1)
    return taken


def test_without_a_dead_letter_policy_deliveries_are_not_counted(
    found: PubSub, opened: Opened
) -> None:
    queue = opened(found.new_subscription(counts=False))
    queue.send([b"body"])
    for _ in range(2):
        (message,) = queue.receive(1, 10)
        assert (message.body, message.deliveries) == (b"body", 0)
        queue.nack([message])


def test_attributes_and_ids_come_along(found: PubSub, opened: Opened) -> None:
    name = found.new_subscription()
    with found.clients() as (publisher, subscriber):
        topic = subscriber.get_subscription(subscription=full_name(name)).topic
        one = {"data": b"body", "attributes": {"eventType": "OBJECT_FINALIZE", "objectId": "a.jpg"}}
        sent = publisher.publish(request={"topic": topic, "messages": [one]})
    (message,) = opened(name).receive(1, 10)
    assert message.attributes == {"eventType": "OBJECT_FINALIZE", "objectId": "a.jpg"}
    assert [message.name] == list(sent.message_ids)


def test_leases_are_ours_whatever_deadline_the_subscription_has(
    found: PubSub, opened: Opened
) -> None:
    queue = opened(found.new_subscription(ack_deadline_seconds=600))
    queue.send([b"body"])
    (message,) = queue.receive(1, 10)
    (again,) = queue.receive(1, 10 * LEASE_SECONDS)
    assert (message.name, again.deliveries) == (again.name, 2)


@pytest.mark.parametrize(
    "server", ["pubsub", pytest.param("pubsub_emulator", marks=pytest.mark.long)]
)
def test_thousands_are_sent_and_acknowledged_whole(
    server: str, request: pytest.FixtureRequest, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    service: PubSub = request.getfixturevalue(server)
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", service.endpoint)
    queue = opened(service.new_subscription())
    bodies = [b"%d" % number for number in range(2500)]
    queue.send(bodies)
    taken = take(queue, 2500)
    assert sorted(message.body for message in taken) == sorted(bodies)
    queue.extend(taken)
    queue.ack(taken)
    time.sleep(LEASE_SECONDS + 0.1)
    assert queue.receive(1, 0.1) == []


def test_large_messages_go_in_as_many_requests_as_it_takes(found: PubSub, opened: Opened) -> None:
    queue = opened(found.new_subscription())
    bodies = [bytes([number]) * 4_000_000 for number in range(4)]
    queue.send(bodies)
    # One at a time: the library's connection to an emulator takes no more than 4 MiB at once.
    assert sorted(message.body for message in take(queue, 4, most=1)) == bodies


def test_where_delivery_is_exactly_once_late_ones_are_passed_over_and_the_others_are_not(
    found: PubSub, opened: Opened
) -> None:
    queue = opened(found.new_subscription(enable_exactly_once_delivery=True))
    queue.send([b"late", b"in time"])
    first = take(queue, 2)
    queue.nack([message for message in first if message.body == b"late"])
    (again,) = queue.receive(1, 10)
    assert again.body == b"late"
    queue.extend(first)
    queue.ack(first)
    queue.nack(first)
    queue.nack([again])
    assert [message.body for message in queue.receive(10, 10)] == [b"late"]


def test_who_may_consume_but_not_see_may_take_and_not_send(found: PubSub, opened: Opened) -> None:
    queue = opened(found.new_subscription(labels={"rights": "consume"}))
    queue.check()
    assert queue.receive(1, 0.1) == []
    refused = refusal(lambda: queue.send([b"body"]))
    assert not refused.is_passing
    assert "pubsub.viewer" in refused.advice


@pytest.mark.parametrize(
    ("status", "advice"),
    [
        ("permission_denied", "roles/pubsub.subscriber"),
        ("unauthenticated", "credentials"),
        ("not_found", "names"),
        ("invalid_argument", "see what"),
        ("aborted", None),
        ("deadline_exceeded", None),
        ("internal", None),
        ("resource_exhausted", None),
        ("unavailable", None),
    ],
)
def test_what_may_be_over_in_a_moment_is_told_apart_and_else_there_is_advice(
    found: PubSub, opened: Opened, status: str, advice: str | None
) -> None:
    queue = opened(found.new_subscription(labels={"refuses": status}))
    refused = refusal(queue.check)
    assert refused.is_passing is (advice is None)
    assert (advice or "") in refused.advice
    with pytest.raises(QueueRefused):
        queue.receive(1, 1)


def test_what_the_service_never_takes_is_refused_for_good(found: PubSub, opened: Opened) -> None:
    queue = opened(found.new_subscription())
    refused = refusal(lambda: queue.send([b"x" * 11_000_000]))
    assert (refused.is_passing, str(refused)) == (False, "INVALID_ARGUMENT: too many, or too large")
    assert refused.advice


def test_a_service_that_is_gone_is_refused_in_passing(
    tmp_path: Path, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(tmp_path / "pubsub", servers.command) as facts:
        service = PubSub(facts["endpoint"])
        monkeypatch.setenv("PUBSUB_EMULATOR_HOST", service.endpoint)
        queue = opened(service.new_subscription())
        queue.send([b"body"])
        taken = queue.receive(1, 10)
    calls = (
        queue.check,
        lambda: queue.receive(1, 5),
        lambda: queue.send([b"body"]),
        lambda: queue.extend(taken),
        lambda: queue.ack(taken),
        lambda: queue.nack(taken),
    )
    for call in calls:
        assert refusal(call).is_passing


def test_silence_is_not_taken_for_an_empty_queue(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("optimizr.queue.services.pubsub._ANSWER_SECONDS", 0.5)
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as silent:  # listens, never accepts
        monkeypatch.setenv("PUBSUB_EMULATOR_HOST", f"127.0.0.1:{silent.server_port}")
        queue = opened("some")
        assert refusal(lambda: queue.receive(1, 1)).is_passing


def test_without_credentials_it_is_said_so_at_once(
    tmp_path: Path, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PUBSUB_EMULATOR_HOST", "GOOGLE_APPLICATION_CREDENTIALS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    queue = opened("some")
    began = time.monotonic()
    refused = refusal(queue.check)
    assert time.monotonic() - began < 10
    assert (refused.is_passing, str(refused)) == (False, "no credentials are found")
    assert refused.advice


class _Denies(BaseHTTPRequestHandler):
    """Gives no token."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(400)
        self.end_headers()
        self.wfile.write(b'{"error": "invalid_grant", "error_description": "secret"}')

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def denies() -> Iterator[int]:
    """Gives the port of what gives no token."""
    with HTTPServer(("127.0.0.1", 0), _Denies) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.fixture
def asks_who(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], None]]:
    """Gives what has the queue reach a service that wants a token, got at a port."""
    server = grpc.server(ThreadPoolExecutor(1))
    port = server.add_secure_port("127.0.0.1:0", grpc.local_server_credentials())
    server.start()

    def reach(token_port: int) -> None:
        user = Credentials(  # type: ignore[no-untyped-call]
            None,
            refresh_token="secret",
            client_id="id",
            client_secret="secret",
            token_uri=f"http://127.0.0.1:{token_port}/token",
        )
        plugin = AuthMetadataPlugin(user, Request())  # type: ignore[no-untyped-call]
        channel = grpc.secure_channel(
            f"127.0.0.1:{port}",
            grpc.composite_channel_credentials(
                grpc.local_channel_credentials(),
                grpc.metadata_call_credentials(plugin),
            ),
        )
        transport = SubscriberGrpcTransport(channel=channel)
        client = SubscriberClient(transport=transport)
        monkeypatch.setattr("optimizr.queue.services.pubsub.SubscriberClient", lambda: client)

    yield reach
    server.stop(None).wait()


def test_credentials_that_are_denied_a_token_are_refused_for_good(
    denies: int, asks_who: Callable[[int], None], opened: Opened
) -> None:
    asks_who(denies)
    refused = refusal(opened("some").check)
    assert (refused.is_passing, str(refused)) == (False, "no token is given")
    assert refused.advice


def test_a_token_that_cannot_be_asked_for_is_refused_in_passing(
    asks_who: Callable[[int], None], opened: Opened
) -> None:
    asks_who(free_port())
    assert refusal(opened("some").check).is_passing
