"""An event as one JSON line, through structlog: for pipes, pods and files."""

from __future__ import annotations

import json
import logging
import os
from typing import Any, TextIO

import structlog

from optimizr.errors import ConfigError, EnvironmentStop
from optimizr.events import (
    Event,
    ImageConverted,
    ImageSkipped,
)
from optimizr.records import to_record
from optimizr.sections import LogSettings
from optimizr.values import LogImages


class JsonLog:
    """A reader of events that writes those asked for to a stream, each flushed at once."""

    def __init__(self, stream: TextIO, settings: LogSettings) -> None:
        self._images = settings.images
        self._logger = structlog.wrap_logger(
            structlog.WriteLogger(stream),
            processors=[_flatten, structlog.processors.JSONRenderer(serializer=_to_json)],
            wrapper_class=structlog.make_filtering_bound_logger(
                logging.getLevelNamesMapping()[settings.level.upper()]
            ),
        ).bind()  # else each line would make a logger first

    def __call__(self, event: Event) -> None:
        """Write the event's line, if it is wanted. Raises EnvironmentStop if it cannot be."""
        if not _is_wanted(event, self._images):
            return
        try:
            getattr(self._logger, event.level)(event.name, record=event)
        except OSError as error:
            raise EnvironmentStop(
                "log_lost",
                f"expected to write the log, got: {error.strerror}; "
                "mend it and run the same command again",
            ) from None


def open_log_file(path: str) -> TextIO:
    """Open `log.file` for appending, in a folder that is made if need be. Raises ConfigError."""
    try:
        os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
        return open(path, "a", encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise ConfigError(
            f"log.file: expected a file that can be written to, got {path!r} ({error.strerror})"
        ) from None


_encoder = json.JSONEncoder(ensure_ascii=False)


def _to_json(record: Any, **_: Any) -> str:
    """Encode by an encoder made once: json.dumps makes one each time, which takes longer."""
    return _encoder.encode(record)


def _flatten(_logger: Any, _method: str, event_dict: Any) -> Any:
    return to_record(event_dict["record"])


def _is_wanted(event: Event, images: LogImages) -> bool:
    """Tell whether an event gets a line; all but single pictures that went well always do."""
    return images == "all" or not isinstance(event, ImageConverted | ImageSkipped)
