"""The part of a picture that is looked at: all of a small one, tiles of a large one.

Tiles of 256 pixels that are spread evenly, side by side as one picture of a megapixel. Over whole
pictures of 4 to 9 megapixels SSIMULACRA2 is the same to within 0.8 (standard deviation; 2.2 at
most), and of 128 pixels or in half a megapixel within 1.0 (`python -m benchmarks.looks sample`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from optimizr.convert.look.ssimulacra2 import Rgb

_TILE = 128
"""Pixels a side. A multiple of 16, at multiples of 16: so each macroblock is whole."""
_BLOCK = 16
MOST_PIXELS = 500_000
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

    def cut(self, rows: Callable[[int, int], Rgb]) -> Rgb:
        """Give the tiles side by side, transparency over grey.

        `rows` gives some of the picture's, of RGB or RGBA: from which on, and how many. It is
        called from top to bottom.
        """
        strips = []
        for top in self.tops:
            strip = rows(top, self.height)
            tiles = [strip[:, left : left + self.width] for left in self.lefts]
            strips.append(_opaque(np.concatenate(tiles, axis=1)))
        return np.concatenate(strips)


def _spread(count: int, side: int, whole: int) -> tuple[int, ...]:
    """Give where so many tiles begin, each in the middle of its share of the whole."""
    each = whole / count
    middles = (int(each * (number + 0.5)) for number in range(count))
    return tuple((middle - side // 2) // _BLOCK * _BLOCK for middle in middles)


def _opaque(pixels: Rgb) -> Rgb:
    if pixels.shape[2] == 3:
        return pixels
    alpha = pixels[..., 3:] / np.float32(255)
    mixed = pixels[..., :3] * alpha + np.float32(255 * _GREY) * (1 - alpha)
    return np.rint(mixed).astype(np.uint8)
