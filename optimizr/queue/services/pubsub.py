"""Google Pub/Sub, by google-cloud-pubsub: pulled, with its deadlines for acknowledgement as leases.

Calls are single requests: the library's threads that pull ahead, and its own retries, are not used.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import grpc
from google.api_core.exceptions import GoogleAPICallError, GoogleAPIError
from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError, TransportError
from google.cloud.pubsub_v1 import SubscriberClient
from google.pubsub_v1 import PublisherClient
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport

from optimizr.queue import Message, QueueRefused
from optimizr.queue.address import Address
from optimizr.queue.batches import batches

_SEND_BYTES, _RECEIPT_BYTES = 9_000_000, 400_000
"""Of all of them together: the service takes 10 MB and 512 KiB, with all that is around them."""
_LONGEST_DEADLINE = 600
_ANSWER_SECONDS = 10.0
"""How long an answer may take that waits for nothing."""
_SHORTEST_WAIT = 1.0
"""What comes after we have stopped to wait is nobody's until its deadline, so it is not shorter."""
_SILENCE_SECONDS = 60.0
"""A pull ends alike if nothing came and if nobody answered: so long that may be left open."""


class _Clients(NamedTuple):
    """Of one connection."""

    subscriber: Any
    publisher: Any


class PubSub:
    """Behaves as `optimizr.queue.Queue` says; a dead letter policy makes the service count.

    A retry policy of the subscription may delay further what is given back.
    """

    batch = 1000

    def __init__(self, address: Address, lease_seconds: float) -> None:
        self.name = address.name
        self._project = f"projects/{address.host}"
        self._subscription = f"{self._project}/subscriptions/{address.path}"
        self._lease = min(math.ceil(lease_seconds), _LONGEST_DEADLINE)
        self._lock = threading.Lock()
        self._clients: _Clients | None = None
        self._topic: str | None = None
        self._heard = -math.inf
        """When the service answered last."""

    def check(self) -> None:
        """See that it is there; who may not see it may still have the right to consume it."""
        with _translated():
            try:
                self._ask("get_subscription", subscription=self._subscription)
            except GoogleAPICallError as error:
                if _code(error) != "PERMISSION_DENIED" or not self._may_consume():
                    raise

    def _may_consume(self) -> bool:
        right = "pubsub.subscriptions.consume"
        asked = {"resource": self._subscription, "permissions": [right]}
        return right in self._ask("test_iam_permissions", request=asked).permissions

    def receive(self, most: int, wait_seconds: float) -> list[Message]:
        """Pull, and make deadlines as long as the lease, whatever the subscription says."""
        end = time.monotonic() + wait_seconds
        while True:
            messages = self._pull(min(most, self.batch), end - time.monotonic())
            if messages or time.monotonic() >= end:
                self.extend(messages)
                return messages

    def _pull(self, most: int, wait_seconds: float) -> list[Message]:
        with _translated():
            try:
                answer = self._ask(
                    "pull",
                    subscription=self._subscription,
                    max_messages=most,
                    timeout=min(max(wait_seconds, _SHORTEST_WAIT), _SILENCE_SECONDS),
                )
            except GoogleAPICallError as error:
                if _code(error) != "DEADLINE_EXCEEDED":
                    raise
                if time.monotonic() - self._heard > _SILENCE_SECONDS:
                    self.check()
                return []
        return [
            Message(
                found.message.data,
                found.ack_id,
                found.message.message_id,
                found.delivery_attempt,
                dict(found.message.attributes),
            )
            for found in answer.received_messages
        ]

    def extend(self, messages: Sequence[Message]) -> None:
        """Have their deadlines begin anew."""
        self._in_batches("modify_ack_deadline", messages, ack_deadline_seconds=self._lease)

    def ack(self, messages: Sequence[Message]) -> None:
        """Acknowledge them."""
        self._in_batches("acknowledge", messages)

    def nack(self, messages: Sequence[Message], delay_seconds: float = 0) -> None:
        """Have their deadlines end now, or then."""
        seconds = min(math.ceil(delay_seconds), _LONGEST_DEADLINE)
        self._in_batches("modify_ack_deadline", messages, ack_deadline_seconds=seconds)

    def _in_batches(self, method: str, messages: Sequence[Message], **more: int) -> None:
        receipts = [message.receipt for message in messages]
        for batch in batches(receipts, len, self.batch, _RECEIPT_BYTES):
            with _translated():
                try:
                    self._ask(method, subscription=self._subscription, ack_ids=batch, **more)
                except GoogleAPICallError as error:
                    if not _are_all_late(error):
                        raise

    def send(self, bodies: Sequence[bytes]) -> None:
        """Publish to the topic of the subscription."""
        for batch in batches(bodies, len, self.batch, _SEND_BYTES):
            with _translated():
                self._ask(
                    "publish",
                    topic=self._its_topic(),
                    messages=[{"data": body} for body in batch],
                )

    def _its_topic(self) -> str:
        if self._topic is None:
            found = self._ask("get_subscription", subscription=self._subscription)
            self._topic = found.topic
        return self._topic

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            if self._clients is not None:
                self._clients.subscriber.close()

    def _ask(self, method: str, timeout: float | None = None, **fields: Any) -> Any:
        """Ask once."""
        clients = self._reached()
        client = clients.publisher if method == "publish" else clients.subscriber
        call = getattr(client, method)
        answer = call(retry=None, timeout=timeout or _ANSWER_SECONDS, **fields)
        self._heard = time.monotonic()
        return answer

    def _reached(self) -> _Clients:
        """Give the clients; credentials are looked for when they are made."""
        with self._lock:
            if self._clients is None:
                subscriber = SubscriberClient()
                channel = subscriber.transport.grpc_channel
                publisher = PublisherClient(transport=PublisherGrpcTransport(channel=channel))
                self._clients = _Clients(subscriber, publisher)
            return self._clients


