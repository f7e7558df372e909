"""The events in logs, whatever collected them, and the summaries that runs have left.

A log has a JSON object a line. What collectors add is taken off: a prefix as of `kubectl logs
--prefix`, the object that Loki, Grafana or Docker put around each line, or one array around all.
A `summary.json` is read too, for the state that it carries.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

from optimizr.errors import ConfigError
from optimizr.events import Event
from optimizr.records import from_record
from optimizr.scratch import scratch

_WRAPPERS = ("line", "log", "message")
"""Where an event stands, as text, in what Loki and Grafana, Docker, and others write."""
_MOST_DOCUMENT_BYTES = 256 << 20
"""Of a file that is one JSON document, which is read whole."""


class Log:
    """A file that can be read more than once; what comes from a pipe is kept in another."""

    def __init__(self, path: str) -> None:
        """Open it; `-` is stdin. Raises ConfigError."""
        self.name = path
        try:
            self._file = _open(path)
        except OSError as error:
            raise ConfigError(
                f"report: expected a log that can be read, got {path!r} ({error.strerror})"
            ) from None
        self._is_document = _is_document(self._file)
        self.is_empty = True
        """Whether nothing was found in it so far."""

    def close(self) -> None:
        """Close it."""
        self._file.close()

    def events(self, needle: bytes = b"{") -> Iterator[Event]:
        """Yield the events of the lines that have `needle` in them; other lines are passed over."""
        for record in self._records(needle):
            event = _event(record)
            if event is not None:
                self.is_empty = False
                yield event

    def states(self) -> Iterator[dict[str, Any]]:
        """Yield the state of each summary."""
        for record in self._records(b"state"):
            if "event" not in record and isinstance(record.get("state"), dict):
                self.is_empty = False
                yield record["state"]

    def _records(self, needle: bytes) -> Iterator[dict[str, Any]]:
        self._file.seek(0)
        if self._is_document:
            yield from _objects(self._file.read(_MOST_DOCUMENT_BYTES))
            return
        for line in self._file:
            if needle in line:
                yield from _objects_of_line(line)


def _open(path: str) -> BinaryIO:
    file = open(0, "rb", closefd=False) if path == "-" else open(path, "rb")  # noqa: SIM115
    if file.seekable():
        return file
    with file:
        kept = tempfile.TemporaryFile(dir=scratch())  # noqa: SIM115 - closed by `Log.close`
        shutil.copyfileobj(file, kept)
        return kept


def _is_document(file: BinaryIO) -> bool:
    """Tell whether a file is one JSON document over several lines."""
    file.seek(0)
    return file.readline(1024).strip() in (b"{", b"[")


def _objects_of_line(line: bytes) -> Iterator[dict[str, Any]]:
    """Yield the objects of a line; before them may stand what a collector has put there."""
    if line.lstrip().startswith((b"[{", b"[ {")):
        yield from _objects(line)
        return
    start = line.find(b"{")
    while start >= 0:
        found = list(_objects(line[start:]))
        if found:
            yield from found
            return
        start = line.find(b'{"', start + 1)  # the first may have been labels, as `{app="optimizr"}`


def _objects(text: bytes) -> Iterator[dict[str, Any]]:
    """Yield the objects of a JSON text, out of what is around them; none if it is no JSON."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return
    for record in found if isinstance(found, list) else [found]:
        if isinstance(record, dict):
            yield from _unwrapped(record)


def _unwrapped(record: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if "event" in record or "state" in record:
        yield record
        return
    inner = next((record[name] for name in _WRAPPERS if name in record), None)
    if isinstance(inner, dict):
        yield inner
    elif isinstance(inner, str) and inner.lstrip().startswith("{"):
        yield from _objects(inner.encode(errors="surrogatepass"))
    elif isinstance(record.get("data"), dict):
        yield from _answered(record["data"])


def _answered(data: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the objects of an answer of Loki's API: streams, each with pairs of time and line."""
    streams = data.get("result")
    for stream in streams if isinstance(streams, list) else []:
        values = stream.get("values") if isinstance(stream, dict) else None
        for value in values if isinstance(values, list) else []:
            if isinstance(value, list) and len(value) > 1 and isinstance(value[1], str):
                yield from _objects(value[1].encode(errors="surrogatepass"))


def _event(record: dict[str, Any]) -> Event | None:
    try:
        return from_record(record)
    except ValueError:
        return None


def open_logs(paths: Iterable[str]) -> list[Log]:
    """Open files. Raises ConfigError if one cannot be read."""
    logs: list[Log] = []
    try:
        logs.extend(Log(path) for path in paths)
    except ConfigError:
        for log in logs:
            log.close()
        raise
    return logs
