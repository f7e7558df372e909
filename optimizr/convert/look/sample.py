"""The part of a picture that is looked at: all of a small one, tiles of a large one.

A megapixel in tiles of 256 pixels, spread evenly. Over whole pictures of up to 10 megapixels their
look is that of the whole to within a point (standard deviation; 2.8 at most: `python -m
benchmarks.looks_constants sample`). Each is looked at by itself: side by side as one picture they
look better by a point, for the edges between them, which are alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from optimizr.convert.look.ssimulacra2 import Rgb

_TILE = 256
"""Pixels a side. A multiple of 16, at multiples of 16: so each macroblock is whole."""
_BLOCK = 16
MOST_PIXELS = 1 << 20
"""Of what is looked at."""
_GREY = 0.5
"""Behind transparent pixels: unlike white and black, which drawings are made of."""


class Sample(NamedTuple):
    """Where the tiles are, all of one size: their left and upper edges in pixels."""

    lefts: tuple[int, ...]
    tops: tuple[int, ...]
    width: int
    height: int

    @classmethod
    def of(cls, width: int, height: int) -> Sample:
        """Choose the tiles of a picture of this size."""
        if width * height <= MOST_PIXELS:
            return cls((0,), (0,), width, height)
        wide, high = min(_TILE, width), min(_TILE, height)
        count = MOST_PIXELS // (wide * high)
        columns = round(math.sqrt(count * width * high / (height * wide)))
        columns = max(1, min(columns, count, width // wide))
        rows = max(1, min(count // columns, height // high))
        columns = max(1, min(count // rows, width // wide))
        return cls(_spread(columns, wide, width), _spread(rows, high, height), wide, high)

    @property
    def pixels(self) -> int:
        """Of all tiles."""
        return len(self.lefts) * len(self.tops) * self.width * self.height

    def cut(self, rows: Callable[[int, int], Rgb]) -> list[Rgb]:
        """Give the tiles, transparency over grey.

        `rows` gives some of the picture's, of RGB or RGBA: from which on, and how many. It is
        called from top to bottom.
        """
        tiles = []
        for top in self.tops:
            strip = rows(top, self.height)
            tiles += [opaque(strip[:, left : left + self.width]) for left in self.lefts]
        return tiles


def _spread(count: int, side: int, whole: int) -> tuple[int, ...]:
    """Give where so many tiles begin, each in the middle of its share of the whole."""
    each = whole / count
    middles = (int(each * (number + 0.5)) for number in range(count))
    return tuple((middle - side // 2) // _BLOCK * _BLOCK for middle in middles)


def opaque(pixels: Rgb) -> Rgb:
    """Put RGBA over grey; RGB stays.

    What TIFFs have beside these is left out, as `webpsave` leaves it out.
    """
    if pixels.shape[2] <= 3:
        return np.ascontiguousarray(pixels)
    alpha = pixels[..., 3:4] / np.float32(255)
    mixed = pixels[..., :3] * alpha + np.float32(255 * _GREY) * (1 - alpha)
    return np.rint(mixed).astype(np.uint8)
