"""The plain wheel of libvips in a thread pool."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyvips

source, output, at_once = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
pyvips.concurrency_set(1)
pyvips.cache_set_max(0)


def convert(path: Path) -> None:
    image = pyvips.Image.new_from_file(str(path), access="sequential")
    name = path.relative_to(source)
    image.webpsave(str(output / f"{name}.webp"), Q=80, effort=4, keep="none")


with ThreadPoolExecutor(at_once) as pool:
    list(pool.map(convert, (path for path in source.rglob("*") if path.is_file())))
