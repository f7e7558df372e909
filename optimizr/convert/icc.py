"""ICC profiles written from numbers, for pictures that say their colours without a profile.

A PNG may state them as gamma and chromaticities (gAMA, cHRM) or as code points (cICP). As a profile
they go the same way as an embedded one: through libvips' transform, or into the WebP.

Formats: ICC.1:2022, sections 7.2 (header), 10.6 (curveType), 10.18 (parametricCurveType) and
10.31 (XYZType). Colour arithmetic: B. Lindbloom, "RGB/XYZ Matrices" and "Chromatic Adaptation".
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple

Point = tuple[float, float]
"""CIE xy."""
Matrix = Sequence[Sequence[float]]


class Primaries(NamedTuple):
    """The chromaticities of a colour space."""

    white: Point
    red: Point
    green: Point
    blue: Point


D65 = (0.3127, 0.3290)
BT709 = Primaries(D65, (0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
"""Those of sRGB too."""

_D50 = (0.9642, 1.0, 0.8249)
"""The white of the profile connection space, XYZ (ICC.1:2022, 7.2.16)."""
_BRADFORD: Matrix = (
    (0.8951, 0.2664, -0.1614),
    (-0.7502, 1.7135, 0.0367),
    (0.0389, -0.0685, 1.0296),
)
SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
"""IEC 61966-2-1 as the g, a, b, c, d of a parametric curve of type 3."""


def gamma_curve(exponent: float) -> bytes:
    """Write the curve `linear = value ** exponent`."""
    return struct.pack(">4s4xHxxi", b"para", 0, _fixed(exponent))


def parametric_curve(g: float, a: float, b: float, c: float, d: float) -> bytes:
    """Write the curve `(a v + b) ** g` from d on, and `c v` below it."""
    return struct.pack(">4s4xHxx5i", b"para", 3, *map(_fixed, (g, a, b, c, d)))


def table_curve(values: Sequence[float]) -> bytes:
    """Write a curve through evenly spaced values from 0 to 1."""
    entries = [round(min(1.0, max(0.0, value)) * 65535) for value in values]
    packed = struct.pack(f">4s4xI{len(entries)}H", b"curv", len(entries), *entries)
    return packed + bytes(-len(packed) % 4)


def profile(primaries: Primaries, curve: bytes) -> bytes:
    """Write an ICC v4 display profile for RGB with the same curve for each channel.

    Raises ValueError for chromaticities that span no colour space.
    """
    red, green, blue = zip(*_to_d50(primaries), strict=True)
    shared = {
        b"desc": _text("optimizr"),
        b"cprt": _text("CC0"),
        b"wtpt": _xyz(_D50),
        b"rXYZ": _xyz(red),
        b"gXYZ": _xyz(green),
        b"bXYZ": _xyz(blue),
        b"rTRC": curve,
    }
    offset = 128 + 4 + 12 * (len(shared) + 2)
    table, body = b"", b""
    places: dict[bytes, tuple[int, int]] = {}
    for tag, element in shared.items():
        places[tag] = (offset + len(body), len(element))
        body += element
    places[b"gTRC"] = places[b"bTRC"] = places[b"rTRC"]
    for tag, (place, size) in places.items():
        table += struct.pack(">4sII", tag, place, size)
    size = offset + len(body)
    return _header(size) + struct.pack(">I", len(places)) + table + body


def is_srgb(data: bytes) -> bool:
    """Tell whether a profile is sRGB under whatever name, so that there is nothing to transform.

    Its primaries and its curves must be those of sRGB to less than half a step of 8 bits. False
    for any other profile, and for what is no profile.
    """
    try:
        if data[16:20] != b"RGB " or data[12:16] not in (b"mntr", b"scnr", b"spac"):
            return False
        tags = _tags(data)
        columns = [_read_xyz(tags[tag]) for tag in (b"rXYZ", b"gXYZ", b"bXYZ")]
        curves = {tags[tag] for tag in (b"rTRC", b"gTRC", b"bTRC")}
        return (
            b"A2B0" not in tags  # tables would count, not the matrix
            and all(map(_close, columns, zip(*_to_d50(BT709), strict=True)))
            and all(map(_is_srgb_curve, curves))
        )
    except (KeyError, IndexError, struct.error):
        return False


def _tags(data: bytes) -> dict[bytes, bytes]:
    (count,) = struct.unpack_from(">I", data, 128)
    tags = {}
    for number in range(min(count, 100)):
        tag, place, size = struct.unpack_from(">4sII", data, 132 + 12 * number)
        tags[tag] = data[place : place + size]
    return tags


def _read_xyz(element: bytes) -> list[float]:
    return [number / 65536 for number in struct.unpack_from(">3i", element, 8)]


def _close(one: Sequence[float], other: Sequence[float]) -> bool:
    return all(abs(a - b) < 0.001 for a, b in zip(one, other, strict=True))


def _is_srgb_curve(element: bytes) -> bool:
    """Compare a curve with sRGB's at 64 places, as the values that sRGB would encode them to."""
    if element[:4] == b"para":
        (kind,) = struct.unpack_from(">H", element, 8)
        if kind != 3:
            return False
        numbers = [number / 65536 for number in struct.unpack_from(">5i", element, 12)]
        return _close(numbers, SRGB_CURVE)
    if element[:4] != b"curv":
        return False
    (count,) = struct.unpack_from(">I", element, 8)
    if count < 256:
        return False
    entries = struct.unpack_from(f">{count}H", element, 12)
    steps = [round(step * (count - 1) / 63) for step in range(64)]
    return all(
        abs(_srgb_encoded(entries[step] / 65535) - step / (count - 1)) < 0.5 / 255 for step in steps
    )


