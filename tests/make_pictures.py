"""Draws the test pictures: `python -m tests.make_pictures` makes those in tests/pictures anew.

Photographs are hard to make, so these are gradients with noise and shapes, which compress much as
photographs do, and flat drawings, which compress as drawings do. Each is named by what is odd.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyvips

HOME = Path(__file__).parent / "pictures"


def photo(width: int, height: int, seed: int = 0, noise: float = 6) -> Any:
    """Draw soft gradients, some disks and some grain: sRGB, 8 bits."""
    xyz = pyvips.Image.xyz(width, height)
    x, y = xyz[0] / width, xyz[1] / height
    bands = []
    for band in range(3):
        phase = seed * 37 + band * 120
        wave = ((x * 180 + y * (90 + 40 * band) + phase).math("sin") + 1) * 90
        grain = pyvips.Image.gaussnoise(width, height, sigma=noise, mean=0, seed=seed + band)
        bands.append(wave + y * 60 + grain)
    image = bands[0].bandjoin(bands[1:]).cast("uchar").copy(interpretation="srgb").copy_memory()
    for place in range(1, 6):
        ink = [(seed * 53 + place * 71 + band * 97) % 256 for band in range(3)]
        radius = max(1, min(width, height) * place // 40)
        image = image.draw_circle(
            ink, width * place // 6, height * (place * 3 % 7) // 7, radius, fill=True
        )
    return image


def drawing(width: int, height: int, seed: int = 0) -> Any:
    """Draw flat shapes of few colours: sRGB, 8 bits."""
    image = (
        pyvips.Image.black(width, height).bandjoin([0, 0]).linear(1, [246, 244, 238], uchar=True)
    )
    image = image.copy(interpretation="srgb").copy_memory()
    for place in range(8):
        ink = [(seed * 31 + place * 83 + band * 59) % 256 for band in range(3)]
        left, top = width * place // 9, height * (place * 5 % 8) // 9
        image = image.draw_rect(ink, left, top, max(1, width // 7), max(1, height // 6), fill=True)
        image = image.draw_line([40, 40, 40], left, height - 1, width - 1 - left, top)
    return image


def with_alpha(image: Any) -> Any:
    """Fade a picture out from left to right."""
    ramp = pyvips.Image.xyz(image.width, image.height)[0] * (255 / image.width)
    return image.bandjoin(ramp.cast("uchar"))


def unlike(jpeg: bytes, number: int) -> bytes:
    """Put a comment into a JPEG: with the same bytes as another it would not be encoded."""
    return jpeg[:2] + b"\xff\xfe\x00\x06" + number.to_bytes(4, "big") + jpeg[2:]


def make(folder: Path) -> None:
    """Write the pictures of the repository: all good, of the kinds that libraries are full of."""
    for name in ("photos", "drawings", "odd"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    photo(1280, 854, seed=1).jpegsave(str(folder / "photos/landscape.jpg"), Q=88)
    photo(600, 900, seed=2).jpegsave(str(folder / "photos/portrait.JPEG"), Q=85)
    photo(800, 600, seed=3).jpegsave(str(folder / "photos/progressive.jpg"), Q=85, interlace=True)
    photo(640, 480, seed=4).colourspace("b-w").jpegsave(str(folder / "photos/grey.jpg"), Q=85)
    photo(333, 217, seed=5).jpegsave(
        str(folder / "photos/odd sides.jpg"), Q=95, subsample_mode="off"
    )
    drawing(960, 640, seed=1).pngsave(str(folder / "drawings/shapes.png"))
    with_alpha(drawing(480, 320, seed=2)).pngsave(str(folder / "drawings/fading.png"))
    drawing(640, 480, seed=3).pngsave(str(folder / "drawings/palette.png"), palette=True)
    drawing(640, 480, seed=4).pngsave(str(folder / "drawings/interlaced.png"), interlace=True)
    deep = (drawing(320, 240, seed=5).cast("ushort") * 257).copy(interpretation="rgb16")
    deep.pngsave(str(folder / "drawings/sixteen bits.png"))
    photo(1, 1).pngsave(str(folder / "odd/one pixel.png"))
    photo(240, 160, seed=6).jpegsave(str(folder / "odd/same name.jpg"), Q=85)
    drawing(240, 160, seed=6).pngsave(str(folder / "odd/same name.png"))
    (folder / "odd/a png called.jpg").write_bytes(drawing(160, 120, seed=7).pngsave_buffer())


if __name__ == "__main__":
    make(HOME)
