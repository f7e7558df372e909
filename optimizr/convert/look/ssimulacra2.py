"""SSIMULACRA2: how like a picture another one looks, on a scale that ends with 100.

By Jon Sneyers, Cloudinary, 2022; definition and constants from its reference implementation,
https://github.com/cloudinary/ssimulacra2 (BSD-3-Clause). It was tuned on what people say of
compressed pictures: 90 is a difference that is not seen when flicking to and fro, 70 one that is
hard to see side by side, 50 a plain one, 30 an ugly one. Below 0 there is no end.

The pictures are looked at in XYB, the colours of JPEG XL, and in five sizes, each half the one
before. In each size three things are compared: structure (SSIM), edges that were added (`artifact`)
and edges that were lost (`detail`), by their mean (`_1`) and by the fourth root of the mean of
fourth powers (`_4`), which the worst places rule. What differs from the reference:

- Of its 108 weights those are left out that make no difference of 0.1: of the finest size, which
  costs most, only luma stays.
- Of the finer sizes of what is not small every few rows are compared: the blur makes those beside
  them much alike. That takes 0.6 times as long, and makes a difference of 0.12 at most in a
  megapixel of a wallpaper; of 2 in one that differs in nothing but a speck of 2x2 pixels.
- The blur is a plain one of 11 taps, not a recursive approximation, and mirrors the picture at its
  edges where the reference goes on in black, which makes edges alike. Small pictures get a point or
  two less for it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from operator import add
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from optimizr.convert.look.weights import SIZES, Six

Plane = NDArray[np.float32]
Rgb = NDArray[np.uint8]
"""Rows of pixels of three bytes, sRGB."""


_LEAST_SIDE = 8
"""Sizes below this, in pixels, are not looked at; a smaller picture is mirrored."""

_SAMPLES = np.arange(256) / 255
_LINEAR = np.where(
    _SAMPLES <= 0.04045, _SAMPLES / 12.92, ((_SAMPLES + 0.055) / 1.055) ** 2.4
).astype(np.float32)
"""Light, from 0 to 1, by sRGB's byte (IEC 61966-2-1)."""
_MIXES = (
    (0.30, 0.622, 0.078),
    (0.23, 0.692, 0.078),
    (0.24342268924547819, 0.20476744424496821, 0.5518098665095536),
)
"""How much of red, green and blue light each kind of cone sees (libjxl's opsin_params.h)."""
_BIAS = np.float32(0.0037930732552754493)
_CBRT_BIAS = np.cbrt(_BIAS)
_STABLE = np.float32(0.0009)
"""C2 of SSIM: differences of variance far below it count for nothing."""

_RADIUS = 5
_DISTANCES = np.arange(_RADIUS + 1)
_GAUSS = np.exp(-(_DISTANCES**2) / (2 * 1.5**2))
_TAPS = (_GAUSS / (2 * _GAUSS.sum() - _GAUSS[0])).astype(np.float32)
"""Of a Gaussian with a standard deviation of 1.5 pixels, from the middle outwards."""
_CACHED = 1 << 16
"""Pixels that are worked on at a time: 256 KiB, small enough for the CPU's caches, and for malloc
not to map each piece by itself."""
_STEPS = (5, 3, 2, 1, 1)
"""In each size one in so many rows is compared. No multiple of 4 in the finest: rows at the edges
of the blocks that are encoded are no fair sample."""
_SMALL = 1 << 19
"""Pixels below which all rows are compared: few rows of few are no fair sample either."""
_WHOLE_STEPS = 2 * math.lcm(*_STEPS)
"""Pieces of so many rows begin where a row is compared, and halve."""


class _Band(NamedTuple):
    """One channel of some rows of some tiles, in one size."""

    size: int
    name: str
    step: int
    """One in so many of its rows is compared."""
    plane: Plane
    """With a margin on each side, of what is beside it or mirrored."""

    @property
    def weights(self) -> Six:
        """Say what its means weigh."""
        return SIZES[self.size][self.name]


class _Seen(NamedTuple):
    """A band of the reference; mean and variance have no margin, and the rows to compare alone."""

    plane: Plane
    mean: Plane
    variance: Plane


