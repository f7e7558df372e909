"""Amazon SQS, by boto3: what is received is invisible to others until its timeout.

Requests take up to ten messages each. Lists of what failed come with an answer that says all is
well, so they are looked through.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    HTTPClientError,
    NoCredentialsError,
    NoRegionError,
)
from botocore.exceptions import ConnectionError as NoConnection
from botocore.parsers import ResponseParserError

from optimizr.queue import Message, QueueRefused
from optimizr.queue.address import Address
from optimizr.queue.batches import batches

_BATCH_BYTES = 250_000
"""Of all messages of a request together; a queue may allow more, but need not."""
_LONGEST_WAIT = 20
_ANSWER_SECONDS = 10
"""How long an answer may take that waits for nothing."""
_REGION = re.compile(r"(?:sqs\.)?([a-z]{2}(?:-[a-z]+)+-\d)\.")
_ANY_REGION = "us-east-1"
_NOT_TAKEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_LATE = frozenset(
    {
        "ReceiptHandleIsInvalid",
        "InvalidParameterValue",
        "MessageNotInflight",
        "AWS.SimpleQueueService.MessageNotInflight",
    }
)
"""Of a delivery that is not ours any more."""
_MISSING = ("NonExistentQueue", "QueueDoesNotExist")


class Sqs:
    """Behaves as `optimizr.queue.Queue` says; deliveries are counted by the service."""

    batch = 10

    def __init__(self, address: Address, lease_seconds: float) -> None:
        self.name = address.name
        self._address = address
        self._queue = address.path.rpartition("/")[2] or address.host
        self._lease = math.ceil(lease_seconds)
        self._url: str | None = None
        if address.path:
            self._url = f"{address.scheme.removeprefix('sqs+')}://{address.host}/{address.path}"

    @cached_property
    def _client(self) -> Any:
        """Reach the service, with the credentials that boto3 finds."""
        return _client(self._address)

    def check(self) -> None:
        """See that it is there and may be read."""
        with _translated():
            self._client.get_queue_attributes(QueueUrl=self._at(), AttributeNames=["QueueArn"])

    def receive(self, most: int, wait_seconds: float) -> list[Message]:
        """Take up to 10, by long polling of whole seconds."""
        with _translated():
            answer = self._client.receive_message(
                QueueUrl=self._at(),
                MaxNumberOfMessages=min(most, self.batch),
                WaitTimeSeconds=min(math.ceil(wait_seconds), _LONGEST_WAIT),
                VisibilityTimeout=self._lease,
                MessageSystemAttributeNames=["ApproximateReceiveCount"],
            )
        return [
            Message(
                found["Body"].encode(),
                found["ReceiptHandle"],
                found["MessageId"],
                int(found.get("Attributes", {}).get("ApproximateReceiveCount", 0)),
            )
            for found in answer.get("Messages", ())
        ]

    def extend(self, messages: Sequence[Message]) -> None:
        """Have their visibility timeouts begin anew."""
        self._make_visible(messages, self._lease)

    def ack(self, messages: Sequence[Message]) -> None:
        """Delete them."""
        self._in_batches("delete_message_batch", messages, {})

    def nack(self, messages: Sequence[Message], delay_seconds: float = 0) -> None:
        """Make them visible, now or then."""
        self._make_visible(messages, math.ceil(delay_seconds))

    def send(self, bodies: Sequence[bytes]) -> None:
        """Send, as many in a request as it takes."""
        for batch in batches(map(_as_taken, bodies), len, self.batch, _BATCH_BYTES):
            entries = [
                {"Id": str(number), "MessageBody": body.decode()}
                for number, body in enumerate(batch)
            ]
            with _translated():
                answer = self._client.send_message_batch(QueueUrl=self._at(), Entries=entries)
            _check(answer.get("Failed", ()))

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _at(self) -> str:
        """Give the URL that requests name it by."""
        if self._url is None:
            self._url = self._client.get_queue_url(QueueName=self._queue)["QueueUrl"]
        return self._url

    def _make_visible(self, messages: Sequence[Message], seconds: int) -> None:
        more = {"VisibilityTimeout": seconds}
        self._in_batches("change_message_visibility_batch", messages, more)

    def _in_batches(self, request: str, messages: Sequence[Message], more: dict[str, int]) -> None:
        for start in range(0, len(messages), self.batch):
            entries = [
                {"Id": str(number), "ReceiptHandle": message.receipt, **more}
                for number, message in enumerate(messages[start : start + self.batch])
            ]
            with _translated():
                ask: Callable[..., Any] = getattr(self._client, request)
                answer = ask(QueueUrl=self._at(), Entries=entries)
            _check(found for found in answer.get("Failed", ()) if found["Code"] not in _LATE)


def connect(address: Address, lease_seconds: float) -> Sqs:
    """Give a queue; its service is reached when it is first asked for something."""
    return Sqs(address, lease_seconds)


def _client(address: Address) -> Any:
    """Make a client that asks once. An endpoint of its own needs a region to sign for, any."""
    config = Config(
        connect_timeout=_ANSWER_SECONDS,
        read_timeout=_LONGEST_WAIT + _ANSWER_SECONDS,
        retries={"total_max_attempts": 1},
        max_pool_connections=4,
    )
    session = boto3.Session()
    region = session.region_name or os.environ.get("AWS_REGION")  # boto3 does not know this one
    endpoint = None
    if address.path:
        told = _REGION.match(address.host)
        region = told[1] if told else region or _ANY_REGION
        endpoint = f"{address.scheme.removeprefix('sqs+')}://{address.host}"
    return session.client("sqs", region_name=region, endpoint_url=endpoint, config=config)


def _as_taken(body: bytes) -> bytes:
    """Escape what SQS takes in no body: control characters, and bytes that are no text.

    A dead letter of another service may have anything in it.
    """
    text = body.decode(errors="backslashreplace")
    return _NOT_TAKEN.sub(lambda found: f"\\x{ord(found[0]):02x}", text).encode()


def _check(failed: Iterable[dict[str, Any]]) -> None:
    for found in failed:
        advice = "" if not found["SenderFault"] else "see what the service says of the message"
        raise QueueRefused(found["Code"], not found["SenderFault"], advice)


@contextmanager
def _translated() -> Iterator[None]:
    """Raise what boto3 raises as QueueRefused; its texts may hold parts of requests."""
    try:
        yield
    except ClientError as error:
        raise _refusal(error) from None
    except (HTTPClientError, NoConnection, ResponseParserError) as error:
        raise QueueRefused(f"no answer ({type(error).__name__})", is_passing=True) from None
    except NoCredentialsError:
        raise QueueRefused("no credentials are found", False, _CREDENTIALS) from None
    except NoRegionError:
        raise QueueRefused("no region is known", False, "set AWS_REGION") from None
    except BotoCoreError as error:
        raise QueueRefused(type(error).__name__, False, _CREDENTIALS) from None


_CREDENTIALS = "docs/queues.md says where credentials are looked for"


def _refusal(error: ClientError) -> QueueRefused:
    code = str(error.response.get("Error", {}).get("Code", ""))
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code.endswith(_MISSING):
        return QueueRefused("no such queue", False, "check its name, and the region")
    if status >= 500 or status == 429 or "Thrott" in code:
        return QueueRefused(f"HTTP {status} {code}", is_passing=True)
    return QueueRefused(f"HTTP {status} {code}", False, "see that the credentials may do so")
