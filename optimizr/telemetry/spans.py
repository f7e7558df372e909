"""The spans that a traced run is made of, and what they carry: a table that code and docs share."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from optimizr.errors import Stage
from optimizr.events import Event


class Span(NamedTuple):
    """One kind of span."""

    name: str
    parent: str | None
    """The span that it is below; None begins a trace."""
    meaning: str


class Attribute(NamedTuple):
    """One attribute, drawn from the event that tells of the same as the span."""

    name: str
    span: str
    of: Callable[[Event], object]
    """Gives its value, None where it is not known."""
    meaning: str


RUN, IMAGE = "run", "image"

SPANS = (
    Span(RUN, None, "The whole run; all its `run.*` events name it."),
    Span(
        IMAGE,
        None,
        "One picture from when a worker took it to its outcome, waiting for memory and CPU slots "
        "included; linked to `run`; its `image.*` event names it. Status error where it failed.",
    ),
    Span(Stage.FETCH, IMAGE, "Reading the original."),
    Span(Stage.CONVERT, IMAGE, "Decoding and encoding."),
    Span(Stage.STORE, IMAGE, "Writing, syncing and renaming the WebP."),
)


def _attribute(span: str, field: str, meaning: str) -> Attribute:
    """Draw an attribute from the event's field of the same name."""
    return Attribute(f"optimizr.{field}", span, lambda event: getattr(event, field, None), meaning)


def _outcome(event: Event) -> str:
    return event.name.partition(".")[2]


ATTRIBUTES = (
    _attribute(RUN, "exit_code", "What the process ends with."),
    _attribute(RUN, "cause", "Why the run ended early."),
    _attribute(IMAGE, "key", "The picture's key in the input."),
    Attribute("optimizr.outcome", IMAGE, _outcome, "`converted`, `skipped` or `failed`."),
    _attribute(IMAGE, "reason", "Why it was skipped, or failed: the event's stable code."),
    _attribute(IMAGE, "stage", "Where it failed."),
    _attribute(IMAGE, "input_bytes", "Of the original's file."),
    _attribute(IMAGE, "output_bytes", "Of the WebP."),
    _attribute(IMAGE, "format", "What the picture was, by content."),
    _attribute(IMAGE, "width", "Pixels of the original, as stored."),
    _attribute(IMAGE, "height", "Of one frame."),
)
"""Beside these, `run` and `image` carry `RUN_ID`."""

RUN_ID = "optimizr.run_id"
STAGES = frozenset(span.name for span in SPANS if span.parent == IMAGE)


_OF = {span: [own for own in ATTRIBUTES if own.span == span] for span in (RUN, IMAGE)}


def attributes(span: str, event: Event) -> dict[str, str | int]:
    """Give what a span carries that tells of the same as an event."""
    found = ((attribute.name, attribute.of(event)) for attribute in _OF[span])
    return {name: value for name, value in found if isinstance(value, str | int)}
