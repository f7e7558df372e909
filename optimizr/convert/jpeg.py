"""What a JPEG's tables say of the memory it will take; libvips does not tell.

By ITU-T T.81 (the JPEG standard): a file is segments of a marker, a length and a body, up to the
first scan.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

_DQT, _SOS, _FILL = 0xDB, 0xDA, 0xFF
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""SOF0 to SOF15, which are 0xC0 to 0xCF but for DHT, JPG and DAC."""
_ALONE = frozenset({0x01, *range(0xD0, 0xD9)})
"""Markers without a body: TEM, RST0 to RST7, SOI."""
_MOST_SEGMENTS = 1000
"""Looked at: a file can be made of millions."""
_EXAMPLE_SUM = 3688
"""Of the 64 steps of the luminance table in T.81's annex K, which libjpeg takes at quality 50."""


class Tables(NamedTuple):
    """What the segments before the first scan say."""

    samples: float
    """A pixel: 3 without chroma subsampling, 1.5 at 4:2:0."""
    coarseness: float
    """The steps of its coarsest quantization table, as a multiple of the standard's example for
    luminance. As libjpeg writes them: 4 at quality 20, 1.6 at 50, 0.8 at 75, 0.15 at 95."""


def tables(data: bytes) -> Tables | None:
    """Read the tables; None if they are not where they should be."""
    samples, steps = 0.0, 0
    for marker, start, end in islice(_segments(data), _MOST_SEGMENTS):
        if marker == _DQT:
            steps = max(steps, _steps(data[start:end]))
        elif marker in _FRAMES:
            samples = _samples(data[start:end])
    return Tables(samples, steps / _EXAMPLE_SUM) if samples and steps else None


def _segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield marker, start and end of each segment's body, up to the first scan."""
    at = 0
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker, start = data[at + 1], at + 4
        if marker == _SOS:
            return
        if marker == _FILL:
            end = start = at + 1
        elif marker in _ALONE:
            end = start = at + 2
        else:
            end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        yield marker, start, end
        at = end


def _steps(body: bytes) -> int:
    """Sum up the largest table of a DQT: each is a byte of precision and number, then 64 steps."""
    largest = at = 0
    while at < len(body):
        size = 2 if body[at] >> 4 else 1
        table = body[at + 1 : at + 1 + 64 * size]
        largest = max(
            largest, sum(table[size - 1 :: size]) + 256 * sum(table[: 128 * (size - 1) : 2])
        )
        at += 1 + 64 * size
    return largest


def _samples(body: bytes) -> float:
    """Sum up the components of a SOF, each by its share of the largest sampling factors."""
    factors = [(body[at] >> 4, body[at] & 15) for at in range(7, min(len(body), 6 + 3 * 4), 3)]
    largest = max((h for h, _ in factors), default=0) * max((v for _, v in factors), default=0)
    return sum(h * v for h, v in factors) / largest if largest else 0.0
