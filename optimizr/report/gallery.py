"""What the page shows of single pictures: plain data, made beside the pipeline."""

from __future__ import annotations

from typing import Literal, NamedTuple

Kind = Literal["look", "best", "median", "worst"]


class Pair(NamedTuple):
    """A part of a picture at 1:1, as the original shows it and as its WebP does."""

    kind: Kind
    """`look`: it looks least like its original. Else where its saving lies among those of the run.
    """
    key: str
    output: str
    format: str
    input_bytes: int
    output_bytes: int
    look: float | None
    """Of the whole picture, by SSIMULACRA2, if it was measured."""
    psnr_db: float | None
    width: int
    """Pixels of the part."""
    height: int
    original: bytes
    """The part, as WebP without visible loss."""
    made: bytes
    """The same part of the WebP, likewise."""
