"""What an outcome is as rows of the ledger."""

from __future__ import annotations

from typing import NamedTuple

from optimizr.events import ImageConverted, ImageFailed, ImageSkipped
from optimizr.keys import from_text
from optimizr.source import Item

Outcome = ImageConverted | ImageSkipped | ImageFailed

MAKES = frozenset({"converted", "larger_skipped", "larger_copied", "webp_copied"})
"""Outcomes that say what is in the output; others leave it as it is."""
TOLD_BY_OUTPUTS = ("up_to_date", "resumed")
"""Reasons of skips that are recorded where an output told so itself, and the ledger did not know.
"""


class Entry(NamedTuple):
    """The outcome of a picture, and the line of failed.jsonl if it failed."""

    item: Item
    event: Outcome
    failure: str | None = None


def outcome_of(event: Outcome) -> str:
    """Name what came of a picture; of one that is up to date, what came of it once."""
    if isinstance(event, ImageConverted):
        return "converted"
    if event.reason in TOLD_BY_OUTPUTS and isinstance(event, ImageSkipped):
        return "converted" if event.output_bytes else "larger_copied"
    return event.reason


def made_by(event: Outcome) -> bytes | None:
    """Give the key of what was written."""
    if isinstance(event, ImageFailed) or outcome_of(event) not in MAKES or event.output is None:
        return None
    return from_text(event.output)


def output_bytes_of(event: Outcome) -> int:
    """Give the size of what was written; what was copied is as large as the original."""
    if isinstance(event, ImageFailed) or made_by(event) is None:
        return 0
    return event.output_bytes if outcome_of(event) == "converted" else event.input_bytes
