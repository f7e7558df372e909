"""What the page shows of single pictures: plain data, made beside the pipeline."""

from __future__ import annotations

from typing import Literal, NamedTuple

Kind = Literal["best", "median", "worst"]


class Pair(NamedTuple):
    """A part of a picture at 1:1, as the original shows it and as its WebP does."""

    kind: Kind
    """Where its saving, in percent, lies among those of the run."""
    key: str
    output: str
    format: str
    input_bytes: int
    output_bytes: int
    width: int
    """Pixels of the part."""
    height: int
    original: bytes
    """The part, as WebP without visible loss."""
    made: bytes
    """The same part of the WebP, likewise."""
