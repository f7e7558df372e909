"""A file of any size, opened to be read piece by piece; its errors become PictureError here."""

from __future__ import annotations

from collections.abc import Iterator

from optimizr.errors import Stage
from optimizr.store import Chunks
from optimizr.store.files import Opened
from optimizr.store.oserrors import unreadable


def opened_at(path: bytes) -> Opened:
    """Open a file. Raises PictureError."""
    try:
        return Opened(path)
    except OSError as error:
        raise unreadable(error, Stage.FETCH, path) from None


def chunks_of(path: bytes) -> Chunks:
    """Open what is read piece by piece. Raises PictureError, then and while it is read."""
    opened = opened_at(path)

    def since(start: int) -> Iterator[bytes]:
        try:
            yield from opened.chunks(start)
        except OSError as error:
            raise unreadable(error, Stage.FETCH, path) from None

    return Chunks(opened.size, since)
