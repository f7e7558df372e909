"""A Pub/Sub in memory: `python -m tests.servers.pubsub_service PORT`.

It refuses what Google says is refused: requests that are too large, deadlines out of range, late
receipts where delivery is exactly once. A subscription's labels say more: with `rights: consume`
nobody may see it, and with `refuses` all that is asked of it is refused with that status.
"""

from __future__ import annotations

import itertools
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.iam.v1 import iam_policy_pb2
from google.protobuf import any_pb2, empty_pb2
from google.pubsub_v1 import types
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

_LONGEST_DEADLINE = 600
_MOST = 1000
_PUBLISH_BYTES, _RECEIPT_BYTES = 10_000_000, 512 * 1024


@dataclass(slots=True)
class _Entry:
    message: types.PubsubMessage
    ack_id: str = ""
    """Of its last delivery."""
    free_at: float = 0.0
    deliveries: int = 0


@dataclass(slots=True)
class _Subscription:
    what: types.Subscription
    entries: dict[str, _Entry] = field(default_factory=dict)

    def free(self) -> list[_Entry]:
        now = time.monotonic()
        return [entry for entry in self.entries.values() if entry.free_at <= now]

    def ours(self, ack_id: str) -> _Entry | None:
        """Give the message if this is its last delivery, and its deadline has not ended."""
        entry = self.entries.get(ack_id.partition(":")[0])
        is_ours = entry and entry.ack_id == ack_id and entry.free_at > time.monotonic()
        return entry if is_ours else None


class Service:
    """All that is asked for, by the methods' names."""

    def __init__(self) -> None:
        self._topics: set[str] = set()
        self._subscriptions: dict[str, _Subscription] = {}
        self._numbers = itertools.count(1)
        self._changed = threading.Condition()

    def create_topic(self, topic: types.Topic, _context: Any) -> types.Topic:
        with self._changed:
            self._topics.add(topic.name)
        return topic

    def create_subscription(self, what: types.Subscription, context: Any) -> types.Subscription:
        with self._changed:
            self._has_topic(what.topic, context)
            what.ack_deadline_seconds = what.ack_deadline_seconds or 10
            self._subscriptions[what.name] = _Subscription(what)
        return what

    def get_subscription(
        self, request: types.GetSubscriptionRequest, context: Any
    ) -> types.Subscription:
        with self._changed:
            return self._find(request.subscription, context, "see").what

    def see_rights(self, request: Any, _context: Any) -> Any:
        with self._changed:
            found = self._subscriptions.get(request.resource)
            may = found and "refuses" not in found.what.labels
            return iam_policy_pb2.TestIamPermissionsResponse(
                permissions=request.permissions if may else []
            )

    def publish(self, request: types.PublishRequest, context: Any) -> types.PublishResponse:
        size = len(types.PublishRequest.serialize(request))
        with self._changed:
            self._has_topic(request.topic, context)
            if not 0 < len(request.messages) <= _MOST or size > _PUBLISH_BYTES:
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, "too many, or too large")
            for message in request.messages:
                message.message_id = str(next(self._numbers))
                for subscription in self._subscriptions.values():
                    if subscription.what.topic == request.topic:
                        subscription.entries[message.message_id] = _Entry(message)
            self._changed.notify_all()
        return types.PublishResponse(message_ids=[one.message_id for one in request.messages])

    def pull(self, request: types.PullRequest, context: Any) -> types.PullResponse:
        context.add_callback(self._wake)
        if request.max_messages < 1:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "max_messages")
        with self._changed:
            found = self._find(request.subscription, context)
            while context.is_active() and not found.free():
                ends = [entry.free_at - time.monotonic() for entry in found.entries.values()]
                self._changed.wait(max(0, min(ends, default=60)))
            if not context.is_active():
                context.abort(grpc.StatusCode.CANCELLED, "nobody waits")
            messages = [self._deliver(found, one) for one in found.free()[: request.max_messages]]
        return types.PullResponse(received_messages=messages)

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _deliver(self, found: _Subscription, entry: _Entry) -> types.ReceivedMessage:
        entry.free_at = time.monotonic() + found.what.ack_deadline_seconds
        entry.deliveries += 1
        # As long as Google's are.
        entry.ack_id = f"{entry.message.message_id}:{entry.deliveries}:".ljust(180, "x")
        is_counted = bool(found.what.dead_letter_policy.dead_letter_topic)
        return types.ReceivedMessage(
            ack_id=entry.ack_id,
            message=entry.message,
            delivery_attempt=entry.deliveries if is_counted else 0,
        )

    def modify_ack_deadline(self, request: types.ModifyAckDeadlineRequest, context: Any) -> Any:
        seconds = request.ack_deadline_seconds
        if not 0 <= seconds <= _LONGEST_DEADLINE:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "ack_deadline_seconds")
        with self._receipts(request, context) as (_, entries):
            for entry in entries:
                entry.free_at = time.monotonic() + seconds
        return empty_pb2.Empty()

    def acknowledge(self, request: types.AcknowledgeRequest, context: Any) -> Any:
        with self._receipts(request, context) as (found, entries):
            for entry in entries:
                del found.entries[entry.message.message_id]
        return empty_pb2.Empty()

    @contextmanager
    def _receipts(self, request: Any, context: Any) -> Iterator[tuple[_Subscription, list[_Entry]]]:
        """Give the messages of deliveries that have not ended; tell of others if that is asked."""
        size = len(type(request).serialize(request))
        if not request.ack_ids or size > _RECEIPT_BYTES:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "no ack_ids, or too many")
        with self._changed:
            found = self._find(request.subscription, context)
            entries = {ack_id: found.ours(ack_id) for ack_id in request.ack_ids}
            yield found, [entry for entry in entries.values() if entry]
            self._changed.notify_all()
        late = [ack_id for ack_id, entry in entries.items() if not entry]
        if late and found.what.enable_exactly_once_delivery:
            context.abort_with_status(rpc_status.to_status(_are_late(late)))

    def _has_topic(self, name: str, context: Any) -> None:
        if name not in self._topics:
            context.abort(grpc.StatusCode.NOT_FOUND, f"Resource not found (resource={name}).")

    def _find(self, name: str, context: Any, right: str = "consume") -> _Subscription:
        found = self._subscriptions.get(name)
        if found is None:
            context.abort(grpc.StatusCode.NOT_FOUND, f"Resource not found (resource={name}).")
            raise AssertionError
        if status := found.what.labels.get("refuses"):
            context.abort(grpc.StatusCode[status.upper()], "refused")
        if found.what.labels.get("rights", right) != right:
            context.abort(grpc.StatusCode.PERMISSION_DENIED, "User not authorized.")
        return found


