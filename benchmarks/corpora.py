"""The pictures that whole programs are compared on: `python -m benchmarks.corpora NAME FOLDER`."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyvips

PLACES = ("/usr/share/wallpapers", "/usr/share/backgrounds")
"""Where Debian's wallpaper packages put their pictures."""
MOST_SIDE = 16383


def make(name: str, folder: Path) -> str:
    """Make a corpus; give what it is in words. Exits if its package is not installed."""
    folder.mkdir(parents=True)
    MAKE[name](folder)
    files = [path for path in folder.iterdir() if path.is_file()]
    megabytes = sum(path.stat().st_size for path in files) / 1e6
    pixels = sum(_pixels(path) for path in files) / 1e6
    kinds = " and ".join(
        f"{sum(path.suffix == f'.{kind}' for path in files)} {kind.upper()}"
        for kind in ("jpg", "png")
    )
    return f"{kinds}, {pixels:.0f} megapixels, {megabytes:.0f} MB"


def wallpapers() -> list[Path]:
    """Find Debian's wallpapers, each once: photographs and drawings of 0.8 to 15 megapixels."""
    found: dict[tuple[int, bytes], Path] = {}
    for place in PLACES:
        for path in sorted(Path(place).rglob("*")):
            if path.suffix in (".jpg", ".png") and path.is_file():
                found.setdefault((path.stat().st_size, path.read_bytes()[:4096]), path)
    if not found:
        raise SystemExit("no wallpapers: install plasma-workspace-wallpapers and its like")
    return list(found.values())


def large(folder: Path) -> None:
    """Take the wallpapers as they are."""
    for number, path in enumerate(wallpapers()):
        shutil.copy(path, folder / f"{number:03}{path.suffix}")


def small(folder: Path, count: int = 1600) -> None:
    """Cut JPEGs of 200 to 640 pixels a side from the wallpapers, some of them scaled down."""
    draw = random.Random(5)
    sources = wallpapers()
    each = -(-count // len(sources))
    number = 0
    for path in sources:
        image = pyvips.Image.new_from_file(str(path))
        image = (image.flatten() if image.hasalpha() else image).colourspace("srgb").copy_memory()
        for _ in range(each):
            width, height, scale = (
                draw.randint(200, 640),
                draw.randint(200, 640),
                draw.choice((1, 2, 3)),
            )
            _cut(image, draw, width * scale, height * scale).resize(1 / scale).cast(
                "uchar"
            ).jpegsave(str(folder / f"{number:04}.jpg"), Q=draw.choice((80, 88, 92)), keep="none")
            number += 1


def _cut(image: Any, draw: random.Random, width: int, height: int) -> Any:
    width, height = min(width, image.width), min(height, image.height)
    left, top = draw.randint(0, image.width - width), draw.randint(0, image.height - height)
    return image.crop(left, top, width, height)


def seed(folder: Path, count: int = 60) -> None:
    """Draw as the Go program's own test does: ImageMagick's plasma, 70% of it JPEG."""
    if shutil.which("convert") is None:
        raise SystemExit("no ImageMagick: install imagemagick")
    draw = random.Random(7)
    sizes = ((1280, 720), (1920, 1080), (2560, 1440), (3840, 2160), (4000, 3000))
    for number in range(count):
        width, height = draw.choice(sizes)
        kind = "jpg" if draw.random() < 0.7 else "png"
        subprocess.run(
            [
                *("convert", "-seed", str(number), "-size", f"{width}x{height}"),
                *(
                    "plasma:fractal",
                    "-depth",
                    "8",
                    "-quality",
                    "90",
                    str(folder / f"{number:03}.{kind}"),
                ),
            ],
            check=True,
        )


MAKE: dict[str, Callable[[Path], None]] = {"large": large, "small": small, "seed": seed}


def _pixels(path: Path) -> int:
    image = pyvips.Image.new_from_file(str(path))
    return int(image.width * image.height)


if __name__ == "__main__":
    print(make(sys.argv[1], Path(sys.argv[2])))
