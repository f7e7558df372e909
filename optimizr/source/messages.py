"""What a message says: which objects are new.

Buckets tell of what happens in them in their clouds' own forms; each is known by what only it has.
Of what they tell, only that an object has come matters here: outputs are never removed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import unquote_to_bytes

from optimizr.keys import from_text
from optimizr.source.formats import Entry, located

_COME_S3 = ("ObjectCreated:", "ObjectRestore:Completed")
_COME_EVENTBRIDGE = ("Object Created", "Object Restore Completed")
_COME_GOOGLE = "OBJECT_FINALIZE"
_COME_AZURE = "Microsoft.Storage.BlobCreated"
_DEEPEST = 3
"""Envelopes within one another: EventBridge by way of SNS is two."""


def read(body: bytes, attributes: Mapping[str, str]) -> list[Entry]:
    """Tell which objects have come; none if the message is about something else.

    Raises ValueError if it is of no form that is known.
    """
    try:
        if "objectId" in attributes:
            return _google(attributes["eventType"], attributes["bucketId"], attributes["objectId"])
        return list(_read(json.loads(body)))
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(str(error)) from None


def whole(body: bytes, attributes: Mapping[str, str]) -> bytes:
    """Give a message's body, or what stands beside it if that is all: dead letters are bodies.

    It is never empty: not every service takes that.
    """
    if body:
        return body
    told = dict(attributes)
    if "objectId" in told:
        event = {"bucket": told.get("bucketId", ""), "name": told["objectId"]}
        told = {"kind": "storage#object", **event, **told}
    return json.dumps(told, ensure_ascii=False).encode()


def _read(message: Any, depth: int = _DEEPEST) -> Iterator[Entry]:
    if depth == 0:
        raise ValueError("envelopes within envelopes")
    if isinstance(message, list):  # as Azure's Event Grid delivers them
        for one in message:
            yield from _azure(one)
    elif message.get("Type") == "Notification":  # of SNS
        yield from _read(json.loads(message["Message"]), depth - 1)
    else:
        reader = next((reader for mark, reader in _FORMS.items() if mark in message), None)
        if reader is None:
            raise ValueError("nothing in it that is known")
        yield from reader(message)


def _s3_records(message: Any) -> Iterator[Entry]:
    for record in message["Records"]:
        yield from _s3(record)


def _s3(record: Any) -> Iterator[Entry]:
    """Read a record of S3's own form; its keys are quoted as those of HTML forms are."""
    s3 = record["s3"]
    if record["eventName"].removeprefix("s3:").startswith(_COME_S3):
        key = unquote_to_bytes(s3["object"]["key"].replace("+", " "))
        yield Entry(f"s3://{s3['bucket']['name']}", key)


def _eventbridge(event: Any) -> Iterator[Entry]:
    """Read an event of S3 by way of EventBridge; its keys are as they are."""
    if event["source"] != "aws.s3":
        raise ValueError("an event of another service")
    if event["detail-type"] in _COME_EVENTBRIDGE:
        detail = event["detail"]
        yield Entry(f"s3://{detail['bucket']['name']}", detail["object"]["key"].encode())


def _google_object(message: Any) -> Iterator[Entry]:
    """Read what Google Cloud Storage tells of an object, without the message's attributes."""
    if message["kind"] != "storage#object":
        raise ValueError("something else than an object")
    yield from _google(_COME_GOOGLE, message["bucket"], message["name"])


def _google(event: str, bucket: str, name: str) -> list[Entry]:
    return [Entry(f"gs://{bucket}", name.encode())] if event == _COME_GOOGLE else []


def _azure(event: Any) -> Iterator[Entry]:
    """Read an event of Event Grid, in its own form or as a CloudEvent."""
    kind = event.get("eventType") or event["type"]
    if not kind.startswith("Microsoft.Storage."):
        raise ValueError("an event of another service")
    if kind == _COME_AZURE:
        container, key = _container(event["subject"])
        yield Entry(f"az://{container}", key.encode())


def _container(subject: str) -> tuple[str, str]:
    """Take apart `/blobServices/default/containers/CONTAINER/blobs/KEY`."""
    _, services, _, containers, container, blobs, key = subject.split("/", 6)
    if (services, containers, blobs) != ("blobServices", "containers", "blobs"):
        raise ValueError("the subject of no blob")
    return container, key


def _plain(message: Any) -> Iterator[Entry]:
    """Read `{"key": ...}`; with `source`, as in failed.jsonl, that is the whole path or URL of it.

    Text is as in events: a per cent sign is `%25`.
    """
    whole = from_text(message.get("source", message["key"]))
    if not whole:
        raise ValueError("a key that is empty")
    yield located(whole)


def _nothing(_: Any) -> Iterator[Entry]:
    return iter(())


_FORMS: dict[str, Callable[[Any], Iterator[Entry]]] = {
    "Records": _s3_records,
    "detail-type": _eventbridge,
    "kind": _google_object,
    "subject": _azure,
    "key": _plain,
    "Event": _nothing,  # S3's, when notifications are set up
}
"""By the name that only a message of that form has."""