class Reference:
    """A picture, or tiles of one, that others are compared with."""

    def __init__(self, *tiles: Rgb) -> None:
        """Take what is looked at, of one size; some 10 bytes for each of its pixels are kept."""
        self._seen = [_seen(band) for band in _bands(tiles)]

    def look(self, *tiles: Rgb) -> float:
        """Tell how like it others of the same size look: 100 is the same."""
        return _look(zip(self._seen, _bands(tiles), strict=True))


def look(rgb: Rgb, other: Rgb) -> float:
    """Tell how like a picture another of the same size looks, and keep nothing of either."""
    bands = zip(_bands([rgb]), _bands([other]), strict=True)
    return _look((_seen(seen), band) for seen, band in bands)


def _look(pairs: Iterable[tuple[_Seen, _Band]]) -> float:
    sums: dict[tuple[int, str], Six] = {}
    pixels: Counter[tuple[int, str]] = Counter()
    for seen, band in pairs:
        place = band.size, band.name
        sums[place] = Six(*map(add, sums.get(place, Six()), _differences(seen, band)))
        pixels[place] += seen.mean.size
    return _score(sum(_distance(place, sums[place], pixels[place]) for place in sums))


def _distance(place: tuple[int, str], sums: Six, pixels: int) -> float:
    """Weigh the means of one channel in one size."""
    size, name = place
    means = [sum_ / pixels for sum_ in sums]
    means[1::2] = [math.sqrt(math.sqrt(mean)) for mean in means[1::2]]
    return sum(weight * mean for weight, mean in zip(SIZES[size][name], means, strict=True))


def _score(distance: float) -> float:
    """Bring a sum of weighted differences to the scale that people know."""
    x = 0.9562382616834844 * distance
    x = 2.326765642916932 * x - 0.020884521182843837 * x**2 + 6.248496625763138e-05 * x**3
    return 100 - 10 * math.pow(x, 0.6276336467831387) if x > 0 else 100.0