def connect(address: Address, lease_seconds: float) -> PubSub:
    """Give a subscription; it is reached when it is first asked for something."""
    return PubSub(address, lease_seconds)


def _code(error: GoogleAPICallError) -> str:
    return "UNKNOWN" if error.grpc_status_code is None else str(error.grpc_status_code.name)


def _are_all_late(error: GoogleAPICallError) -> bool:
    """Tell whether nothing failed but deliveries that are not ours any more.

    Only subscriptions that deliver exactly once tell; with the others they are passed over.
    """
    failed = list((error.metadata or {}).values())
    return bool(failed) and all(value.startswith("PERMANENT_FAILURE") for value in failed)


@contextmanager
def _translated() -> Iterator[None]:
    """Raise what the libraries raise as QueueRefused."""
    try:
        yield
    except GoogleAPICallError as error:
        raise _refusal(error) from None
    except (GoogleAPIError, grpc.RpcError) as error:
        raise QueueRefused(f"no answer ({type(error).__name__})", is_passing=True) from None
    except DefaultCredentialsError:
        raise QueueRefused("no credentials are found", False, _CREDENTIALS) from None
    except GoogleAuthError as error:  # its text may hold parts of an answer that has a token
        got = f"no token is given ({type(error).__name__})"
        is_passing = error.retryable or isinstance(error, TransportError)
        raise QueueRefused(got, is_passing, _CREDENTIALS) from None


_PASSING = frozenset(
    {
        "ABORTED",
        "CANCELLED",
        "DEADLINE_EXCEEDED",
        "INTERNAL",
        "RESOURCE_EXHAUSTED",
        "UNAVAILABLE",
        "UNKNOWN",
    }
)
"""What the library itself tries again, when it may."""
_CREDENTIALS = "docs/queues.md says where credentials are looked for"
_ADVICE = {
    "NOT_FOUND": "check the names of project and subscription, and that its topic is there",
    "PERMISSION_DENIED": "see that the credentials may do so: roles/pubsub.subscriber and "
    "roles/pubsub.viewer; to send, roles/pubsub.publisher too",
    "UNAUTHENTICATED": _CREDENTIALS,
}
_OTHER = "see what the service says of the request"


def _refusal(error: GoogleAPICallError) -> QueueRefused:
    code, text = _code(error), str(error.message)
    if "metadata from plugin failed" in text:  # where a token is got for each request
        return QueueRefused("no token is given", "invalid_grant" not in text, _CREDENTIALS)
    failed = (error.metadata or {}).values()
    if code in _PASSING or any(value.startswith("TRANSIENT_FAILURE") for value in failed):
        return QueueRefused(code, is_passing=True)
    return QueueRefused(f"{code}: {text}", False, _ADVICE.get(code, _OTHER))
