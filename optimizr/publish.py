"""Outputs for those who fetch them: where each is served, and signed URLs in a manifest.

A signed URL is a credential. It stands in the manifest and nowhere else: not in an event, a log or
a report. They are all signed at the end of a run, so that each is valid for as long as was asked.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from itertools import islice
from tempfile import NamedTemporaryFile, SpooledTemporaryFile
from typing import Self
from urllib.parse import quote

from optimizr.config import Settings
from optimizr.errors import stopped_by
from optimizr.events import Event, ImageConverted, ImageSkipped
from optimizr.keys import from_text
from optimizr.store import Store
from optimizr.store.bucket import BucketStore
from optimizr.units import format_seconds

MANIFEST_NAME = b"manifest.jsonl"
_IN_MEMORY = 4 << 20
"""Bytes of entries that are kept in memory; more go to a temporary file."""
_AT_ONCE = 1000
"""Outputs that are signed at once."""

_log = logging.getLogger("optimizr")


def served_as(base_url: str, output: str) -> str:
    """Give the URL that an output, named as events name it, has below `publish.base_url`."""
    return f"{base_url.rstrip('/')}/{quote(from_text(output))}"


class Manifest:
    """Which outputs there are: gathered while a run lasts, signed and written at its end."""

    def __init__(self, source: Store, output: BucketStore, span: timedelta) -> None:
        """URLs are to be valid for `span`."""
        self.count = 0
        self._source = source
        self._output = output
        self._span = span
        self._entries = SpooledTemporaryFile(_IN_MEMORY, "w+")  # noqa: SIM115 - see `__exit__`

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._entries.close()

    def __call__(self, event: Event) -> None:
        """Take note of an output that an event tells of."""
        if isinstance(event, ImageConverted):
            self.add(event.key, event.output, event.output_bytes)
        elif isinstance(event, ImageSkipped) and event.output and event.reason != "output_exists":
            self.add(event.key, event.output, event.output_bytes or event.input_bytes)

    def add(self, key: str, output: str, size: int) -> None:
        """Take note of an output; keys as events name them, its size in bytes."""
        json.dump([key, output, size], self._entries)
        self._entries.write("\n")
        self.count += 1

    def write(self, name: bytes, path: str | None = None) -> str:
        """Sign, and write the manifest to a key of the output, or to a file on this machine.

        Gives where it is. Raises EnvironmentStop or PictureError.
        """
        self._warn()
        if path is None:
            self._output.put_chunks(name, self._lines)
            return self._output.full_path(name)
        _write_private(path, self._lines())
        return path

    def _lines(self) -> Iterator[bytes]:
        self._entries.seek(0)
        while entries := [json.loads(line) for line in islice(self._entries, _AT_ONCE)]:
            outputs = [from_text(output) for _, output, _ in entries]
            urls = self._output.sign(outputs, self._span)
            for (key, _, size), output, url in zip(entries, outputs, urls, strict=True):
                line = {
                    "source": self._source.full_path(from_text(key)),
                    "output": self._output.full_path(output),
                    "bytes": size,
                    "url": url,
                }
                yield json.dumps(line, ensure_ascii=False).encode() + b"\n"

    def _warn(self) -> None:
        if self._output.ends_before(self._span):
            _log.warning(
                "the credentials that sign are temporary ones and may end before the "
                f"{format_seconds(self._span.total_seconds())} that URLs were asked to be valid "
                "for; the URLs end with them"
            )


def _write_private(path: str, lines: Iterable[bytes]) -> None:
    """Write a file whole or not at all, readable by its owner alone. Raises EnvironmentStop."""
    folder = os.path.dirname(os.path.abspath(path))
    try:
        with NamedTemporaryFile(dir=folder, prefix=".manifest-", delete=False) as file:
            try:
                file.writelines(lines)
                file.flush()
                os.fsync(file.fileno())
                os.replace(file.name, path)
            except BaseException:
                os.unlink(file.name)
                raise
    except OSError as error:
        raise stopped_by(error, "manifest_lost", f"to write {path!r}") from None


def open_manifest(
    settings: Settings, source: Store, output: Store
) -> AbstractContextManager[Manifest | None]:
    """Give what gathers outputs that are to be signed, if any are."""
    span = settings.publish.presign
    if span is None or not isinstance(output, BucketStore):
        return nullcontext()
    return Manifest(source, output, span)
