"""`failed.jsonl`: a line for each picture that failed, written as it happens.

Each run begins it anew, and a run without failures leaves none behind.
"""

from __future__ import annotations

import json
import os
from io import FileIO

from optimizr.errors import EnvironmentStop
from optimizr.events import (
    Event,
    ImageFailed,
)
from optimizr.records import format_timestamp


class Failures:
    """A reader of events that keeps the failures."""

    def __init__(self, path: bytes) -> None:
        """Forget the failures of the run before. Raises EnvironmentStop."""
        self._path = path
        self._file: FileIO | None = None
        try:
            os.unlink(path)
        except FileNotFoundError:
            pass
        except OSError as error:
            raise self._lost("expected to begin failed.jsonl anew", error) from None

    def __call__(self, event: Event) -> None:
        """Append a failure; other events are passed over. Raises EnvironmentStop."""
        if not isinstance(event, ImageFailed):
            return
        line = json.dumps(
            {
                "key": event.key,
                "source": event.source,
                "reason": event.reason,
                "message": event.message,
                "stage": event.stage,
                "size": event.input_bytes,
                "run_id": event.run_id,
                "time": format_timestamp(event.timestamp),
            },
            ensure_ascii=False,
        )
        try:
            if self._file is None:
                self._file = FileIO(self._path, "a")
            self._file.write(line.encode() + b"\n")
        except OSError as error:
            what = f"expected to note the failure of {event.key!r} in failed.jsonl"
            raise self._lost(what, error) from None

    def close(self) -> None:
        """Close the file, if there is one."""
        if self._file is not None:
            self._file.close()

    @staticmethod
    def _lost(expected: str, error: OSError) -> EnvironmentStop:
        return EnvironmentStop(
            "failures_lost",
            f"{expected}, got: {error.strerror}; mend the output and run the same command again",
        )
