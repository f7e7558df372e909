"""A fresh bucket of each kind of store, and what its own client makes and sees in it."""

from __future__ import annotations

import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pytest
from azure.storage.blob import ContainerClient
from google.auth.credentials import AnonymousCredentials
from google.cloud.storage import Client

from optimizr.sections import PublishSettings, StoreSettings
from optimizr.store.bucket import BucketStore
from optimizr.store.memory import MemoryStore
from optimizr.store.open import open_place
from optimizr.store.place import Place, parse
from tests.servers.azurite import Azure
from tests.servers.gcs import Gcs
from tests.servers.seaweed import S3


class Bucket(ABC):
    """A bucket as the service's own client sees it."""

    url: str
    environment: Mapping[str, str] = {}

    @abstractmethod
    def put(self, key: str, data: bytes) -> None:
        """Make an object of any key, as far as the service takes it."""

    @abstractmethod
    def all_keys(self) -> list[str]:
        """List all."""

    def headers(self, key: str) -> tuple[str, str | None]:
        """Give content type and cache control."""
        raise NotImplementedError


class Memory(Bucket):
    def __init__(self, name: str = "bucket") -> None:
        self.name = f"{name}-{uuid.uuid4().hex}"
        self.url = f"memory://{self.name}"
        self._store = open_at(self.url)
        assert isinstance(self._store, MemoryStore)

    def put(self, key: str, data: bytes) -> None:
        self._store.put(b"plain", data)
        objects = MemoryStore.buckets[self.name]
        objects[key.encode("utf-8", "surrogateescape")] = objects.pop(b"plain")

    def all_keys(self) -> list[str]:
        return [key.decode("utf-8", "surrogateescape") for key in MemoryStore.buckets[self.name]]


class OfS3(Bucket):
    def __init__(self, s3: S3) -> None:
        self.name = s3.new_bucket()
        self.url = f"s3://{self.name}"
        self.environment = {
            **s3.environment(),
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        }
        self._client = s3.client

    def put(self, key: str, data: bytes) -> None:
        self._client.put_object(Bucket=self.name, Key=key, Body=data)

    def all_keys(self) -> list[str]:
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self.name)
        return [found["Key"] for page in pages for found in page.get("Contents", ())]

    def headers(self, key: str) -> tuple[str, str | None]:
        head = self._client.head_object(Bucket=self.name, Key=key)
        return head["ContentType"], head.get("CacheControl")


class OfGoogle(Bucket):
    def __init__(self, gcs: Gcs) -> None:
        self.url = f"gs://{gcs.new_bucket()}"
        self.environment = {"STORAGE_EMULATOR_HOST": gcs.endpoint}
        client: Any = Client(
            project="test",
            credentials=AnonymousCredentials(),  # type: ignore[no-untyped-call]
            client_options={"api_endpoint": gcs.endpoint},
        )
        self._bucket = client.bucket(self.url.removeprefix("gs://"))

    def put(self, key: str, data: bytes) -> None:
        self._bucket.blob(key).upload_from_string(data)

    def all_keys(self) -> list[str]:
        return [blob.name for blob in self._bucket.list_blobs()]

    def headers(self, key: str) -> tuple[str, str | None]:
        blob = self._bucket.get_blob(key)
        return blob.content_type, blob.cache_control


class OfAzure(Bucket):
    def __init__(self, azure: Azure) -> None:
        name = azure.new_container()
        self.url = f"az://{name}"
        self.environment = azure.environment()
        connection = azure.connection_string()
        self._client: Any = ContainerClient.from_connection_string(connection, name)

    def put(self, key: str, data: bytes) -> None:
        self._client.upload_blob(key, data)

    def all_keys(self) -> list[str]:
        return list(self._client.list_blob_names())

    def headers(self, key: str) -> tuple[str, str | None]:
        settings = self._client.get_blob_client(key).get_blob_properties().content_settings
        return settings.content_type, settings.cache_control


KINDS: dict[str, tuple[str | None, Callable[[Any], Bucket]]] = {
    "memory": (None, lambda _: Memory()),
    "s3": ("s3", OfS3),
    "gs": ("fake_gcs", OfGoogle),
    "az": ("azure", OfAzure),
}
"""By scheme: the fixture that a bucket is made from, and how."""


def new_bucket(
    scheme: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Bucket:
    """Make a bucket that stores find by their URL for as long as the test lasts."""
    fixture, make = KINDS[scheme]
    bucket = make(None if fixture is None else request.getfixturevalue(fixture))
    for name, value in bucket.environment.items():
        monkeypatch.setenv(name, value)
    return bucket


def place_of(url: str) -> Place:
    """Read a URL that names a bucket."""
    place = parse("input", url)
    assert place is not None
    return place


def open_at(
    url: str, cache_control: str | None = None, leave_out: Iterable[str] = (), **settings: Any
) -> BucketStore | MemoryStore:
    """Open the store that a URL names."""
    publish = PublishSettings(cache_control=cache_control)
    left_out = [place_of(other) for other in leave_out]
    return open_place(place_of(url), StoreSettings(**settings), publish, left_out)
