"""`failed.jsonl`: a line for each picture that failed, written as it happens.

Each run begins it anew, and a run without failures leaves none behind.
"""

from __future__ import annotations

import json
from io import BufferedWriter

from optimizr.errors import EnvironmentStop
from optimizr.events import Event, ImageFailed, format_timestamp
from optimizr.keys import from_text
from optimizr.store.local import LocalStore

NAME = b"failed.jsonl"


class Failures:
    """A reader of events that keeps the failures."""

    def __init__(self, output: LocalStore) -> None:
        """Forget the failures of the run before. Raises EnvironmentStop."""
        self._path = from_text(output.full_path(NAME))
        self._file: BufferedWriter | None = None
        output.delete(NAME)

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
                self._file = open(self._path, "ab")  # noqa: SIM115 - closed by close
            self._file.write(line.encode() + b"\n")
            self._file.flush()
        except OSError as error:
            raise EnvironmentStop(
                "failures_lost",
                f"expected to note the failure of {event.key!r} in failed.jsonl, "
                f"got: {error.strerror}; mend the output and run the same command again",
            ) from None

    def close(self) -> None:
        """Close the file, if there is one."""
        if self._file is not None:
            self._file.close()
