"""moto: an SQS with visibility timeouts, receive counts and redrive to a dead-letter queue.

Beside it an S3 that sends notifications. Both take any credentials.
"""

from __future__ import annotations

import sys
import urllib.request
import uuid
from pathlib import Path
from typing import Any, NamedTuple

import boto3

from tests.servers.shared import OWN, Command
from tests.watching import free_port

REGION = "eu-central-1"


class Sqs(NamedTuple):
    """Where it is."""

    endpoint: str

    def environment(self) -> dict[str, str]:
        """Give the variables by which a child process finds it."""
        return {
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_ENDPOINT_URL_SQS": self.endpoint,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def client(self) -> Any:
        """Give a client of its own; the caller closes it."""
        return boto3.client(
            "sqs",
            endpoint_url=self.endpoint,
            aws_access_key_id="key",
            aws_secret_access_key="secret",
            region_name=REGION,
        )

    def new_queue(self, **attributes: str) -> str:
        """Make a queue and give its name."""
        name, client = f"queue-{uuid.uuid4().hex}", self.client()
        client.create_queue(QueueName=name, Attributes=attributes)
        client.close()
        return name


def command(home: Path) -> Command:  # noqa: ARG001 - it keeps all in memory
    """Tell how to start it."""
    port = free_port()
    facts = {"endpoint": f"http://127.0.0.1:{port}"}

    def ready() -> bool:
        with urllib.request.urlopen(f"{facts['endpoint']}/moto-api/", timeout=10) as answer:
            return bool(answer.status == 200)

    return Command(
        arguments=[sys.executable, "-m", "tests.servers.sqs_service", "-p", str(port)],
        environment=OWN,
        facts=facts,
        ready=ready,
    )
