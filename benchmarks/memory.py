"""The memory that one conversion takes against its estimate: `python -m benchmarks.memory`.

Each kind is converted alone in a fresh process; the peak is the rise of the kernel's high-water
mark (VmHWM) beside the input. The constants of `optimizr/convert/estimate.py` come from here.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyvips

from optimizr import convert
from optimizr.machine import peak_rss
from tests.make_pictures import drawing, photo, with_alpha

WIDTH, HEIGHT = 4000, 3000


def noise(width: int, height: int) -> Any:
    """Draw the worst case: nothing compresses it."""
    bands = [pyvips.Image.gaussnoise(width, height, sigma=80, mean=128, seed=n) for n in range(3)]
    return bands[0].bandjoin(bands[1:]).cast("uchar").copy(interpretation="srgb")


KINDS: dict[str, Callable[[], bytes]] = {
    "jpeg": lambda: photo(WIDTH, HEIGHT).jpegsave_buffer(Q=88),
    "jpeg, progressive": lambda: photo(WIDTH, HEIGHT).jpegsave_buffer(Q=88, interlace=True),
    "jpeg, progressive 4:4:4": lambda: photo(WIDTH, HEIGHT).jpegsave_buffer(
        Q=95, interlace=True, subsample_mode="off"
    ),
    "jpeg, grey": lambda: photo(WIDTH, HEIGHT).colourspace("b-w").jpegsave_buffer(Q=88),
    "jpeg, noise": lambda: noise(WIDTH, HEIGHT).jpegsave_buffer(Q=95),
    "png, drawing": lambda: drawing(WIDTH, HEIGHT).pngsave_buffer(),
    "png, photo": lambda: photo(WIDTH, HEIGHT).pngsave_buffer(compression=1),
    "png, noise": lambda: noise(WIDTH, HEIGHT).pngsave_buffer(compression=1),
    "png, interlaced": lambda: photo(WIDTH, HEIGHT).pngsave_buffer(compression=1, interlace=True),
    "png, alpha": lambda: with_alpha(photo(WIDTH, HEIGHT)).pngsave_buffer(compression=1),
    "png, noise as alpha": lambda: (
        noise(WIDTH, HEIGHT).bandjoin(noise(WIDTH, HEIGHT)[0]).pngsave_buffer(compression=1)
    ),
    "png, 16 bits": lambda: (
        (photo(WIDTH, HEIGHT).cast("ushort") * 257)
        .copy(interpretation="rgb16")
        .pngsave_buffer(compression=1)
    ),
}


def measure(path: str, quality: int) -> str:
    """Convert one file; give its row of the table. Run in a fresh process."""
    convert.start()
    warm = photo(64, 64).jpegsave_buffer()
    options = convert.Options(quality=quality)
    convert.convert(warm, convert.probe(warm, options), options)
    data = Path(path).read_bytes()
    before = peak_rss()
    header = convert.probe(data, options)
    convert.convert(data, header, options)
    peak = peak_rss() - before
    estimate = convert.peak_bytes(header, len(data), options)
    each = peak / header.pixels
    return f"{quality} | {peak >> 20} | {estimate >> 20} | {estimate / peak:.2f} | {each:.1f} |"


def main() -> None:
    """Print the table."""
    print("| kind | quality | peak MiB | estimate MiB | estimate / peak | bytes a pixel |")  # noqa: T201
    print("| --- | --- | --- | --- | --- | --- |")  # noqa: T201
    with tempfile.TemporaryDirectory() as folder:
        for kind, make in KINDS.items():
            path = Path(folder) / "picture"
            path.write_bytes(make())
            for quality in (50, 80, 100):
                command = [sys.executable, "-m", "benchmarks.memory", str(path), str(quality)]
                row = subprocess.run(command, capture_output=True, text=True, check=True).stdout
                print(f"| {kind} | {row.strip()}", flush=True)  # noqa: T201


if __name__ == "__main__":
    if len(sys.argv) == 3:
        print(measure(sys.argv[1], int(sys.argv[2])))  # noqa: T201
    else:
        main()
