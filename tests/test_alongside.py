"""A listing read along tells what stands in an output, or that it cannot tell."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import example, given
from hypothesis import strategies as st

from optimizr.store import UNSURE, Object
from optimizr.store.alongside import Alongside

# Few letters, so that keys share beginnings; those around `.` and `/` in the order of bytes.
_keys = st.text("a-./0", min_size=1, max_size=6).map(str.encode)
_sources = st.lists(_keys, max_size=30)
_windows = st.integers(1, 40)


def objects(keys: list[bytes]) -> Iterator[Object]:
    return (Object(key, size, "", size) for size, key in enumerate(keys))


def output_of(source: bytes) -> bytes:
    return source + b".webp"


@given(made=st.sets(_keys), others=st.sets(_keys), asked=_sources, window=_windows)
def test_of_a_sorted_listing_nothing_that_is_told_is_wrong_whatever_is_asked(
    made: set[bytes], others: set[bytes], asked: list[bytes], window: int
) -> None:
    listing = sorted({*map(output_of, made), *others})
    alongside = Alongside(objects(listing), window)
    for key in map(output_of, asked):
        told = alongside.find(key)
        if told is None:
            assert key not in listing
        elif told != UNSURE:
            assert told.size == listing.index(key)


@given(made=st.sets(_keys), asked=st.lists(_keys, max_size=30), in_order=st.booleans())
def test_of_a_sorted_listing_that_is_kept_whole_all_is_told(
    made: set[bytes], asked: list[bytes], in_order: bool
) -> None:
    listing = sorted(map(output_of, made))
    alongside = Alongside(objects(listing), 2 * len(listing) + 2)
    for key in map(output_of, sorted(asked) if in_order else asked):
        told = alongside.find(key)
        assert (told is not None) == (key in listing)
        assert told != UNSURE


@given(made=st.sets(_keys), new=st.sets(_keys), window=_windows)
@example(made={b"a", b"a-", b"a--"}, new=set(), window=1)
def test_of_pictures_in_their_own_order_a_window_as_long_as_the_listing_tells_all(
    made: set[bytes], new: set[bytes], window: int
) -> None:
    alongside = Alongside(objects(sorted(map(output_of, made))), window)
    for source in sorted(made | new):
        told = alongside.find(output_of(source))
        if told is None or len(made) <= window:
            assert (told is not None) == (source in made)
            assert told != UNSURE


def by_folder(key: bytes) -> list[bytes]:
    """Sort as stores do that keep folders."""
    return key.split(b"/")


_pictures = st.sets(_keys.map(lambda key: key + b".jpg"))


@given(made=_pictures, new=_pictures, window=_windows)
@example(made={b"a/a.jpg", b"a-/a.jpg"}, new=set(), window=10)
@example(made={b"a/a.jpg", b"a.jpg"}, new={b"a-/a.jpg"}, window=10)
def test_of_a_store_that_sorts_by_folders_no_output_is_told_to_be_missing(
    made: set[bytes], new: set[bytes], window: int
) -> None:
    listing = sorted(map(output_of, made), key=by_folder)
    alongside = Alongside(objects(listing), window)
    for source in sorted(made | new, key=by_folder):
        told = alongside.find(output_of(source))
        assert told is not None or source not in made
        if 2 * len(made) + 2 <= window:
            assert told != UNSURE


def test_of_large_folders_that_bytes_would_sort_otherwise_each_output_is_told() -> None:
    folders = ("album", "album 2", "album-3")
    sources = [f"{folder}/{number:03}.jpg".encode() for folder in folders for number in range(300)]
    alongside = Alongside(objects(list(map(output_of, sources))), 50)
    for place, source in enumerate(sources):
        told = alongside.find(output_of(source))
        assert told is not None
        assert told.size == place


@given(listing=st.lists(_keys, max_size=30), asked=st.lists(_keys, max_size=30), window=_windows)
@example(listing=[b"b", b"b", b"c"], asked=[b"z"], window=1)
@example(listing=[b"b", b"a", b"b", b"c"], asked=[b"z"], window=2)
def test_once_a_listing_is_seen_to_be_unsorted_nothing_is_told_to_be_missing_that_may_come(
    listing: list[bytes], asked: list[bytes], window: int
) -> None:
    read: list[bytes] = []

    def reading() -> Iterator[Object]:
        for found in objects(listing):
            read.append(found.key)
            yield found

    alongside = Alongside(reading(), window)
    for key in asked:
        told = alongside.find(key)
        if told is None:
            assert key not in read
            assert read == sorted(set(read)) or read == listing
        elif told != UNSURE:
            assert listing[told.size] == key


@given(listing=st.lists(_keys, max_size=60), window=_windows)
def test_no_more_is_kept_than_the_window(listing: list[bytes], window: int) -> None:
    alongside = Alongside(objects(listing), window)
    for key in sorted(listing):
        alongside.find(key)
        assert len(alongside._passed) <= window
        assert len(alongside._order) <= window


def test_no_more_is_read_than_is_asked_for() -> None:
    listing = objects([b"a", b"b", b"c", b"d"])
    alongside = Alongside(listing)
    assert alongside.find(b"b") is not None
    assert alongside.find(b"a") is not None
    assert next(listing).key == b"c"
