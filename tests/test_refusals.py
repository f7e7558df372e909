"""What obstore raises is translated by what the server did."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from obstore.store import S3Store

from optimizr.errors import EnvironmentStop, PictureError, Reason, Stage
from optimizr.sections import PublishSettings, StoreSettings
from optimizr.store import Head
from optimizr.store.bucket import BucketStore
from optimizr.store.cloud import azure
from optimizr.store.cloud.backend import Backend, Page
from optimizr.store.cloud.objects import Found, Objects
from optimizr.store.cloud.refusals import Refusal
from optimizr.store.place import Place
from optimizr.store.verdicts import about_object, unusable

Serve = Callable[[socket.socket], None]


@contextmanager
def server(serve: Serve) -> Iterator[str]:
    """Do the same with each connection, once its request has come; give the URL."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def accept() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:  # closed: the test is over
                    return
                with connection:
                    if connection.recv(65536):
                        serve(connection)

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()


def saying(status: str, body: str = "", **headers: str) -> Serve:
    told = {"Content-Length": str(len(body)), "Connection": "close", **headers}
    lines = [f"HTTP/1.1 {status}", *(f"{name.replace('_', '-')}: {told[name]}" for name in told)]
    answer = "\r\n".join([*lines, "", body]).encode()
    return lambda connection: connection.sendall(answer)


def error(code: str) -> str:
    return f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>secret</Message></Error>'


def objects(url: str, seconds: float = 5) -> Objects:
    store = S3Store(
        "bucket",
        endpoint=url,
        region="us-east-1",
        access_key_id="key",
        secret_access_key="secret",
        client_options={"allow_http": True, "read_timeout": timedelta(seconds=seconds)},
        retry_config={"max_retries": 0},
    )
    return Objects(store)


def refusal(serve: Serve, ask: Callable[[Objects], object], seconds: float = 5) -> Refusal:
    with server(serve) as url, pytest.raises(Refusal) as caught:
        ask(objects(url, seconds))
    assert "secret" not in str(caught.value)
    return caught.value


def read(store: Objects) -> object:
    return store.read("a.jpg", lambda _head: None)


def put(store: Objects) -> None:
    store.put("a.webp", b"bytes", {})


ASKS: dict[str, Callable[[Objects], object]] = {
    "head": lambda store: store.head("a.jpg"),
    "read": read,
    "put": put,
    "put_new": lambda store: store.put("a.webp", b"bytes", {}, new=True),
    "delete": lambda store: store.delete("a.webp"),
}


@pytest.mark.parametrize("ask", ASKS.values(), ids=ASKS)
@pytest.mark.parametrize(
    ("status", "passing"),
    [
        *(("500 Oops", True), ("502 Bad Gateway", True), ("503 Slow Down", True)),
        *(("429 Too Many Requests", True), ("408 Request Timeout", True)),
        *(("403 Forbidden", False), ("401 Unauthorized", False), ("405 Not Allowed", False)),
    ],
)
def test_a_status_is_told_apart_whatever_was_asked(
    status: str, passing: bool, ask: Callable[[Objects], object]
) -> None:
    refused = refusal(saying(status), ask)
    assert refused.status == int(status[:3])
    assert refused.is_passing is passing


@pytest.mark.parametrize("ask", [read, put], ids=["read", "put"])
@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        ("403 Forbidden", "SignatureDoesNotMatch", "credentials"),
        ("403 Forbidden", "InvalidAccessKeyId", "credentials"),
        ("400 Bad Request", "ExpiredToken", "credentials"),
        ("403 Forbidden", "AccessDenied", ""),
        ("404 Not Found", "NoSuchBucket", "bucket"),
        ("404 Not Found", "NoSuchKey", ""),
        ("400 Bad Request", "RequestTimeout", "passing"),
        ("503 Slow Down", "SlowDown", "passing"),
    ],
)
def test_the_word_of_the_service_says_what_is_refused(
    status: str, code: str, kind: str, ask: Callable[[Objects], object]
) -> None:
    refused = refusal(saying(status, error(code)), ask)
    assert (refused.status, refused.code) == (int(status[:3]), code)
    assert refused.is_of_credentials is (kind == "credentials")
    assert refused.is_of_bucket is (kind == "bucket")
    assert refused.is_passing is (kind == "passing")


def test_an_object_that_is_not_there_is_told_by_its_status() -> None:
    assert refusal(saying("404 Not Found"), ASKS["head"]).status == 404
    assert refusal(saying("404 Not Found", error("NoSuchKey")), read).status == 404


@pytest.mark.parametrize("status", ["412 Precondition Failed", "409 Conflict"])
def test_a_put_that_is_not_new_is_told_by_its_status(status: str) -> None:
    refused = refusal(saying(status, error("PreconditionFailed")), ASKS["put_new"])
    assert refused.status == 412


def _silence(connection: socket.socket) -> None:
    connection.settimeout(5)
    with suppress(TimeoutError, ConnectionError):
        while connection.recv(65536):  # until the client has had enough
            pass


@pytest.mark.parametrize("ask", ASKS.values(), ids=ASKS)
@pytest.mark.parametrize("serve", [lambda _connection: None, _silence], ids=["closed", "silent"])
def test_no_answer_is_one_that_may_come_yet(serve: Serve, ask: Callable[[Objects], object]) -> None:
    refused = refusal(serve, ask, 0.3)
    assert refused.status is None
    assert refused.is_passing


def test_nobody_who_listens_is_no_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    with pytest.raises(Refusal) as caught:
        objects(f"http://127.0.0.1:{port}").head("a.jpg")
    assert caught.value.status is None
    assert str(caught.value) == "no connection"


