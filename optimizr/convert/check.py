"""What the libvips at hand can do, and how fast it is here: for `optimizr doctor`."""

from __future__ import annotations

import time

import pyvips

from optimizr.convert.encode import Options, encode
from optimizr.convert.vips import LOADERS

_SIDE = 2048


def missing() -> list[str]:
    """Name what optimizr needs and this libvips was built without."""
    needed = {**LOADERS, "webp": "webpsave_buffer"}
    return [
        format_
        for format_, operation in needed.items()
        if not pyvips.type_find("VipsOperation", operation)
    ]


def encode_speed() -> float:
    """Encode a made picture of 4 megapixels on one thread; megapixels a second of wall time."""
    ramp = pyvips.Image.xyz(_SIDE, _SIDE) * (255 / _SIDE)
    noise = pyvips.Image.gaussnoise(_SIDE, _SIDE, sigma=12, mean=0, seed=1)
    picture = (ramp.bandjoin(ramp[0]) + noise).cast("uchar").copy(interpretation="srgb")
    picture = picture.copy_memory()
    start = time.perf_counter()
    encode(picture, Options())
    return _SIDE * _SIDE / 1e6 / (time.perf_counter() - start)
