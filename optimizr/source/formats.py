"""What the lines of a list mean. Which form a list has is recognised by what is in it.

failures     lines of failed.jsonl: JSON objects; see `optimizr.source.retry`
plain        a URL or a path a line, as its bytes are: there are no quotes and no comments
inventory    S3 Inventory's CSV: bucket and key, and what the manifest says of other columns
manifest     the manifest.json of such CSVs; see `optimizr.source.manifest`
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Literal, NamedTuple
from urllib.parse import unquote_to_bytes

from optimizr.errors import ConfigError
from optimizr.store.place import WEB, parse

Form = Literal["failures", "plain", "inventory", "manifest"]

_URL = re.compile(rb"([A-Za-z][A-Za-z0-9+.-]*://[^/]*)/?")
_MANIFEST = re.compile(rb'"sourceBucket"\s*:')


class BadLine(ValueError):  # noqa: N818 - it is the line that is wrong
    """A line, or a message, that names nothing; its text is for messages."""


class Entry(NamedTuple):
    """What a line names."""

    base: str
    """`/` of an absolute path, nothing of a relative one, of a URL what stands before its key."""
    key: bytes
    """What follows it."""
    size: int = 0
    """Bytes, if the version is known."""
    version: str = ""
    """As its store's listing has it; empty if the list does not tell."""


Parse = Callable[[bytes], Entry | None]
"""Reads a line; None for one that is passed over. Raises BadLine."""


def recognise(head: bytes) -> Form:
    """Tell the form of a list by its beginning. Raises BadLine if it is no text."""
    lines = [line for line in head.split(b"\n") if line.strip()]
    if not lines:
        return "plain"
    if b"\0" in head:  # no name has it, and hardly a file that is not text lacks it
        raise BadLine
    if lines[0].lstrip().startswith(b"{") and _MANIFEST.search(head):
        return "manifest"
    if any(line.startswith(b'{"') for line in lines):
        return "failures"
    return "inventory" if _is_row(lines[0]) else "plain"


def _is_row(line: bytes) -> bool:
    try:
        return line.startswith(b'"') and Columns().entry(line.rstrip(b"\r")) is not None
    except BadLine:
        return False


def plain(line: bytes) -> Entry:
    """Read a URL or a path; of the web the path is quoted. Raises BadLine."""
    entry = located(line)
    if not entry.base.startswith(WEB):
        return entry
    if b"?" in entry.key or b"#" in entry.key:
        raise BadLine
    return entry._replace(key=unquote_to_bytes(entry.key))


def located(line: bytes) -> Entry:
    """Read a URL or a path of which nothing is quoted. Raises BadLine."""
    if b"\0" in line or (b".." in line and b".." in line.split(b"/")):
        raise BadLine("a path that leads elsewhere")
    if line.startswith(b"/"):
        return Entry("/", line[1:])
    match = _URL.match(line)
    if match is None:
        return Entry("", line)
    return Entry(_base(match[1]), line[match.end() :])


@lru_cache(maxsize=16)
def _base(url: bytes) -> str:
    """Check what stands before a key. Raises BadLine."""
    try:
        place = parse("input", url.decode())
    except (ConfigError, UnicodeDecodeError):
        raise BadLine from None
    if place is None:
        raise BadLine
    return place.url


class Columns(NamedTuple):
    """Where in a row of S3 Inventory's CSV what stands, from 0. Keys in it are URL-encoded."""

    bucket: int = 0
    key: int = 1
    size: int | None = None
    etag: int | None = None
    is_latest: int | None = None
    is_delete_marker: int | None = None

    @classmethod
    def named(cls, schema: str) -> Columns:
        """Read a manifest's `fileSchema`. Raises ValueError if it names no bucket or no key."""
        names = [name.strip() for name in schema.split(",")]
        found = {field: names.index(name) for field, name in _NAMES.items() if name in names}
        if not {"bucket", "key"} <= found.keys():
            raise ValueError(schema)
        return cls(**found)

    def entry(self, line: bytes) -> Entry | None:
        """Read a row; None if it tells of no object that is there. Raises BadLine."""
        try:
            row = next(csv.reader([line.decode("latin-1")], strict=True))
            bucket, key = row[self.bucket], row[self.key]
            if self._has(row, "true", self.is_delete_marker):
                return None
            if self._has(row, "false", self.is_latest):
                return None
            size, version = self._head(row)
        except (csv.Error, StopIteration, IndexError, ValueError):  # a number without an end
            raise BadLine from None
        whole = unquote_to_bytes(key.encode("latin-1").replace(b"+", b" "))
        return Entry(_base(b"s3://" + bucket.encode("latin-1")), whole, size, version)

    def _has(self, row: list[str], word: str, column: int | None) -> bool:
        return column is not None and row[column].lower() == word

    def _head(self, row: list[str]) -> tuple[int, str]:
        """Give size and version as the bucket's listing does, which quotes ETags."""
        if self.size is None or self.etag is None:
            return 0, ""
        size, etag = row[self.size], row[self.etag].strip('"')
        return (int(size), f'"{etag}"') if size.isdecimal() and etag else (0, "")


_NAMES = {
    "bucket": "Bucket",
    "key": "Key",
    "size": "Size",
    "etag": "ETag",
    "is_latest": "IsLatest",
    "is_delete_marker": "IsDeleteMarker",
}
"""Of S3 Inventory's columns that are read."""
