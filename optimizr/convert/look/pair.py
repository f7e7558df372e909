"""Two pictures side by side: how alike they look, and where they differ."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from optimizr.convert.deadline import Deadline
from optimizr.convert.decode import decode, in_memory
from optimizr.convert.estimate import peak_bytes
from optimizr.convert.formats import FORMATS
from optimizr.convert.look.sample import opaque
from optimizr.convert.look.ssimulacra2 import Rgb, look
from optimizr.convert.options import Options
from optimizr.convert.probe import Header, Probed
from optimizr.convert.vips import from_pixels, region, shape
from optimizr.convert.webpsave import webpsave
from optimizr.errors import OptimizrError

OPTIONS = Options(formats=tuple(FORMATS))
"""How pictures are read that are compared: all that can be read."""
AMPLIFIED = 4
"""How many times a difference picture shows what differs."""
_BYTES = 30
"""For each pixel, beside what decoding takes: both pictures, their rows at hand, what differs."""
_BLOCK = 32
_SHOWN = replace(OPTIONS, quality=60, effort=0)
"""Parts are saved near_lossless: what differs must not come from that."""


class Unlike(OptimizrError):  # noqa: N818 - a finding, no mistake
    """The pictures cannot be compared: their sizes or frames differ."""


class Parts(NamedTuple):
    """The place where two pictures differ most, as WebPs."""

    first: bytes
    second: bytes
    difference: bytes
    width: int
    """Pixels."""
    height: int


def pair_bytes(first: Probed, second: Probed) -> int:
    """Estimate the memory that a pair takes at its peak, beside the files, in bytes."""
    pixels = max(first.header.pixels, second.header.pixels)
    return peak_bytes(first, OPTIONS) + peak_bytes(second, OPTIONS) + _BYTES * pixels


@dataclass(frozen=True)
class Pair:
    """Two pictures of one size, upright and in sRGB, transparency over grey."""

    first: Rgb
    second: Rgb
    is_fitted: bool
    """The first was made smaller, as the second is."""

    @classmethod
    def of(cls, first: Probed, second: Probed, deadline: Deadline) -> Pair:
        """Decode both; the first is made to fit if the second is a smaller one of its shape.

        Raises Unlike, VipsError, and what `deadline.check` raises.
        """
        if first.header.pages != second.header.pages:
            raise Unlike(
                f"expected as many frames in both, got {first.header.pages} and "
                f"{second.header.pages}"
            )
        other = _rgb(decode(second, OPTIONS, deadline), deadline)
        height, width = other.shape[0] // second.header.pages, other.shape[1]
        fitting = _fitting(first.header, width, height)
        fitted = first.header.fitted(fitting) != (first.header.width, first.header.height)
        rgb = _rgb(decode(first, fitting, deadline), deadline)
        sides = [abs(a - b) for a, b in zip(rgb.shape, other.shape, strict=True)]
        if max(sides) > (1 if first.header.pages == 1 else 0):  # others round otherwise
            raise Unlike(
                f"expected one size, or a smaller one of the same shape, got "
                f"{first.header.size} and {second.header.size} pixels"
            )
        rows, columns = min(rgb.shape[0], other.shape[0]), min(rgb.shape[1], other.shape[1])
        return cls(rgb[:rows, :columns], other[:rows, :columns], fitted)

    def look(self) -> float:
        """Tell how like the first the second looks: SSIMULACRA2 of the whole."""
        return look(self.first, self.second)

    def difference(self) -> bytes:
        """Give what differs, amplified, as a PNG. Raises VipsError."""
        height, width = self.first.shape[:2]
        drawn = _amplified(self.first, self.second)
        data: bytes = from_pixels(drawn.tobytes(), width, height).pngsave_buffer()
        return data

    def parts(self, width: int, height: int, deadline: Deadline) -> Parts:
        """Cut at most so many pixels where they differ most. Raises VipsError."""
        rows, columns = self.first.shape[:2]
        width, height = min(width, columns), min(height, rows)
        top, left = self._place(width, height)
        place = np.s_[top : top + height, left : left + width]
        first, second = self.first[place], self.second[place]
        pictures = (first, second, _amplified(first, second))
        webps = [
            webpsave(
                from_pixels(picture.tobytes(), width, height), _SHOWN, "near_lossless", deadline
            )
            for picture in pictures
        ]
        return Parts(webps[0], webps[1], webps[2], width, height)

    def _place(self, width: int, height: int) -> tuple[int, int]:
        """Give top and left of a part whose middle has the block that differs most."""
        rows, columns = (max(1, side // _BLOCK) for side in self.first.shape[:2])
        blocks = np.zeros((rows, columns))
        for row in range(rows):
            strip = np.s_[row * _BLOCK : (row + 1) * _BLOCK]
            differs = _difference(self.first[strip], self.second[strip]).sum(axis=(0, 2))
            if len(differs) >= _BLOCK:
                differs = differs[: columns * _BLOCK].reshape(columns, -1).sum(axis=1)
                blocks[row] = differs
        middles = [place * _BLOCK + _BLOCK // 2 for place in divmod(int(blocks.argmax()), columns)]
        most = (self.first.shape[0] - height, self.first.shape[1] - width)
        top, left = (
            min(max(0, middle - side // 2), end)
            for middle, side, end in zip(middles, (height, width), most, strict=True)
        )
        return top, left


def _fitting(header: Header, width: int, height: int) -> Options:
    """Give the options by which a picture comes to the size of one that was made of it.

    Which side was given then, and which followed and was rounded, shows in the outcome.
    """
    ways = [replace(OPTIONS, max_width=width), replace(OPTIONS, max_height=height)]
    is_lying = header.is_turned and header.orientation >= 5
    size = (height, width) if is_lying else (width, height)
    by_both = replace(OPTIONS, max_width=width, max_height=height)
    return next((way for way in ways if header.fitted(way) == size), by_both)


def _rgb(image: Any, deadline: Deadline) -> Rgb:
    image = in_memory(image, deadline)
    width, height, bands = shape(image)[:3]
    pixels = region(image).fetch(0, 0, width, height)
    return opaque(np.frombuffer(pixels, np.uint8).reshape(height, width, bands))


def _difference(first: Rgb, second: Rgb) -> Rgb:
    return np.maximum(first, second) - np.minimum(first, second)


def _amplified(first: Rgb, second: Rgb) -> Rgb:
    most = 255 // AMPLIFIED
    return np.minimum(_difference(first, second), most) * np.uint8(AMPLIFIED)
