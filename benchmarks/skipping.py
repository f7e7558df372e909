"""How fast a run passes over what is up to date, and the memory it takes.

`python -m benchmarks.skipping 10000 1000000` makes trees of so many pictures of one byte with
their outputs and their ledgers, runs the program over each, and prints a table. What is printed is
the whole process: start-up, walk, ledger, events and report.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from optimizr.config import Settings
from optimizr.events import ImageConverted
from optimizr.inputs import open_input
from optimizr.keys import to_text
from optimizr.ledger.entries import Entry
from optimizr.ledger.ledger import Ledger
from optimizr.source import Item

_PER_FOLDER = 5000


def make(root: Path, count: int) -> None:
    """Make pictures, outputs, and the ledger that a run would have left."""
    for number in range(count):
        folder = f"{number // _PER_FOLDER:05}"
        if number % _PER_FOLDER == 0:
            for side in ("in", "out"):
                (root / side / folder).mkdir(parents=True)
        for path in (f"in/{folder}/picture {number}.jpg", f"out/{folder}/picture {number}.webp"):
            with open(root / path, "wb") as file:
                file.write(b"x")
    (root / "out/.optimizr").mkdir()
    settings = Settings(input=str(root / "in"), output=str(root / "out"))
    _, items = open_input(settings)
    with Ledger(os.fsencode(root / "out/.optimizr"), settings, "made for a benchmark") as ledger:
        for item in items:
            ledger.record([Entry(item, _converted(item))])


def _converted(item: Item) -> ImageConverted:
    return ImageConverted(
        key=to_text(item.key),
        output=to_text(item.output),
        format="jpeg",
        width=1,
        height=1,
        mode="lossy",
        input_bytes=1,
        output_bytes=1,
        fetch_ms=0,
        convert_ms=0,
        store_ms=0,
        duration_ms=0,
    )


def measure(root: Path, images: str) -> tuple[float, float, float]:
    """Run once on one core; give wall seconds, CPU seconds and peak RSS in MiB."""
    command = [sys.executable, "-m", "optimizr", "run", "--log.images", images]
    command += ["--input", str(root / "in"), "--output", str(root / "out")]
    start = time.perf_counter()
    with open(root / "log", "wb") as log:
        process = subprocess.Popen(["taskset", "-c", "0", *command], stdout=log)
        _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    if os.waitstatus_to_exitcode(status):
        raise SystemExit((root / "log").read_text()[-1000:])
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main(counts: list[int]) -> None:
    """Print the table."""
    print("| pictures | log.images | wall s | CPU s | pictures/s | peak RSS MiB |")
    print("| --- | --- | --- | --- | --- | --- |")
    for count in counts:
        with tempfile.TemporaryDirectory() as folder:
            make(Path(folder), count)
            for images in ("all", "failed"):
                wall, cpu, rss = measure(Path(folder), images)
                print(
                    f"| {count:,} | {images} | {wall:.1f} | {cpu:.1f} | "
                    f"{count / wall:,.0f} | {rss:.0f} |"
                )


if __name__ == "__main__":
    main([int(count) for count in sys.argv[1:]] or [10_000])
