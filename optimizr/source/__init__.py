"""Where items come from: a lazy stream, never a list of the whole."""

from __future__ import annotations

from typing import NamedTuple

from optimizr.errors import PictureError


class Item(NamedTuple):
    """One picture to be done."""

    key: bytes
    """Its key in the input."""
    output: bytes
    """The key of its WebP in the output."""
    size: int = 0
    """Bytes."""
    version: str = ""
    """Of the content, as the store tells it when listing."""
    problem: PictureError | None = None
    """What is found wrong with it already; such an item only fails."""
    replaces: bool = False
    """Whether an output that optimizr made stands at `output`."""
    alone: bool = False
    """Whether it must be converted in a process of its own: it may take down ours."""
