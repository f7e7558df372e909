"""What stores of buckets promise beside: labels, headers, and keys that cannot be asked for."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from optimizr.errors import PictureError, Reason, Stage
from optimizr.store import Label
from optimizr.store.addresses import path_of
from tests.buckets import KINDS, Bucket, new_bucket, open_at

VERSIONS = [
    '"9b2cf535f27731c974343645a3985328-12"',
    'W/"weak"',
    "1695598387078383",
    "12-1700000000000000000",
    "odd: %41 ü🌸 \\ ~=+,;& 'x'  ",
]
NOT_ADDRESSABLE = [
    *(b"a//b.jpg", b"d/./x.jpg", b"d/../x.jpg", b"./a.jpg", b"..", b"/a.jpg", b"dir/", b""),
    *(b"a\tb.jpg", b"a\nb.jpg", b"a\x00b.jpg", b"a\x7f.jpg", b"caf\xe9.jpg"),
]


def why_not(key: bytes) -> Reason | None:
    """Tell why a key cannot be asked for."""
    try:
        path_of(key, Stage.LIST)
    except PictureError as error:
        return error.reason
    return None


@pytest.fixture(params=KINDS)
def bucket(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    return new_bucket(request.param, request, monkeypatch)


def test_listing_tells_the_size_version_and_time_that_asking_tells(bucket: Bucket) -> None:
    store = open_at(f"{bucket.url}/in")
    store.put(b"a/b.webp", b"bytes")
    [found] = store.objects()
    standing = store.find(b"a/b.webp")
    assert standing is not None
    assert (found.key, found.problem) == (b"a/b.webp", None)
    assert (found.size, found.version) == store.head(b"a/b.webp")
    assert found.mtime_ns // 10**9 == standing.mtime_ns // 10**9


@pytest.mark.parametrize("version", VERSIONS)
def test_a_label_comes_back_as_it_was_put(bucket: Bucket, version: str) -> None:
    store = open_at(f"{bucket.url}/in")
    assert store.keeps_labels
    label = Label(version, "sha256:0123+4567")
    store.put(b"a.webp", b"bytes", label)
    standing = store.find(b"a.webp")
    assert standing is not None
    assert standing.label == label
    store.put(b"a.webp", b"of somebody else")
    standing = store.find(b"a.webp")
    assert standing is not None
    assert standing.label is None


def test_a_new_object_is_not_put_over_one_that_stands(bucket: Bucket) -> None:
    store = open_at(bucket.url)
    bucket.put("a.webp", b"first")
    assert not store.put(b"a.webp", b"second", Label("1", "x"), new=True)
    assert store.get(b"a.webp")[0] == b"first"
    assert store.put(b"b.webp", b"second", Label("1", "x"), new=True)
    assert store.get(b"b.webp")[0] == b"second"


def test_of_many_who_put_a_new_object_at_once_one_does(bucket: Bucket) -> None:
    if bucket.url.startswith("gs:"):
        pytest.skip("fake-gcs-server, as it stands behind its front, lets in two at the same time")
    stores = [open_at(bucket.url) for _ in range(2)]

    def put(number: int) -> bool:
        return stores[number % 2].put(b"a.webp", b"%d" % number, new=True) is not None

    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(put, range(16)))
    assert sum(done) == 1
    assert stores[0].get(b"a.webp")[0] == b"%d" % done.index(True)


@pytest.mark.parametrize("scheme", [scheme for scheme in KINDS if scheme != "memory"])
def test_objects_say_what_kind_they_are_and_how_long_to_keep_them(
    scheme: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = new_bucket(scheme, request, monkeypatch)
    store = open_at(f"{bucket.url}/in", cache_control="public, max-age=31536000")
    kinds = {
        "a.webp": "image/webp",
        "A.WEBP": "image/webp",
        "a.jpg": "image/jpeg",
        "report.html": "text/html",
        "summary.json": "application/json",
        "failed.jsonl": "application/x-ndjson",
        "what": "application/octet-stream",
    }
    for name, kind in kinds.items():
        store.put(name.encode(), b"x", Label("1", "x"))
        assert bucket.headers(f"in/{name}") == (kind, "public, max-age=31536000")
    store.put(b"summary.json", b"x")  # changes with each run
    assert bucket.headers("in/summary.json")[1] is None
    open_at(f"{bucket.url}/in").put(b"a.webp", b"x", Label("1", "x"))
    assert bucket.headers("in/a.webp")[1] is None


@pytest.mark.parametrize("prefix", ["", "/a folder"])
def test_a_key_that_cannot_be_asked_for_reaches_no_other_object(
    bucket: Bucket, prefix: str
) -> None:
    store = open_at(bucket.url + prefix)
    for key in (b"a/b.jpg", b"d/x.jpg", b"x.jpg", b"a.jpg", b"dir", b"ab.jpg"):
        store.put(key, b"another")
    odd = dict.fromkeys(NOT_ADDRESSABLE, Reason.KEY_NOT_ADDRESSABLE)
    odd[b"n" * 1025] = Reason.NAME_TOO_LONG
    before = bucket.all_keys()
    for key, reason in odd.items():
        for stage, call in (
            (Stage.LIST, lambda key=key: store.head(key)),
            (Stage.FETCH, lambda key=key: store.get(key)),
            (Stage.STORE, lambda key=key: store.find(key)),
            (Stage.STORE, lambda key=key: store.put(key, b"x")),
            (Stage.STORE, lambda key=key: store.put_chunks(key, lambda: [b"x"])),
            (Stage.STORE, lambda key=key: store.remove(key)),
        ):
            with pytest.raises(PictureError) as caught:
                call()
            assert (caught.value.stage, caught.value.reason) == (stage, reason)
    assert bucket.all_keys() == before


def test_a_listing_has_keys_that_cannot_be_asked_for_and_all_others(bucket: Bucket) -> None:
    odd = ["in/a//b.jpg", "in/d/./x.jpg", "in//a.jpg", "in/dir/", "in/tab\there.jpg"]
    if bucket.url.startswith("memory:"):
        odd += ["in/caf\udce9.jpg", f"in/{'n' * 1025}"]
    for key in [*odd, "in/a/b.jpg", "in/z.jpg", "other/x.jpg"]:
        try:
            bucket.put(key, b"bytes")
        except Exception:
            if key not in odd:
                raise
    kept = [key for key in bucket.all_keys() if key.startswith("in/")]
    found = {f.key: f.problem and f.problem.reason for f in open_at(f"{bucket.url}/in").objects()}
    as_bytes = [key.encode("utf-8", "surrogateescape")[3:] for key in kept]
    assert found == {key: why_not(b"in/" + key) for key in as_bytes}
    assert {b"a/b.jpg", b"z.jpg"} <= found.keys()
    if not set(odd) & set(kept):
        pytest.skip(f"the server of {bucket.url.partition(':')[0]} keeps no odd key")


def test_a_place_is_what_is_below_its_prefix_and_nothing_that_begins_alike(bucket: Bucket) -> None:
    for key in ("in/a.jpg", "in/deep/b.jpg", "in.jpg", "input/c.jpg", "i"):
        bucket.put(key, b"x")
    assert sorted(f.key for f in open_at(f"{bucket.url}/in").objects()) == [b"a.jpg", b"deep/b.jpg"]
    assert len(list(open_at(bucket.url).objects())) == 5


def test_places_that_are_left_out_are_not_listed(bucket: Bucket) -> None:
    for key in ("a.jpg", "webp/b.jpg", "webp/deep/c.jpg", "webp.jpg", "bad/d.jpg", "in/webp/e.jpg"):
        bucket.put(f"in/{key}", b"x")
    ours = [f"{bucket.url}/{place}" for place in ("in/webp", "in/bad/", "elsewhere", "in", "")]
    store = open_at(f"{bucket.url}/in", leave_out=ours)
    assert sorted(f.key for f in store.objects()) == [b"a.jpg", b"in/webp/e.jpg", b"webp.jpg"]


def test_a_bucket_of_thousands_is_listed_whole(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_at(new_bucket("s3", request, monkeypatch).url)
    wanted = {f"{number}.jpg".encode() for number in range(2500)}
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda key: store.put(key, b"x"), wanted))
    found = [listed.key for listed in store.objects()]
    assert len(found) == 2500
    assert set(found) == wanted
