"""Who else has a say in a picture's way, handed to the job that goes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from optimizr.convert import Header
from optimizr.errors import PictureError
from optimizr.events import Event, ImageSkipped
from optimizr.source import Item
from optimizr.stopwatch import Stopwatch
from optimizr.store import Label

Checked = tuple[Item, ImageSkipped | None]


@dataclass(frozen=True)
class Hooks:
    """All are called in the picture's own thread."""

    decoding: Callable[[bytes, bytes], None] = lambda _key, _output: None
    """Called with a picture's key and the key that will be written, before it is decoded."""
    check: Callable[[Item], Checked] = lambda item: (item, None)
    """Called before anything is done with a picture; gives it as it is now, and why there is
    nothing to do, if so. May raise PictureError."""
    may_write: Callable[[bytes, Label | None], bool] = lambda _key, _label: True
    """Tells whether a key that was not foreseen may be written, with that label. May raise
    PictureError."""
    made: Callable[[Item, str], None] = lambda _item, _version: None
    """Called with a picture whose WebP was written, and with its version."""
    returns: Callable[[Item, PictureError], bool] = lambda _item, _error: False
    """Tells whether a picture that something is wrong with is to be left for another time."""
    failing: Callable[[Item, PictureError], PictureError] = lambda _item, error: error
    """Called with what is wrong with a picture; gives the same, or what is wrong by then."""
    effort: Callable[[Header, int], int | None] = lambda _header, _size: None
    """Called with a picture's header and the bytes of its file; gives the effort that it is to be
    encoded with, or None for that which is set."""
    ended: Callable[[Event, Stopwatch], None] = lambda _outcome, _watch: None
    """Called with a picture's outcome and its times, before anybody else has seen them."""


NOBODY = Hooks()
