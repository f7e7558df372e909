"""What messages say, in the form of each cloud that sends them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizr.config import Settings
from optimizr.keys import to_text
from optimizr.source.formats import Entry
from optimizr.source.messages import read, whole
from optimizr.source.root import Root
from optimizr.store.open import open_place
from optimizr.store.place import parse


def body(message: Any) -> bytes:
    return json.dumps(message).encode()


def s3_record(key: str, event: str = "ObjectCreated:Put", bucket: str = "photos") -> dict[str, Any]:
    return {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "eventName": event,
        "s3": {"bucket": {"name": bucket}, "object": {"key": key, "size": 9, "eTag": "e"}},
    }


def sns(message: Any) -> dict[str, Any]:
    return {"Type": "Notification", "MessageId": "1", "Message": json.dumps(message)}


EVENTBRIDGE = {
    "version": "0",
    "detail-type": "Object Created",
    "source": "aws.s3",
    "detail": {"bucket": {"name": "photos"}, "object": {"key": "a b+c%20.jpg", "size": 5}},
}
EVENT_GRID = {
    "topic": "/subscriptions/x/storageAccounts/y",
    "subject": "/blobServices/default/containers/photos/blobs/a/b/c d.jpg",
    "eventType": "Microsoft.Storage.BlobCreated",
    "data": {"api": "PutBlob"},
}
GOOGLE = {"kind": "storage#object", "bucket": "photos", "name": "a/b c%.jpg", "size": "5"}


def test_records_of_s3_are_read_and_their_keys_unquoted_as_forms_are() -> None:
    message = {
        "Records": [s3_record("a/b+c%2Bd%C3%A4.jpg"), s3_record("x.png", "s3:ObjectCreated:Copy")]
    }
    assert read(body(message), {}) == [
        Entry("s3://photos", "a/b c+dä.jpg".encode()),
        Entry("s3://photos", b"x.png"),
    ]


def test_a_key_of_s3_that_is_no_utf8_is_read_as_its_bytes() -> None:
    assert read(body({"Records": [s3_record("%FF.jpg")]}), {}) == [
        Entry("s3://photos", b"\xff.jpg")
    ]


def test_what_s3_tells_of_other_things_than_new_objects_is_nothing() -> None:
    removed = {"Records": [s3_record("a.jpg", "ObjectRemoved:Delete")]}
    test = {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "photos"}
    assert read(body(removed), {}) == []
    assert read(body(test), {}) == []
    restored = {"Records": [s3_record("a.jpg", "ObjectRestore:Completed")]}
    assert len(read(body(restored), {})) == 1


def test_envelopes_of_sns_and_eventbridge_are_opened() -> None:
    told = [Entry("s3://photos", b"a.jpg")]
    assert read(body(sns({"Records": [s3_record("a.jpg")]})), {}) == told
    as_is = [Entry("s3://photos", b"a b+c%20.jpg")]
    assert read(body(EVENTBRIDGE), {}) == as_is
    assert read(body(sns(EVENTBRIDGE)), {}) == as_is
    assert read(body({**EVENTBRIDGE, "detail-type": "Object Deleted"}), {}) == []


def test_notifications_of_google_are_read_from_attributes_or_else_from_the_body() -> None:
    told = [Entry("gs://photos", b"a/b c%.jpg")]
    attributes = {"eventType": "OBJECT_FINALIZE", "bucketId": "photos", "objectId": "a/b c%.jpg"}
    assert read(b"", attributes) == told
    assert read(body(GOOGLE), attributes) == told
    assert read(body(GOOGLE), {}) == told
    assert read(body(GOOGLE), {**attributes, "eventType": "OBJECT_DELETE"}) == []


def test_a_dead_letter_tells_what_stood_beside_an_empty_body() -> None:
    attributes = {"eventType": "OBJECT_FINALIZE", "bucketId": "b", "objectId": "ä b.jpg"}
    assert read(whole(b"", attributes), {}) == read(b"", attributes)
    assert whole(b"x", attributes) == b"x"
    assert whole(b"", {}) != b""


def test_events_of_azures_event_grid_are_read_one_or_several_also_as_cloud_events() -> None:
    told = Entry("az://photos", b"a/b/c d.jpg")
    cloud = {
        "specversion": "1.0",
        "type": EVENT_GRID["eventType"],
        "subject": EVENT_GRID["subject"],
    }
    assert read(body(EVENT_GRID), {}) == [told]
    assert read(body([EVENT_GRID, cloud]), {}) == [told, told]
    assert read(body({**EVENT_GRID, "eventType": "Microsoft.Storage.BlobDeleted"}), {}) == []


def test_a_plain_key_is_one_below_the_root_and_a_url_says_itself_where_it_is() -> None:
    assert read(b'{"key": "a b%25%FF.jpg"}', {}) == [Entry("", b"a b%\xff.jpg")]
    assert read(b'{"key": "s3://photos/a/b.jpg"}', {}) == [Entry("s3://photos", b"a/b.jpg")]
    line = {"key": "b.jpg", "source": "s3://photos/a/b.jpg", "reason": "truncated"}
    assert read(body(line), {}) == [Entry("s3://photos", b"a/b.jpg")]


@pytest.mark.parametrize("key", ["50%41.jpg", "ä b.jpg", "a?b#c.jpg"])
def test_what_is_enqueued_from_a_web_server_reads_back_as_it(key: str) -> None:
    settings = Settings(input="https://host/p", output="/tmp")
    place = parse("input", settings.input)
    assert place is not None
    store = open_place(place, settings.store, settings.publish)
    line = {"key": key, "source": store.full_path(key.encode())}
    assert read(body(line), {}) == [Entry("https://host", f"p/{key}".encode())]


@pytest.mark.parametrize(
    "odd",
    [
        b"",
        b"a.jpg",
        b"\xff\xfe",
        b"null",
        b"7",
        b'"text"',
        b"{}",
        b"[7]",
        b'{"key": ""}',
        b'{"key": 7}',
        b'{"key": null}',
        b'{"Records": 7}',
        b'{"Records": [{"eventSource": "aws:ses"}]}',
        b'{"Type": "Notification", "Message": "hello"}',
        b'{"kind": "storage#bucket"}',
        b'{"detail-type": "x", "source": "aws.ec2"}',
        b'{"subject": "/x", "eventType": "Microsoft.Storage.BlobCreated"}',
        b'{"subject": "/x", "eventType": "Other.Thing"}',
        b"[" * 100_000,
    ],
)
def test_a_message_of_no_known_form_is_a_value_error(odd: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whatever the text
        read(odd, {})


def test_envelopes_without_end_are_refused() -> None:
    message: Any = {"Records": []}
    for _ in range(5):
        message = sns(message)
    with pytest.raises(ValueError, match="envelopes"):
        read(body(message), {})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["Records", "Type", "Message", "Event", "key", "source", "kind", "subject", "s3"]
            )
            | st.text(max_size=3),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(JSON, st.dictionaries(st.sampled_from(["eventType", "bucketId", "objectId"]), st.text()))
def test_whatever_comes_it_is_read_or_a_value_error(
    message: Any, attributes: dict[str, str]
) -> None:
    try:
        told = read(body(message), attributes)
    except ValueError:
        return
    assert all(isinstance(one.key, bytes) for one in told)


def test_a_root_in_a_bucket_has_what_begins_with_it_and_passes_over_the_rest() -> None:
    root = Root.given("s3://photos/2024")
    assert root.key_of(Entry("s3://photos", b"2024/a.jpg")) == b"a.jpg"
    assert root.key_of(Entry("", b"a.jpg")) == b"a.jpg"
    for beside in (b"2025/a.jpg", b"2024", b"20245/a.jpg"):
        assert root.key_of(Entry("s3://photos", beside)) is None
    for elsewhere in ("s3://other", "gs://photos"):
        with pytest.raises(ValueError, match="a picture of"):
            root.key_of(Entry(elsewhere, b"2024/a.jpg"))


def test_a_whole_bucket_as_root_has_all_of_it() -> None:
    assert Root.given("gs://photos").key_of(Entry("gs://photos", b"a/b.jpg")) == b"a/b.jpg"


@pytest.mark.parametrize("key", [b"../a", b"a/../b", b"/data/in/../a", b"a\0b"])
def test_nothing_leads_out_of_a_directory(key: bytes) -> None:
    with pytest.raises(ValueError, match="leads elsewhere"):
        read(body({"key": to_text(key)}), {})
    with pytest.raises(ValueError, match="leads elsewhere"):
        Root.given("/data/in").key_of(Entry("", key))


def test_a_directory_has_what_is_below_it_by_relative_and_by_absolute_paths() -> None:
    root = Root.given("/data/in")
    assert root.key_of(Entry("", b"a/b.jpg")) == b"a/b.jpg"
    assert root.key_of(Entry("/", b"data/in/./a//b.jpg")) == b"a/b.jpg"
    with pytest.raises(ValueError, match="another directory"):
        root.key_of(Entry("/", b"etc/a.jpg"))
    with pytest.raises(ValueError, match="a picture of"):
        root.key_of(Entry("s3://photos", b"a.jpg"))
