"""What the libraries at hand can do, and how fast they are here: for `optimizr doctor`."""

from __future__ import annotations

import time

import pyvips

from optimizr.convert.deadline import Deadline
from optimizr.convert.encode import encode
from optimizr.convert.formats import FORMATS
from optimizr.convert.options import Options

_SIDE = 2048


def readable() -> list[str]:
    """Name the formats that this libvips can read."""
    return [name for name, known in FORMATS.items() if _has(known.operation)]


def can_write() -> bool:
    """Tell whether this libvips can write WebP."""
    return _has("webpsave_buffer")


def _has(operation: str) -> bool:
    return bool(pyvips.type_find("VipsOperation", operation))


def encode_speed() -> float:
    """Encode a made picture of 4 megapixels on one thread; megapixels a second of wall time."""
    ramp = pyvips.Image.xyz(_SIDE, _SIDE) * (255 / _SIDE)
    noise = pyvips.Image.gaussnoise(_SIDE, _SIDE, sigma=12, mean=0, seed=1)
    picture = (ramp.bandjoin(ramp[0]) + noise).cast("uchar").copy(interpretation="srgb")
    picture = picture.copy_memory()
    start = time.perf_counter()
    with Deadline(600) as deadline:
        encode(lambda: picture, Options(), "lossy", deadline, direct=True)
    return _SIDE * _SIDE / 1e6 / (time.perf_counter() - start)
