"""The memory that one conversion takes against its estimate: `python -m benchmarks.memory`.

Each kind is converted alone in a fresh process; the peak is the rise of the kernel's high-water
mark (VmHWM) beside the input. The constants of `optimizr/convert/estimate.py` come from here.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyvips

from optimizr import convert
from optimizr.cli.malloc import settle_malloc
from optimizr.convert.formats import FORMATS
from optimizr.machine import peak_rss
from tests.make_pictures import drawing, photo, with_alpha

WIDTH, HEIGHT = 4000, 3000


def noise(width: int, height: int) -> Any:
    """Draw the worst case: nothing compresses it."""
    bands = [pyvips.Image.gaussnoise(width, height, sigma=80, mean=128, seed=n) for n in range(3)]
    return bands[0].bandjoin(bands[1:]).cast("uchar").copy(interpretation="srgb")


def turned() -> bytes:
    """Draw a picture that lies on its side."""
    image = photo(WIDTH, HEIGHT).copy()
    image.set_type(pyvips.GValue.gint_type, "orientation", 6)
    data: bytes = image.jpegsave_buffer(Q=88)
    return data


def cmyk(**options: Any) -> bytes:
    """Draw in CMYK."""
    image = photo(WIDTH, HEIGHT).icc_transform("cmyk", input_profile="srgb")
    data: bytes = image.jpegsave_buffer(Q=88, **options)
    return data


def deep() -> bytes:
    """Draw in 16 bits."""
    image = photo(WIDTH, HEIGHT).cast("ushort") * 257
    data: bytes = image.copy(interpretation="rgb16").pngsave_buffer(compression=1)
    return data


def animated() -> bytes:
    """Draw an animation of 20 frames."""
    frames = [drawing(WIDTH // 5, HEIGHT // 5, seed) for seed in range(20)]
    data: bytes = frames[0].pagejoin(frames[1:]).gifsave_buffer()
    return data


def saved(operation: str, image: Callable[[], Any], **options: Any) -> Callable[[], bytes]:
    """Draw, and save by one of libvips' savers."""
    return lambda: bytes(getattr(image(), operation)(**options))


def plain() -> Any:
    return photo(WIDTH, HEIGHT)


def noisy() -> Any:
    return noise(WIDTH, HEIGHT)


JPEG, PNG = "jpegsave_buffer", "pngsave_buffer"
Kind = tuple[Callable[[], bytes], dict[str, Any]]
KINDS: dict[str, Kind] = {
    "jpeg": (saved(JPEG, plain, Q=88), {}),
    "jpeg, quality 100": (saved(JPEG, plain, Q=88), {"quality": 100}),
    "jpeg, sharp_yuv": (saved(JPEG, plain, Q=88), {"sharp_yuv": True}),
    "jpeg, a size": (saved(JPEG, plain, Q=88), {"target_size": 2_000_000}),
    "jpeg, a look": (saved(JPEG, plain, Q=88), {"target_look": 50}),
    "jpeg, noise, a look": (
        saved(JPEG, noisy, Q=95),
        {"target_look": 60, "if_unreachable": "keep"},
    ),
    "jpeg, max_width 800": (saved(JPEG, plain, Q=88), {"max_width": 800}),
    "jpeg, progressive": (saved(JPEG, plain, Q=88, interlace=True), {}),
    "jpeg, progressive 4:4:4": (
        saved(JPEG, plain, Q=95, interlace=True, subsample_mode="off"),
        {},
    ),
    "jpeg, grey": (lambda: bytes(plain().colourspace("b-w").jpegsave_buffer(Q=88)), {}),
    "jpeg, noise": (saved(JPEG, noisy, Q=95), {}),
    "jpeg, noise, quality 100": (saved(JPEG, noisy, Q=95), {"quality": 100}),
    "jpeg, turned": (turned, {}),
    "jpeg, cmyk": (cmyk, {}),
    "jpeg, cmyk, progressive": (lambda: cmyk(interlace=True), {}),
    "png, drawing": (lambda: bytes(drawing(WIDTH, HEIGHT).pngsave_buffer()), {}),
    "png, drawing, auto": (
        lambda: bytes(drawing(WIDTH, HEIGHT).pngsave_buffer()),
        {"mode": "auto"},
    ),
    "png, drawing, auto, a look": (
        lambda: bytes(drawing(WIDTH, HEIGHT).pngsave_buffer()),
        {"mode": "auto", "target_look": 90},
    ),
    "png, alpha, a look": (
        lambda: bytes(with_alpha(plain()).pngsave_buffer(compression=1)),
        {"target_look": 50},
    ),
    "png, photo": (saved(PNG, plain, compression=1), {}),
    "png, photo, lossless": (saved(PNG, plain, compression=1), {"mode": "lossless"}),
    "png, photo, near_lossless": (
        saved(PNG, plain, compression=1),
        {"mode": "near_lossless", "quality": 60},
    ),
    "png, noise": (saved(PNG, noisy, compression=1), {}),
    "png, noise, lossless, effort 6": (
        saved(PNG, noisy, compression=1),
        {"mode": "lossless", "effort": 6},
    ),
    "png, noise, lossless": (saved(PNG, noisy, compression=1), {"mode": "lossless"}),
    "png, interlaced": (saved(PNG, plain, compression=1, interlace=True), {}),
    "png, alpha": (lambda: bytes(with_alpha(plain()).pngsave_buffer(compression=1)), {}),
    "png, noise as alpha": (
        lambda: bytes(noisy().bandjoin(noisy()[0]).pngsave_buffer(compression=1)),
        {},
    ),
    "png, noise as alpha, quality 100": (
        lambda: bytes(noisy().bandjoin(noisy()[0]).pngsave_buffer(compression=1)),
        {"quality": 100},
    ),
    "png, 16 bits": (deep, {}),
    "gif, 20 frames, a look": (animated, {"target_look": 60}),
    "gif, 20 frames": (animated, {}),
    "webp": (saved("webpsave_buffer", plain, Q=80), {}),
    "tiff": (saved("tiffsave_buffer", plain), {}),
    "avif": (saved("heifsave_buffer", plain, compression="av1", effort=0), {}),
}


def measure(path: str, given: str) -> str:
    """Convert one file; give its row of the table. Run in a fresh process."""
    settle_malloc()
    options = convert.Options(formats=tuple(FORMATS), **json.loads(given))
    convert.start(FORMATS, looks=options.target_look is not None)
    warm = photo(64, 64).jpegsave_buffer()
    convert.convert(convert.probe(warm, options), options)
    data = Path(path).read_bytes()
    before = peak_rss()
    picture = convert.probe(data, options)
    convert.convert(picture, options)
    peak = peak_rss() - before
    estimate = convert.peak_bytes(picture, options)
    each = peak / picture.header.pixels
    return f"{peak >> 20} | {estimate >> 20} | {estimate / peak:.2f} | {each:.1f} |"


def main() -> None:
    """Print the table."""
    print("| kind | peak MiB | estimate MiB | estimate / peak | bytes a pixel |")
    print("| --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        for kind, (make, options) in KINDS.items():
            path = Path(folder) / "picture"
            path.write_bytes(make())
            command = [sys.executable, "-m", "benchmarks.memory", str(path), json.dumps(options)]
            row = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            print(f"| {kind} | {row.strip()}", flush=True)


if __name__ == "__main__":
    if len(sys.argv) == 3:
        print(measure(sys.argv[1], sys.argv[2]))
    else:
        main()
