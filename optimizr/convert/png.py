"""What libvips does not tell of a PNG: how it states its colours, and whether it is animated.

Chunks by PNG (Third Edition), W3C 2025: 11.3.2.1 cHRM, 11.3.2.2 gAMA, 11.3.2.6 cICP, 4.3 for which
of them wins. Code points by ITU-T H.273.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

from optimizr.convert import icc

_PRIMARIES = {
    1: icc.BT709,
    9: icc.Primaries(icc.D65, (0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),
    12: icc.Primaries(icc.D65, (0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
}
"""H.273 table 2: BT.709, BT.2020, Display P3."""

_REFERENCE_WHITE = 203 / 10000
"""Of diffuse white in PQ's range of 10,000 cd/m2 (ITU-R BT.2408); what is brighter is clipped."""
_TABLE = 1024
_MOST_CHUNKS = 1000
"""Looked at; a file of millions of empty chunks must not take time."""


def profile(data: bytes) -> bytes | None:
    """Give an ICC profile for the colours that a PNG states without one; None for sRGB or iCCP.

    Of several statements the strongest counts: cICP, iCCP, sRGB, then gAMA with cHRM. One that
    makes no sense is passed over, as browsers do.
    """
    chunks = dict(_chunks(data))
    try:
        if b"cICP" in chunks:
            return _from_code_points(chunks[b"cICP"])
        if b"gAMA" in chunks and not {b"iCCP", b"sRGB"} & chunks.keys():
            return _from_gamma(chunks[b"gAMA"], chunks.get(b"cHRM"))
    except (ValueError, struct.error):
        return None
    return None


def is_animated(data: bytes) -> bool:
    """Tell whether a PNG has more frames than the one that is converted (an APNG)."""
    return any(kind == b"acTL" for kind, _ in _chunks(data))


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield (type, content) of the chunks before the pixels, of those short enough to matter."""
    place = 8
    for _ in range(_MOST_CHUNKS):
        if place + 8 > len(data):
            return
        size, kind = struct.unpack_from(">I4s", data, place)
        if kind == b"IDAT":
            return
        yield kind, data[place + 8 : place + 8 + min(size, 64)]
        place += size + 12


def _from_gamma(gama: bytes, chrm: bytes | None) -> bytes:
    (encoding,) = struct.unpack(">I", gama)
    primaries = icc.BT709 if chrm is None else _chromaticities(chrm)
    if not 0 < encoding <= 1_000_000:
        raise ValueError(f"expected a gamma in (0, 10], got {encoding / 100_000}")
    return icc.profile(primaries, icc.gamma_curve(100_000 / encoding))


def _chromaticities(chrm: bytes) -> icc.Primaries:
    numbers = [number / 100_000 for number in struct.unpack(">8I", chrm)]
    points = list(zip(numbers[::2], numbers[1::2], strict=True))
    return icc.Primaries(*points)


def _from_code_points(cicp: bytes) -> bytes | None:
    primaries, transfer, matrix, full_range = struct.unpack(">4B", cicp)
    if (primaries, transfer) == (1, 13) or matrix != 0 or full_range != 1:
        return None
    if primaries not in _PRIMARIES or transfer not in _CURVES:
        return None
    return icc.profile(_PRIMARIES[primaries], _CURVES[transfer]())


def _bt709(value: float) -> float:
    return value / 4.5 if value < 0.081 else ((value + 0.099) / 1.099) ** (1 / 0.45)


def _pq(value: float) -> float:
    """SMPTE ST 2084, with diffuse white at 1."""
    m1, m2 = 2610 / 16384, 2523 / 4096 * 128
    c1, c2, c3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
    power = value ** (1 / m2)
    return float((max(power - c1, 0) / (c2 - c3 * power)) ** (1 / m1)) / _REFERENCE_WHITE


def _table(function: Callable[[float], float]) -> bytes:
    return icc.table_curve([function(step / (_TABLE - 1)) for step in range(_TABLE)])


_CURVES: dict[int, Callable[[], bytes]] = {
    1: lambda: _table(_bt709),
    4: lambda: icc.gamma_curve(2.2),
    5: lambda: icc.gamma_curve(2.8),
    6: lambda: _table(_bt709),
    8: lambda: icc.gamma_curve(1.0),
    13: lambda: icc.parametric_curve(*icc.SRGB_CURVE),
    14: lambda: _table(_bt709),
    15: lambda: _table(_bt709),
    16: lambda: _table(_pq),
}
"""H.273 table 3: BT.709, gamma 2.2 and 2.8, BT.601, linear, sRGB, BT.2020 at 10 and 12 bits, PQ."""
