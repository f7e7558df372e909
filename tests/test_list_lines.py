"""Lists are read line by line: nothing is kept, nothing is lost, however they come in pieces."""

from __future__ import annotations

import gzip
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from itertools import islice
from urllib.parse import quote, quote_plus

from hypothesis import given
from hypothesis import strategies as st

from optimizr.source.formats import Columns, Entry, plain
from optimizr.source.lines import Line, Text
from optimizr.source.listed import Entries, Listed, OfBucket
from optimizr.source.names import extensions
from optimizr.source.portions import Part
from optimizr.source.root import Root
from optimizr.store import Chunks


def endless(lines: int) -> Iterator[bytes]:
    for start in range(0, lines, 1_000):
        yield b"".join(b"s3://b/%08d/a picture.jpg\n" % n for n in range(start, start + 1_000))


def text_of(name: str, pieces: Callable[[], Iterator[bytes]]) -> Text:
    return Text(name, Chunks(0, lambda _start: pieces()))


def made_up(lines: int) -> Listed:
    entries = Entries([Part(lambda: text_of("made up", lambda: endless(lines)))], plain)
    root = Root("s3://b", b"", None)
    return Listed(entries, root, OfBucket(root, bool), extensions(("jpeg",)))


def peak_of(lines: int) -> int:
    tracemalloc.start()
    assert sum(1 for _ in made_up(lines)) == lines
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak


def test_ten_times_as_many_lines_take_no_more_memory() -> None:
    peak_of(10_000)
    assert peak_of(100_000) < 1.2 * peak_of(10_000)


def test_of_a_million_lines_nothing_is_kept() -> None:
    items = iter(made_up(1_000_000))
    next(items)
    before = sys.getallocatedblocks()
    assert sum(1 for _ in islice(items, 995_000)) == 995_000
    assert sys.getallocatedblocks() - before < 50_000


def test_a_gzip_that_grows_without_end_takes_no_more_memory() -> None:
    bomb = gzip.compress(bytes(64 << 20))
    tracemalloc.start()
    assert [line.is_too_long for line in text_of("bomb", lambda: iter([bomb])).lines()] == [True]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 << 20


@given(st.lists(st.binary(max_size=9), max_size=9), st.integers(1, 7), st.booleans())
def test_lines_are_the_same_however_they_are_cut(
    texts: list[bytes], size: int, zipped: bool
) -> None:
    data = b"x\n" + b"\n".join(texts)
    expected = [
        Line(str(number), text.removesuffix(b"\r"))
        for number, text in enumerate(data.split(b"\n"), 1)
        if text.strip()
    ]
    raw = gzip.compress(data) if zipped else data
    first = max(size, 2)  # by which a gzip is recognised
    cut = [raw[:first], *(raw[at : at + size] for at in range(first, len(raw), size))]
    text = text_of("made up", lambda: iter(cut))
    assert list(text.lines()) == expected
    assert text.whole(len(data)) == data
    assert text.whole(len(data) - 1) is None


@given(st.binary(max_size=30), st.booleans())
def test_what_an_inventory_says_of_a_key_reads_back_as_it(key: bytes, with_plus: bool) -> None:
    encoded = (quote_plus if with_plus else quote)(key, safe="/")
    assert Columns().entry(f'"bucket","{encoded}"'.encode()) == Entry("s3://bucket", key)


@given(st.binary(min_size=1, max_size=30))
def test_a_line_names_the_bytes_that_it_has(key: bytes) -> None:
    key = key.translate(None, b"\n\r\0").replace(b"..", b"") or b"x"
    assert plain(b"s3://b/" + key) == Entry("s3://b", key)
    assert plain(b"/" + key) == Entry("/", key)
