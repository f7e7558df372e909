"""What a bucket is refused for is told before anything is begun, and no secret with it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest

from optimizr.errors import ConfigError, EnvironmentStop
from optimizr.store.bucket import BucketStore
from optimizr.store.memory import MemoryStore
from tests.buckets import new_bucket, open_at
from tests.servers.azurite import Azure
from tests.servers.fixtures import AsIdentity
from tests.servers.seaweed import S3, connect
from tests.watching import free_port

Open = Callable[[S3, str], BucketStore | MemoryStore]


@pytest.fixture
def open_as(monkeypatch: pytest.MonkeyPatch) -> Open:
    """Open a bucket as an identity that only the environment tells of."""
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "/dev/null")

    def open_bucket(s3: S3, bucket: str) -> BucketStore | MemoryStore:
        for name, value in s3.environment().items():
            monkeypatch.setenv(name, value)
        return open_at(f"s3://{bucket}/in", give_up_after=timedelta(seconds=1))

    return open_bucket


def told(call: Callable[[], object], s3: S3) -> str:
    with pytest.raises(ConfigError) as caught:
        call()
    message = str(caught.value)
    assert s3.secret_key not in message
    assert s3.access_key not in message
    return message


def test_a_wrong_secret_is_told_for_reading_and_for_writing(s3: S3, open_as: Open) -> None:
    bucket = s3.new_bucket()
    wrong = connect(s3.endpoint, s3.access_key, "wr0ng-s3cret")
    store = open_as(wrong, bucket)
    for setting, what, call in (
        ("input", "be listed", lambda: store.check("input")),
        ("output", "be written to", store.prepare),
    ):
        message = told(call, wrong)
        assert message.startswith(f"{setting}: expected s3://{bucket}/in to {what}, got: HTTP 403 ")
        assert "see that the credentials may do so" in message
    wrong.client.close()


def test_a_key_that_nobody_knows_is_told(s3: S3, open_as: Open) -> None:
    nobody = connect(s3.endpoint, "nob0dys-key", "nob0dys-secret")
    store = open_as(nobody, s3.new_bucket())
    assert "got: HTTP 403" in told(lambda: store.check("input"), nobody)
    nobody.client.close()


def test_a_bucket_that_is_not_there_is_told(s3: S3, open_as: Open) -> None:
    store = open_as(s3, "no-such-bucket")
    for call in (lambda: store.check("input"), store.prepare):
        assert "NoSuchBucket; check the bucket's name" in told(call, s3)


def test_who_may_only_read_is_told_when_an_output_is_prepared(
    s3: S3, s3_as: AsIdentity, open_as: Open
) -> None:
    bucket, reader = s3.new_bucket("pictures"), s3_as("reader")
    s3.client.put_object(Bucket=bucket, Key="in/a.jpg", Body=b"bytes")
    store = open_as(reader, bucket)
    store.check("input")
    assert store.get(b"a.jpg")[0] == b"bytes"
    message = told(store.prepare, reader)
    assert message.startswith(f"output: expected s3://{bucket}/in to be written to, got: HTTP 403")
    with pytest.raises(EnvironmentStop) as caught:
        store.put(b"b.webp", b"bytes")
    assert caught.value.cause == "store_refused"


def test_who_may_write_is_not_let_into_the_buckets_of_others(
    s3: S3, s3_as: AsIdentity, open_as: Open
) -> None:
    own, other, writer = s3.new_bucket("webps"), s3.new_bucket("pictures"), s3_as("writer")
    open_as(writer, own).prepare()
    store = open_as(writer, other)
    assert "got: HTTP 403" in told(store.prepare, writer)
    assert "got: HTTP 403" in told(lambda: store.check("input"), writer)


def test_no_credentials_at_all_are_told(
    s3: S3, open_as: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_as(s3, s3.new_bucket())
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    assert "no credentials are found; docs/storage.md says where" in told(
        lambda: store.check("input"), s3
    )


def test_a_server_that_is_down_ends_the_run_once_patience_ends(s3: S3, open_as: Open) -> None:
    down = replace(s3, endpoint=f"http://127.0.0.1:{free_port()}")
    store = open_as(down, "bucket")
    begin = time.monotonic()
    for call in (lambda: store.check("input"), store.prepare, lambda: next(store.objects())):
        with pytest.raises(EnvironmentStop) as caught:
            call()
        assert caught.value.cause == "store_unreachable"
        assert "expected s3://bucket/in to answer within 1s (store.give_up_after)" in str(
            caught.value
        )
        assert s3.secret_key not in str(caught.value)
    assert 1 <= time.monotonic() - begin < 30
    assert store.trouble() is not None


@pytest.mark.parametrize("scheme", ["gs", "az"])
def test_a_bucket_of_another_cloud_that_is_not_there_is_told(
    scheme: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    new_bucket(scheme, request, monkeypatch)
    store = open_at(f"{scheme}://no-such-bucket/in", give_up_after=timedelta(seconds=1))
    for call in (partial(store.check, "input"), store.prepare):
        with pytest.raises(ConfigError, match="check the bucket's name"):
            call()


def test_a_wrong_key_of_azure_is_told(azure: Azure, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = "d3JvbmctczNjcmV0"
    connection = azure.connection_string()
    key = connection.partition("AccountKey=")[2].partition(";")[0]
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", connection.replace(key, wrong))
    store = open_at(f"az://{azure.new_container()}")
    for call in (partial(store.check, "input"), store.prepare):
        with pytest.raises(ConfigError, match="see that the credentials may do so") as caught:
            call()
        assert wrong not in str(caught.value)


def test_azure_without_an_account_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AZURE_STORAGE_CONNECTION_STRING", raising=False)
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT_NAME", raising=False)
    with pytest.raises(ConfigError, match="no credentials are found"):
        open_at("az://container").check("input")


def test_google_without_credentials_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STORAGE_EMULATOR_HOST", raising=False)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/dev/null/none.json")
    with pytest.raises(ConfigError, match="no credentials are found"):
        open_at("gs://bucket").check("input")
