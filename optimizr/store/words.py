"""What an object of a bucket carries beside its bytes: its headers, and its label as metadata."""

from __future__ import annotations

import mimetypes
from collections.abc import Mapping
from urllib.parse import quote, unquote

from optimizr.store import Label

SOURCE, MAKING, ATTEMPT = "optimizrsource", "optimizrsettings", "optimizrattempt"
"""Names of the words with an output. Azure takes letters only; some proxies drop underscores."""
_KINDS = {b"webp": "image/webp", b"jsonl": "application/x-ndjson"}
"""What Python's table of media types lacks."""


def words_of(key: bytes, label: Label | None, cache_control: str | None) -> dict[str, str]:
    """Give the words to put an object with; without a label it is none that is served."""
    kind = mimetypes.guess_type(key.decode("utf-8", "replace"))[0] or _KINDS.get(
        key.rpartition(b".")[2].lower(), "application/octet-stream"
    )
    words = {"Content-Type": kind}
    if label is not None:
        # A version may be an ETag, with its quotes and whatever else; headers take less.
        words |= {SOURCE: quote(label.source, safe=":+=~"), MAKING: label.making}
        if label.attempt:
            words[ATTEMPT] = label.attempt
        if cache_control:
            words["Cache-Control"] = cache_control
    return words


def label_of(words: Mapping[str, str]) -> Label | None:
    """Read the label of an object; None if it is not optimizr's."""
    if MAKING not in words:
        return None
    return Label(unquote(words.get(SOURCE, "")), words[MAKING], words.get(ATTEMPT, ""))
