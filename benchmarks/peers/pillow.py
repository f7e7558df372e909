"""Pillow in a thread pool."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image

source, output, at_once = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])


def convert(path: Path) -> None:
    with Image.open(path) as image:
        shown = (
            image
            if image.mode in ("RGB", "RGBA")
            else image.convert("RGBA" if image.has_transparency_data else "RGB")
        )
        name = path.relative_to(source)
        shown.save(output / f"{name}.webp", quality=80, method=4)


with ThreadPoolExecutor(at_once) as pool:
    list(pool.map(convert, (path for path in source.rglob("*") if path.is_file())))
