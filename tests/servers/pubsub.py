"""Google Pub/Sub: one of our own, always there, and Google's emulator where it is installed.

The emulator comes with Google Cloud's command line (component `pubsub-emulator`) and needs Java; no
registry has it. So all is held against `pubsub_service` too, which is a gRPC server with the
requests and answers that google-cloud-pubsub brings. Both are found by PUBSUB_EMULATOR_HOST.
"""

from __future__ import annotations

import shutil
import socket
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import grpc
from google.pubsub_v1 import PublisherClient, SubscriberClient
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport

from tests.servers.shared import OWN, Command
from tests.watching import free_port

PROJECT = "project"


class PubSub(NamedTuple):
    """Where it is."""

    endpoint: str

    def environment(self) -> dict[str, str]:
        """Give the variables by which a child process finds it, and asks no cloud who it is."""
        return {"PUBSUB_EMULATOR_HOST": self.endpoint, "NO_GCE_CHECK": "true"}

    @contextmanager
    def clients(self) -> Iterator[tuple[PublisherClient, SubscriberClient]]:
        """Give clients of its own."""
        with grpc.insecure_channel(self.endpoint) as channel:
            yield (
                PublisherClient(transport=PublisherGrpcTransport(channel=channel)),
                SubscriberClient(transport=SubscriberGrpcTransport(channel=channel)),
            )

    def new_subscription(self, counts: bool = True, **fields: Any) -> str:
        """Make a topic with a subscription and give its name; `counts` as its deliveries are."""
        name = f"s-{uuid.uuid4().hex}"
        topics = [f"projects/{PROJECT}/topics/{topic}-{name}" for topic in ("some", "dead")]
        if counts:
            fields["dead_letter_policy"] = {
                "dead_letter_topic": topics[1],
                "max_delivery_attempts": 100,
            }
        with self.clients() as (publisher, subscriber):
            for topic in topics:
                publisher.create_topic(name=topic)
            subscriber.create_subscription(
                request={"name": full_name(name), "topic": topics[0], **fields}
            )
        return name


def full_name(subscription: str) -> str:
    return f"projects/{PROJECT}/subscriptions/{subscription}"


def command(_home: Path) -> Command:
    """Tell how to start our own; it keeps all in memory."""
    port = free_port()
    return _command(port, [sys.executable, "-m", "tests.servers.pubsub_service", str(port)])


def emulator() -> str | None:
    """Find Google's emulator, if there is a Java to run it."""
    gcloud = shutil.which("gcloud")
    if gcloud is None or shutil.which("java") is None:
        return None
    folder = Path(gcloud).resolve().parents[1] / "platform/pubsub-emulator/lib"
    return next((str(found) for found in folder.glob("cloud-pubsub-emulator-*.jar")), None)


def emulator_command(_home: Path) -> Command:
    """Tell how to start it; it keeps all in memory."""
    java, found, port = shutil.which("java"), emulator(), free_port()
    assert java is not None
    assert found is not None
    return _command(port, [java, "-Xmx256m", "-jar", found, "--host=127.0.0.1", f"--port={port}"])


def _command(port: int, arguments: list[str]) -> Command:
    def ready() -> bool:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True

    return Command(
        arguments=arguments,
        environment=OWN,
        facts={"endpoint": f"127.0.0.1:{port}"},
        ready=ready,
    )