def _are_late(ack_ids: list[str]) -> Any:
    info = error_details_pb2.ErrorInfo(
        metadata=dict.fromkeys(ack_ids, "PERMANENT_FAILURE_INVALID_ACK_ID")
    )
    detail = any_pb2.Any()
    detail.Pack(info)
    text = "Some acknowledgement ids in the request were invalid."
    return status_pb2.Status(code=code_pb2.FAILED_PRECONDITION, message=text, details=[detail])


def _handlers(service: Service) -> list[grpc.GenericRpcHandler]:
    def plus(method: Callable[[Any, Any], Any], request: Any, answer: Any = None) -> Any:
        return grpc.unary_unary_rpc_method_handler(
            method,
            request.deserialize,
            empty_pb2.Empty.SerializeToString if answer is None else answer.serialize,
        )

    iam = grpc.unary_unary_rpc_method_handler(
        service.see_rights,
        iam_policy_pb2.TestIamPermissionsRequest.FromString,
        iam_policy_pb2.TestIamPermissionsResponse.SerializeToString,
    )
    publisher = {
        "CreateTopic": plus(service.create_topic, types.Topic, types.Topic),
        "Publish": plus(service.publish, types.PublishRequest, types.PublishResponse),
    }
    subscriber = {
        "CreateSubscription": plus(
            service.create_subscription, types.Subscription, types.Subscription
        ),
        "GetSubscription": plus(
            service.get_subscription, types.GetSubscriptionRequest, types.Subscription
        ),
        "Pull": plus(service.pull, types.PullRequest, types.PullResponse),
        "ModifyAckDeadline": plus(service.modify_ack_deadline, types.ModifyAckDeadlineRequest),
        "Acknowledge": plus(service.acknowledge, types.AcknowledgeRequest),
    }
    make = grpc.method_handlers_generic_handler
    return [
        make("google.pubsub.v1.Publisher", publisher),
        make("google.pubsub.v1.Subscriber", subscriber),
        make("google.iam.v1.IAMPolicy", {"TestIamPermissions": iam}),
    ]


def main(port: int) -> None:
    # Each pull that waits has a thread. Nobody else may have the port: two would both answer.
    server = grpc.server(
        ThreadPoolExecutor(64),
        options=[("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", -1)],
    )
    server.add_generic_rpc_handlers(_handlers(Service()))
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    server.wait_for_termination()


if __name__ == "__main__":
    main(int(sys.argv[1]))
