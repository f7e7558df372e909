"""One picture in memory, and how like it its WebPs look."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from optimizr.convert.encode import decode_into
from optimizr.convert.look.sample import Sample, opaque
from optimizr.convert.look.ssimulacra2 import Reference, Rgb
from optimizr.convert.vips import load, region, shape

_UNLIKE = -1000.0
"""The look of an animation whose frames are not those of the picture: they cannot be compared."""


class Eye:
    """Looks at WebPs of one picture."""

    def __init__(self, image: Any, pages: int = 1) -> None:
        """Take a picture in memory, frames one below the other. Raises VipsError."""
        self._width, self._height, bands = shape(image)[:3]
        self._has_alpha = bands > 3
        self._is_still = pages == 1
        rows = _rows_of(image)
        if pages > 1:
            frames = _distinct(rows, pages, self._height // pages)
            self._height = len(frames)
            rows = _rows_in(frames)
        self._sample = Sample.of(self._width, self._height)
        self._reference = Reference(*self._sample.cut(rows))

    def look(self, webp: bytes) -> float:
        """Tell how like the picture its WebP looks: SSIMULACRA2.

        Raises VipsError and LibwebpError.
        """
        rows = None
        if self._is_still:
            rows = _decoded(webp, self._width, self._height, 4 if self._has_alpha else 3)
        if rows is None:
            image = load(webp, "webp")
            if shape(image).height != self._height:
                return _UNLIKE
            rows = _rows_of(image)
        return self._reference.look(*self._sample.cut(rows))


def _distinct(rows: Callable[[int, int], Rgb], pages: int, height: int) -> Rgb:
    """Give the frames that do not repeat the one before: libwebp makes one of these."""
    frames = [opaque(rows(0, height))]
    for page in range(1, pages):
        frame = opaque(rows(page * height, height))
        if not np.array_equal(frame, frames[-1]):
            frames.append(frame)
    return np.concatenate(frames)


def _rows_in(pixels: Rgb) -> Callable[[int, int], Rgb]:
    return lambda top, count: pixels[top : top + count]


def _rows_of(image: Any) -> Callable[[int, int], Rgb]:
    width, _, bands = shape(image)[:3]
    source = region(image)

    def rows(top: int, count: int) -> Rgb:
        pixels = source.fetch(0, top, width, count)
        return np.frombuffer(pixels, np.uint8).reshape(count, width, bands)

    return rows


def _decoded(webp: bytes, width: int, height: int, bands: int) -> Callable[[int, int], Rgb] | None:
    """Decode a still by libwebp itself, which takes a third of libvips' time; None without it."""
    pixels = np.empty((height, width, bands), np.uint8)
    at = pixels.ctypes.data
    if not decode_into(webp, at, pixels.nbytes, width * bands, alpha=bands == 4):
        return None
    return _rows_in(pixels)
