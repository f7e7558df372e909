"""Shards of a list: together they read all of it, each line once, and none reads it all."""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizr.source.formats import Columns, plain
from optimizr.source.lines import Text
from optimizr.source.listed import Entries
from optimizr.source.portions import Part
from optimizr.source.shard import Shard
from optimizr.store import CHUNK, Chunks
from tests.buckets import Memory
from tests.library import Library

_LINES = st.lists(st.binary(max_size=12).map(lambda text: text.replace(b"\n", b"")), max_size=40)


class Reading:
    """A file, and how much of it was read."""

    def __init__(self, data: bytes, piece: int = CHUNK) -> None:
        self.data = data
        self.piece = piece
        self.read = 0

    def part(self) -> Part:
        return Part(lambda: Text("list", Chunks(len(self.data), self._since)), len(self.data) or 1)

    def _since(self, start: int) -> Iterator[bytes]:
        for at in range(start, len(self.data), self.piece):
            piece = self.data[at : at + self.piece]
            self.read += len(piece)
            yield piece


def whole(entries: Entries) -> list[Any]:
    return [told.entry for told in entries]


def of_all(entries: Entries, count: int) -> list[Any]:
    return [entry for index in range(count) for entry in whole(entries.of(Shard(index, count)))]


_ENDS = st.sampled_from([b"\n", b"\r\n"])


@given(_LINES, st.integers(1, 12), st.integers(4, 9), st.booleans(), _ENDS)
def test_a_list_that_is_cut_anywhere_is_read_whole_and_in_order(
    lines: list[bytes], count: int, piece: int, has_mark: bool, end: bytes
) -> None:
    data = b"\xef\xbb\xbf" * has_mark + end.join(lines)
    entries = Entries([Reading(data, piece).part()], plain)
    assert of_all(entries, count) == whole(entries)


@given(st.lists(_LINES, min_size=1, max_size=6), st.integers(1, 12), st.booleans(), st.booleans())
def test_files_that_are_shared_out_are_read_whole_each_row_once(
    files: list[list[bytes]], count: int, are_zipped: bool, are_sizes_told: bool
) -> None:
    parts = []
    for lines in files:
        data = b"\n".join(lines)
        part = Reading(gzip.compress(data) if are_zipped else data).part()
        parts.append(part if are_sizes_told else part._replace(size=1))
    entries = Entries(parts, plain)
    assert Counter(of_all(entries, count)) == Counter(whole(entries))


def rows(number: int, count: int) -> bytes:
    return b"".join(b'"b","%d/%06d.jpg"\n' % (number, row) for row in range(count))


@pytest.mark.parametrize("count", [2, 7, 10, 64])
def test_no_shard_of_an_inventory_reads_more_files_than_it_must_and_all_have_about_the_same(
    count: int,
) -> None:
    files = [Reading(gzip.compress(rows(number, 800))) for number in range(20)]
    entries = Entries([file.part() for file in files], Columns().entry)
    total, deviation = 20 * 800, (20 * 800 / count * (1 - 1 / count)) ** 0.5
    for index in range(count):
        for file in files:
            file.read = 0
        mine = sum(1 for _ in entries.of(Shard(index, count)))
        assert abs(mine - total / count) < 4 * deviation + 0.01 * total / count
        assert sum(file.read > 0 for file in files) <= 20 // count + 2


def test_no_shard_of_a_plain_list_reads_much_more_than_its_part() -> None:
    file = Reading(b"".join(b"s3://b/%08d.jpg\n" % number for number in range(1_000_000)), 1 << 16)
    entries = Entries([file.part()], plain)
    for index in (0, 3, 9):
        file.read = 0
        mine = sum(1 for _ in entries.of(Shard(index, 10)))
        assert abs(mine - 100_000) <= 1
        assert file.read < len(file.data) / 10 + 4 * file.piece


def test_lines_that_cannot_be_used_are_told_by_one_shard_and_where_they_are() -> None:
    data = b"s3://b/a.jpg\n../b.jpg\ns3://b/c.jpg\n" + b"x" * (2 << 20) + b"\ns3://b/d.jpg"
    for zipped, places in ((False, {"list:byte 13", "list:byte 35"}), (True, {"list:2", "list:4"})):
        entries = Entries([Reading(gzip.compress(data) if zipped else data).part()], plain)
        told = [told for n in range(5) for told in entries.of(Shard(n, 5))]
        assert Counter(one.line for one in told if one.entry is None) == Counter(places)
        assert len(told) == 5


@pytest.mark.parametrize("is_zipped", [False, True])
def test_shards_of_a_list_make_between_buckets_what_one_run_makes(is_zipped: bool) -> None:
    library, lists = Library(), Memory("lists")
    data = "\n".join(f"{library.input}/{key}" for key in sorted(library.keys)).encode()
    lists.put("list", gzip.compress(data) if is_zipped else data)
    keys = Counter(f"in/{key}" for key in library.keys)
    run = partial(library.run, input=f"@{lists.url}/list", run_id="job")
    parts = [run(shard={"index": index, "count": 3}) for index in range(3)]
    assert Counter(key for part in parts for key in part.converted) == keys
    made = library.made()
    library.run(input=f"@{lists.url}/list", force=True)
    assert library.made() == made