def _bands(tiles: Sequence[Rgb]) -> Iterator[_Band]:
    """Give the channels of tiles in each size, some rows or some tiles at a time."""
    stack = np.stack(tiles) if len(tiles) > 1 else tiles[0][np.newaxis]
    is_small = stack[..., 0].size < _SMALL
    missing = [(0, max(0, _LEAST_SIDE - side)) for side in stack.shape[1:3]]
    source: list[NDArray[Any]] = [
        np.pad(stack[..., color], [(0, 0), *missing], mode="symmetric") for color in range(3)
    ]
    for size, wanted in enumerate(SIZES):
        count, height, width = source[0].shape
        if min(height, width) < _LEAST_SIDE:
            return
        margins = [(0, 0), (_RADIUS, _RADIUS), (_RADIUS, _RADIUS)]
        padded = [np.pad(plane, margins, mode="symmetric") for plane in source]
        halves = np.empty((3, count, (height + 1) // 2, (width + 1) // 2), np.float32)
        for some, top, rows in _pieces(count, height, width):
            light = [plane[some, top : top + rows + 2 * _RADIUS] for plane in padded]
            if size == 0:
                light = [_LINEAR.take(plane, mode="clip") for plane in light]
            for name, plane in _xyb(light, tuple(wanted)).items():
                yield _Band(size, name, 1 if is_small else _STEPS[size], plane)
            for half, plane in zip(halves, light, strict=True):
                half[some, top // 2 : (top + rows) // 2] = _halved(_without_margin(plane))
        source = list(halves)


def _pieces(count: int, height: int, width: int) -> Iterator[tuple[slice, int, int]]:
    """Give tiles, the first of their rows and how many: as many pixels as fit into caches."""
    rows = height + height % 2
    if rows * width > _CACHED:
        rows = min(rows, max(1, _CACHED // width // _WHOLE_STEPS) * _WHOLE_STEPS)
    tiles = max(1, _CACHED // (rows * width))
    for first in range(0, count, tiles):
        for top in range(0, height, rows):
            yield slice(first, first + tiles), top, rows


def _without_margin(plane: Plane, step: int = 1) -> Plane:
    return plane[:, _RADIUS:-_RADIUS:step, _RADIUS:-_RADIUS]


def _xyb(light: list[Plane], wanted: tuple[str, ...]) -> dict[str, Plane]:
    """Give those channels of XYB that are wanted, moved so that none is negative."""
    cones = [_cone(light, mix) for mix in _MIXES[: 3 if "b" in wanted else 2]]
    luma = (cones[0] + cones[1]) * np.float32(0.5)
    channels = {"y": luma + np.float32(0.01)}
    if "x" in wanted:
        channels["x"] = (cones[0] - cones[1]) * np.float32(7) + np.float32(0.42)
    if "b" in wanted:
        channels["b"] = cones[2] - luma + np.float32(0.55)
    return channels


def _cone(light: list[Plane], mix: tuple[float, ...]) -> Plane:
    seen = light[0] * np.float32(mix[0])
    for plane, share in zip(light[1:], mix[1:], strict=True):
        seen += plane * np.float32(share)
    seen += _BIAS
    np.cbrt(seen, out=seen)
    seen -= _CBRT_BIAS
    return seen


def _seen(band: _Band) -> _Seen:
    plane, step = band.plane, band.step
    mean = _blur(plane, step)
    variance = _blur(plane * plane, step)
    variance -= mean * mean
    return _Seen(plane, mean, variance)


def _differences(seen: _Seen, band: _Band) -> Six:
    """Sum up what differs, as far as it weighs anything."""
    weights, step = band.weights, band.step
    mean = _blur(band.plane, step)
    ssim = artifact = detail = (0.0, 0.0)
    if weights.ssim_4 or weights.ssim_1:
        ssim = _powers(_dissimilarity(seen, band, mean))
    if any(weights[2:]):
        edges = np.abs(_without_margin(band.plane, step) - mean)
        edges += 1
        edges /= np.abs(_without_margin(seen.plane, step) - seen.mean) + 1
        edges -= 1
        if weights.artifact_4:
            artifact = _powers(np.maximum(edges, 0))
        if weights.detail_4:
            detail = _powers(np.maximum(-edges, 0))
    return Six(*ssim, *artifact, *detail)


def _dissimilarity(seen: _Seen, band: _Band, mean: Plane) -> Plane:
    """Give 1 - SSIM of each place; of luminance only the difference counts, as it is."""
    plane, step = band.plane, band.step
    variance = _blur(plane * plane, step)
    variance -= mean * mean
    variance += seen.variance
    variance += _STABLE
    structure = _blur(seen.plane * plane, step)
    structure -= seen.mean * mean
    structure *= 2
    structure += _STABLE
    structure /= variance
    luminance = seen.mean - mean
    luminance *= luminance
    structure *= np.subtract(1, luminance, out=luminance)
    np.subtract(1, structure, out=structure)
    return np.maximum(structure, 0, out=structure)


def _powers(map_: Plane) -> tuple[float, float]:
    """Sum up, and sum up fourth powers."""
    first = float(map_.sum(dtype=np.float64))
    map_ *= map_
    map_ *= map_
    return first, float(map_.sum(dtype=np.float64))


def _blur(padded: Plane, step: int) -> Plane:
    """Blur what is within the margin, one in so many rows."""
    columns = _weighed(padded.swapaxes(1, 2), step).swapaxes(1, 2)
    return _weighed(columns, 1)


def _weighed(padded: Plane, step: int) -> Plane:
    """Weigh each place along the last axis, or one in so many, with what is around it."""
    count = padded.shape[-1] - 2 * _RADIUS
    moved = [padded[..., first : first + count : step] for first in range(2 * _RADIUS + 1)]
    sum_: Plane = moved[_RADIUS] * _TAPS[0]
    pair = np.empty_like(sum_)
    for distance in range(1, _RADIUS + 1):
        np.add(moved[_RADIUS - distance], moved[_RADIUS + distance], out=pair)
        pair *= _TAPS[distance]
        sum_ += pair
    return sum_


def _halved(plane: Plane) -> Plane:
    """Give each two by two pixels as one; where a side is odd, its last stands for two."""
    _, height, width = plane.shape
    if height % 2 or width % 2:
        plane = np.pad(plane, ((0, 0), (0, height % 2), (0, width % 2)), mode="edge")
    rows = plane[:, ::2] + plane[:, 1::2]
    halved: Plane = rows[..., ::2] + rows[..., 1::2]
    halved *= np.float32(0.25)
    return halved
