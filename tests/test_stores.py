"""What every store promises: a directory, and the buckets of each service."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from optimizr.errors import PictureError, Reason
from optimizr.keys import from_text
from optimizr.store import CHUNK, Label
from optimizr.store.bucket import BucketStore
from optimizr.store.local import LocalStore
from optimizr.store.memory import MemoryStore
from tests.buckets import KINDS, new_bucket, open_at

AnyStore = LocalStore | BucketStore | MemoryStore

# No backslash: SeaweedFS and Azurite take it for a slash.
ODD_NAMES = [
    *("two words.jpg", " leads.jpg", "trails ", "ünï/日本 🌸.jpg", "e\u0301.jpg", "a\u00a0b.jpg"),
    *("100%.jpg", "%2F.jpg", "%zz", "%25.jpg", "#1.jpg", "why?.jpg", "a+b.jpg", "a&b=c;d,e:f.jpg"),
    *('it\'s "so".jpg', "[x] {y} (z).jpg", "<a>|^`~$@!*.jpg", "..a", "a..b", "..."),
]


@pytest.fixture(params=["local", *KINDS])
def store(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AnyStore:
    """Give an empty store of each kind."""
    if request.param != "local":
        return open_at(f"{new_bucket(request.param, request, monkeypatch).url}/a folder/100%")
    store = LocalStore(str(tmp_path / "a folder/100%"))
    store.prepare()
    return store


def listed(store: AnyStore) -> list[bytes]:
    if isinstance(store, LocalStore):
        return [folder.prefix + name for folder in store.folders() for name in folder.names]
    return [found.key for found in store.objects()]


def reason_of(call: Callable[..., object], *arguments: object) -> Reason:
    with pytest.raises(PictureError) as caught:
        call(*arguments)
    return caught.value.reason


def test_what_is_put_is_got_whole_with_the_version_that_head_tells(store: AnyStore) -> None:
    for data in (b"bytes", b""):
        version = store.put(b"a/b.webp", data)
        assert version in ("", store.head(b"a/b.webp").version)
        got, head = store.get(b"a/b.webp")
        assert (got, head.size) == (data, len(data))
        assert store.head(b"a/b.webp") == head
        assert store.get(b"a/b.webp", head.version) == (got, head)
        standing = store.find(b"a/b.webp")
        assert standing is not None
        assert (standing.size, standing.label) == (len(data), None)


def test_another_version_than_the_one_asked_for_is_not_given(store: AnyStore) -> None:
    store.put(b"a.jpg", b"first")
    before = store.head(b"a.jpg")
    store.put(b"a.jpg", b"second")
    assert store.head(b"a.jpg").version != before.version
    assert reason_of(store.get, b"a.jpg", before.version) is Reason.CHANGED


def test_nothing_is_found_where_nothing_is(store: AnyStore) -> None:
    store.put(b"folder/a.webp", b"bytes")
    for key in (b"a.webp", b"folder/none.webp", b"none/a.webp"):
        assert reason_of(store.head, key) is Reason.NOT_FOUND
        assert reason_of(store.get, key) is Reason.NOT_FOUND
        assert store.find(key) is None
    assert store.find(b"folder") is None


def test_a_put_replaces_the_whole_of_what_stands(store: AnyStore) -> None:
    store.put(b"a.webp", b"a long one")
    store.put(b"a.webp", b"short")
    assert store.get(b"a.webp")[0] == b"short"
    assert listed(store) == [b"a.webp"]


def test_what_is_removed_is_gone_and_may_have_been_before(store: AnyStore) -> None:
    store.put(b"a.webp", b"a")
    store.put(b"b.webp", b"b")
    for _ in range(2):
        store.remove(b"a.webp")
        assert store.find(b"a.webp") is None
    assert listed(store) == [b"b.webp"]


@pytest.mark.parametrize("count", [0, 3, 17])
def test_chunks_become_one_object_however_many_they_are(store: AnyStore, count: int) -> None:
    def chunks() -> Iterator[bytes]:
        return (bytes([number]) * (1 << 20) for number in range(count))

    if count > 16 and isinstance(store, BucketStore) and store.place.scheme == "gs":
        pytest.skip("fake-gcs-server has no multipart uploads of Google's XML API")
    store.put_chunks(b"report.html", chunks)
    assert store.get(b"report.html")[0] == b"".join(chunks())
    assert listed(store) == [b"report.html"]


def test_odd_names_are_names_like_others(store: AnyStore) -> None:
    wanted = {f"{folder}{name}".encode() for name in ODD_NAMES for folder in ("", "in a [folder]/")}
    for key in wanted:
        store.put(key, key)
    for key in wanted:
        assert store.get(key)[0] == key
        assert store.find(key) is not None
    assert sorted(listed(store)) == sorted(wanted)
    for key in wanted:
        store.remove(key)
    assert listed(store) == []


def test_a_listing_of_many_pages_has_each_key_once_and_in_the_same_order(
    store: AnyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("optimizr.store.bucket._PAGE", 100)
    wanted = {f"{number % 7}/{number}.jpg".encode() for number in range(250)}
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda key: store.put(key, b"x"), wanted))
    found = listed(store)
    assert len(found) == 250
    assert set(found) == wanted
    assert listed(store) == found


def test_what_optimizr_keeps_for_itself_is_not_listed(store: AnyStore) -> None:
    for key in (b".optimizr/a.jpg", b"folder/.optimizr/deep/a.jpg", b".optimizr.jpg", b"a.jpg"):
        store.put(key, b"x")
    assert sorted(listed(store)) == [b".optimizr.jpg", b"a.jpg"]


def test_a_full_path_names_one_object_and_can_be_read_back(store: AnyStore) -> None:
    keys = [b"a.jpg", b"100%.jpg", b"%31.jpg", "ü/🌸.jpg".encode(), b"\xff\xfe.jpg"]
    paths = {store.full_path(key): key for key in keys}
    assert len(paths) == len(keys)
    for path, key in paths.items():
        assert from_text(path).endswith(b"/a folder/100%/" + key)
        path.encode()


def test_an_object_is_itself_by_every_way_to_it(store: AnyStore) -> None:
    store.put(b"a.webp", b"same")
    store.put(b"b.webp", b"same")
    assert store.identity(b"a.webp") == store.identity(b"a.webp")
    assert store.identity(b"a.webp") != store.identity(b"b.webp")


def test_threads_may_use_it_at_once(store: AnyStore) -> None:
    def work(thread: int) -> None:
        for number in range(20):
            key = f"{thread}/{number}.webp".encode()
            store.put(key, key * 100)
            assert store.get(key)[0] == key * 100
            store.put(b"same.webp", bytes([thread]) * 5000)
            assert len(set(store.get(b"same.webp")[0])) == 1

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert len(listed(store)) == 161


def test_a_store_that_is_fit_says_so_and_shows_no_trace_of_the_question(store: AnyStore) -> None:
    store.prepare()
    store.sweep()
    assert store.trouble() is None
    assert store.trouble(writing=True) is None
    assert listed(store) == []
    if not isinstance(store, LocalStore):
        store.check("input")


LARGE = b"".join(b"%07d\n" % number for number in range((9 << 20) // 8))


@pytest.mark.parametrize("data", [b"", b"small", LARGE], ids=["empty", "small", "large"])
def test_what_is_read_in_chunks_is_the_whole_as_often_as_it_is_read(
    store: AnyStore, data: bytes
) -> None:
    store.put(b"a/list.txt", data)
    chunks = store.get_chunks(b"a/list.txt")
    for _ in range(2):
        read = list(chunks())
        assert b"".join(read) == data
        assert all(0 < len(chunk) <= CHUNK for chunk in read)
    assert chunks.size == len(data)
    for start in {0, 1, len(data) // 2, max(0, len(data) - 1), len(data)}:
        assert b"".join(chunks(start)) == data[start:]


def test_what_is_replaced_while_it_is_read_is_told_or_read_to_its_end(store: AnyStore) -> None:
    store.put(b"list.txt", LARGE)
    chunks = store.get_chunks(b"list.txt")()
    begun = next(chunks)
    store.put(b"list.txt", bytes(len(LARGE)))
    if isinstance(store, LocalStore):
        assert begun + b"".join(chunks) == LARGE
    else:
        assert reason_of(lambda: list(chunks)) is Reason.CHANGED
    assert reason_of(store.get_chunks, b"none.txt") is Reason.NOT_FOUND


def test_a_clone_is_the_whole_of_another_with_a_label_of_its_own(store: AnyStore) -> None:
    version = store.put(b"a/first.webp", b"bytes", Label("1", "making"))
    assert version
    assert version == store.head(b"a/first.webp").version
    cloned = store.clone(b"b/second.webp", b"a/first.webp", version, Label("2", "making"), True)
    assert cloned
    got, head = store.get(b"b/second.webp")
    assert (got, head.version) == (b"bytes", cloned)
    standing = store.find(b"b/second.webp")
    assert standing is not None
    assert standing.label == (Label("2", "making") if store.keeps_labels else None)
    assert listed(store) == [b"a/first.webp", b"b/second.webp"]


def test_a_clone_and_its_original_are_replaced_and_removed_each_by_itself(store: AnyStore) -> None:
    def clones() -> list[bytes]:
        version = store.put(b"a.webp", b"bytes")
        for key in (b"b.webp", b"b.webp", b"c.webp"):  # b.webp again: where it stands already
            assert version is not None
            store.clone(key, b"a.webp", version)
        return [store.get(key)[0] for key in (b"a.webp", b"b.webp", b"c.webp")]

    assert clones() == [b"bytes"] * 3
    store.put(b"a.webp", b"others")
    assert store.get(b"b.webp")[0] == b"bytes"
    assert clones() == [b"bytes"] * 3
    store.put(b"b.webp", b"others")
    store.remove(b"a.webp")
    assert store.get(b"c.webp")[0] == b"bytes"
    assert listed(store) == [b"b.webp", b"c.webp"]


def test_what_is_gone_or_of_another_version_is_not_cloned(store: AnyStore) -> None:
    version = store.put(b"a.webp", b"first")
    assert version
    store.put(b"a.webp", b"other")
    assert reason_of(store.clone, b"b.webp", b"a.webp", version) is Reason.CHANGED
    store.remove(b"a.webp")
    assert reason_of(store.clone, b"b.webp", b"a.webp", version) is Reason.NOT_FOUND
    assert listed(store) == []


def test_a_new_clone_is_written_only_where_nothing_stands(store: AnyStore) -> None:
    version = store.put(b"a.webp", b"bytes")
    assert version
    store.put(b"b.webp", b"of others")
    cloned = store.clone(b"b.webp", b"a.webp", version, new=True)
    assert (cloned is None) == store.keeps_labels
    assert (store.get(b"b.webp")[0] == b"of others") == store.keeps_labels
