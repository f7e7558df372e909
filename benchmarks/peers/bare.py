"""No program: libvips' decode and libwebp's encode, one process for each CPU, and nothing else.

Prints how many files there were, their bytes as WebP, and the CPU seconds of decode and encode.
"""

from __future__ import annotations

import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pyvips

from optimizr.cli.malloc import settle_malloc
from optimizr.convert.libwebp import Libwebp, candidates, newest


def convert(paths: list[Path]) -> tuple[float, float, int]:
    """Give the seconds of decode and of encode, and the bytes, of these pictures."""
    library, _ = newest(candidates())
    assert library is not None
    decode = encode = 0.0
    size = 0
    for path in paths:
        data = path.read_bytes()
        start = time.process_time()
        image = pyvips.Image.new_from_buffer(data, "", access="sequential")
        if image.interpretation != "srgb" or image.format != "uchar":
            image = image.colourspace("srgb")
        width, height, bands = image.width, image.height, image.bands
        pixels = pyvips.Region.new(image).fetch(0, 0, width, height)
        between = time.process_time()
        size += _encode(library, width, height, bands, pixels)
        decode += between - start
        encode += time.process_time() - between
    return decode, encode, size


def _encode(library: Libwebp, width: int, height: int, bands: int, pixels: bytearray) -> int:
    with library.picture() as picture:
        library.fill(picture, width, height, bands, pixels)
        return len(library.encode(picture, library.config(0, 80)))


def _settle() -> None:
    settle_malloc()
    pyvips.concurrency_set(1)
    pyvips.cache_set_max(0)


def main() -> None:
    """Print the figures."""
    source, at_once = Path(sys.argv[1]), int(sys.argv[3])
    paths = sorted(path for path in source.rglob("*") if path.is_file())
    # Handed out one by one, largest first, so that all processes end at about the same time.
    paths.sort(key=lambda path: -path.stat().st_size)
    with ProcessPoolExecutor(at_once, initializer=_settle) as pool:
        parts = list(pool.map(convert, ([path] for path in paths)))
    decode, encode, size = (sum(column) for column in zip(*parts, strict=True))
    print(f"{len(paths)} files {size} bytes decode {decode:.2f} s encode {encode:.2f} s")


if __name__ == "__main__":
    main()