@pytest.mark.parametrize(
    "headers", [{"Content_Length": "100"}, {"Content_Length": "100", "ETag": '"1"'}]
)
def test_a_body_that_is_cut_is_never_taken_for_a_whole_one(headers: dict[str, str]) -> None:
    told: dict[str, Any] = {"Last_Modified": "Wed, 25 Nov 2026 09:00:00 GMT", **headers}
    refused = refusal(saying("200 OK", "only a part", **told), read)
    assert refused.status is None
    assert refused.is_passing


PLACE = Place("s3", "bucket", "in")


def test_what_concerns_one_object_fails_one_picture() -> None:
    reasons = {
        (404, "NoSuchKey", Stage.FETCH): Reason.NOT_FOUND,
        (403, "AccessDenied", Stage.FETCH): Reason.UNREADABLE,
        (403, "InvalidObjectState", Stage.FETCH): Reason.UNREADABLE,
        (503, "SlowDown", Stage.FETCH): Reason.UNREADABLE,
        (400, "KeyTooLongError", Stage.STORE): Reason.OUTPUT_BLOCKED,
        (503, "", Stage.STORE): Reason.OUTPUT_BLOCKED,
    }
    for (status, code, stage), reason in reasons.items():
        verdict = about_object(PLACE, b"a%\xff.jpg", stage, Refusal(status, code))
        assert isinstance(verdict, PictureError)
        assert (verdict.stage, verdict.reason) == (stage, reason)


def test_what_concerns_them_all_stops_the_run() -> None:
    causes = {
        (404, "NoSuchBucket", Stage.FETCH): "bucket_gone",
        (403, "AccessDenied", Stage.STORE): "store_refused",
        (403, "SignatureDoesNotMatch", Stage.FETCH): "store_refused",
        (400, "ExpiredToken", Stage.LIST): "store_refused",
        (401, "", Stage.FETCH): "store_refused",
    }
    for (status, code, stage), cause in causes.items():
        verdict = about_object(PLACE, b"a.jpg", stage, Refusal(status, code))
        assert isinstance(verdict, EnvironmentStop)
        assert verdict.cause == cause


def test_a_bucket_of_no_use_is_told_with_what_to_look_at() -> None:
    told = {
        (404, "NoSuchBucket"): "check the bucket's name",
        (404, ""): "check the bucket's name",
        (403, "AccessDenied"): "see that the credentials may do so",
        (401, "NoCredentials"): "docs/storage.md says where they are looked for",
    }
    for (status, code), advice in told.items():
        mistake = unusable("input", PLACE, "be listed", Refusal(status, code))
        assert str(mistake).startswith("input: expected s3://bucket/in to be listed, got: ")
        assert advice in str(mistake)


@pytest.mark.parametrize("ask", [put, ASKS["put_new"]], ids=["put", "put_new"])
@pytest.mark.parametrize("code", ["OperationAborted", "ConditionalRequestConflict"])
def test_writes_at_the_same_moment_are_no_object_that_is_there(
    code: str, ask: Callable[[Objects], object]
) -> None:
    refused = refusal(saying("409 Conflict", error(code)), ask)
    assert refused.is_passing


def test_that_azure_has_the_blob_already_is_one() -> None:
    refused = refusal(saying("409 Conflict", error("BlobAlreadyExists")), ASKS["put_new"])
    assert refused.status == 412


@pytest.mark.parametrize("missing", [0, 100], ids=["cut by a proxy", "cut on its way"])
def test_a_listing_of_azure_that_is_cut_is_no_refusal(
    missing: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = '<?xml version="1.0"?><EnumerationResults><Blobs><Blob><Name>a.jp'
    serve = saying("200 OK", body, **{"Content-Length": str(len(body) + missing)})
    with server(serve) as url:
        account = f"AccountName=account;AccountKey=c2VjcmV0;BlobEndpoint={url}/account"
        monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", account)
        backend = azure.connect(Place("az", "container", ""), StoreSettings())
        with pytest.raises(Refusal) as caught:
            backend.page("", None, 10)
    assert caught.value.is_passing


@pytest.mark.parametrize("status", [400, 403])
def test_credentials_that_end_while_outputs_are_asked_for_stop_the_run(status: int) -> None:
    def head(_path: str) -> None:
        raise Refusal(status)  # there is no body that could say why

    def page(_prefix: str, _token: str | None, _most: int) -> Page:
        raise Refusal(400, "ExpiredToken")

    backend = Backend(cast(Objects, SimpleNamespace(head=head)), page, lambda _paths, _span: [])
    place = Place("s3", "bucket", "")
    store = BucketStore(place, lambda: backend, StoreSettings(), PublishSettings())
    for ask in (store.find, store.head):
        with pytest.raises(EnvironmentStop) as caught:
            ask(b"a.jpg.webp")
        assert caught.value.cause == "store_refused"
        assert "ExpiredToken" in str(caught.value)


def test_a_store_that_takes_no_bytes_stops_the_run_though_it_may_be_read() -> None:
    def put(*_: object) -> None:
        store.head(b"a.jpg")  # as other pictures' workers would
        raise Refusal(503)

    found = Found(Head(1, "1"), 0, {})
    fake = cast(Objects, SimpleNamespace(head=lambda _path: found, put=put))
    backend = Backend(fake, lambda *_: Page([], None), lambda _paths, _span: [])
    settings = StoreSettings(give_up_after=timedelta(seconds=0.5))
    store = BucketStore(Place("s3", "bucket", ""), lambda: backend, settings, PublishSettings())
    with pytest.raises(EnvironmentStop) as caught:
        store.put(b"a.jpg.webp", b"bytes")
    assert caught.value.cause == "store_unreachable"
