"""`failed.jsonl`: a line for each picture that failed when it was last tried.

A line is appended, in one system call, as its picture fails. At the start and at the end the file
is written anew from the ledger: without pictures that have been mended, without what a power cut
has torn. A run that leaves no failure leaves no file.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from io import FileIO
from typing import Self

from optimizr.errors import stopped_by
from optimizr.events import ImageFailed
from optimizr.records import format_timestamp


def to_line(event: ImageFailed) -> str:
    """Write a failure as its line, without the line's end."""
    return json.dumps(
        {
            "key": event.key,
            "source": event.source,
            "reason": event.reason,
            "message": event.message,
            "stage": event.stage,
            "size": event.input_bytes,
            "attempts": event.attempts,
            "run_id": event.run_id,
            "time": format_timestamp(event.timestamp),
        },
        ensure_ascii=False,
    )


class LateFailures:
    """The file in a store that cannot be appended to: it is written at the end of the run."""

    is_appended = False

    def __init__(
        self, put: Callable[[Callable[[], Iterator[bytes]]], None], remove: Callable[[], None]
    ) -> None:
        """`put` writes all of the file, given what gives its lines; `remove` sees it gone."""
        self._put = put
        self._remove = remove

    def append(self, line: str) -> None:
        """Do nothing: the ledger keeps it until the end."""

    def rewrite(self, lines: Callable[[], Iterator[str]]) -> None:
        """Write all lines; with none, remove the file. Raises what the store raises."""
        if next(lines(), None) is not None:
            self._put(lambda: (line.encode() + b"\n" for line in lines()))
        else:
            self._remove()


class Failures:
    """The file on this machine, for the length of a `with` block."""

    is_appended = True

    def __init__(self, path: bytes, put: Callable[[Callable[[], Iterator[bytes]]], None]) -> None:
        """`put` writes all of the file at once, given what gives its lines."""
        self._path = path
        self._put = put
        self._file: FileIO | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def append(self, line: str) -> None:
        """Add a failure. Raises EnvironmentStop."""
        try:
            if self._file is None:
                self._file = FileIO(self._path, "a")
            self._file.write(line.encode() + b"\n")
        except OSError as error:
            raise stopped_by(error, "failures_lost", "to note a failure in failed.jsonl") from None

    def rewrite(self, lines: Callable[[], Iterator[str]]) -> None:
        """Write all lines anew; with none, remove the file. Raises EnvironmentStop."""
        if next(lines(), None) is not None:
            self._put(lambda: (line.encode() + b"\n" for line in lines()))
            return
        try:
            with suppress(FileNotFoundError):
                os.unlink(self._path)
        except OSError as error:
            raise stopped_by(error, "failures_lost", "to remove failed.jsonl") from None