def _srgb_encoded(linear: float) -> float:
    return 12.92 * linear if linear <= 0.0031308 else 1.055 * linear ** (1 / 2.4) - 0.055


def _header(size: int) -> bytes:
    head = struct.pack(">I4sI4s4s4s", size, b"", 0x04300000, b"mntr", b"RGB ", b"XYZ ")
    head += struct.pack(">6H4s", 2026, 1, 1, 0, 0, 0, b"acsp")
    head = head.ljust(68, b"\0") + _xyz(_D50)[8:]
    return head.ljust(128, b"\0")


def _to_d50(primaries: Primaries) -> Matrix:
    """Give the matrix from linear RGB to XYZ, its columns adapted from the white to D50."""
    columns = [_from_xy(point) for point in primaries[1:]]
    matrix = tuple(zip(*columns, strict=True))
    white = _from_xy(primaries.white)
    scale = _apply(_inverse(matrix), white)
    to_xyz = [[cell * by for cell, by in zip(row, scale, strict=True)] for row in matrix]
    cone_white, cone_d50 = _apply(_BRADFORD, white), _apply(_BRADFORD, _D50)
    ratios = [[0.0] * 3 for _ in range(3)]
    for place in range(3):
        ratios[place][place] = cone_d50[place] / cone_white[place]
    adapt = _multiply(_inverse(_BRADFORD), _multiply(ratios, _BRADFORD))
    return _multiply(adapt, to_xyz)


def _from_xy(point: Point) -> tuple[float, float, float]:
    x, y = point
    if y <= 0:
        raise ValueError(f"expected a chromaticity with y above 0, got {point}")
    return x / y, 1.0, (1 - x - y) / y


def _apply(matrix: Matrix, vector: Sequence[float]) -> list[float]:
    return [sum(a * b for a, b in zip(row, vector, strict=True)) for row in matrix]


def _multiply(left: Matrix, right: Matrix) -> list[list[float]]:
    return [[sum(a * b for a, b in zip(row, col, strict=True)) for col in zip(*right, strict=True)]
            for row in left]  # fmt: skip


def _inverse(m: Matrix) -> list[list[float]]:
    """Invert by cofactors. Raises ValueError for a matrix that has no inverse."""

    def minor(i: int, j: int) -> float:
        (a, b), (c, d) = ([m[r][s] for s in range(3) if s != j] for r in range(3) if r != i)
        return a * d - b * c

    cofactors = [[(-1) ** (i + j) * minor(i, j) for j in range(3)] for i in range(3)]
    determinant = sum(m[0][j] * cofactors[0][j] for j in range(3))
    if abs(determinant) < 1e-9:
        raise ValueError("expected primaries that span a colour space")
    return [[cofactors[j][i] / determinant for j in range(3)] for i in range(3)]


def _fixed(value: float) -> int:
    return max(-(2**31), min(2**31 - 1, round(value * 65536)))


def _xyz(values: Sequence[float]) -> bytes:
    return struct.pack(">4s4x3i", b"XYZ ", *map(_fixed, values))


def _text(text: str) -> bytes:
    encoded = text.encode("utf-16-be")
    packed = struct.pack(">4s4xII2s2sII", b"mluc", 1, 12, b"en", b"US", len(encoded), 28) + encoded
    return packed + bytes(-len(packed) % 4)
