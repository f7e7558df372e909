"""What `pool.workers auto` makes of a slow source: `python -m benchmarks.latency [DIR]`.

The pictures of DIR (else 1,500 that are made: JPEGs of 300 to 500 pixels a side) are converted with
each read made slower, by a fixed number of workers and by `auto`. Fixed numbers and `auto` take
turns; the table gives the median of three, and `auto` against the best fixed number.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

import optimizr
from optimizr.cli.malloc import settle_malloc
from optimizr.store import Head
from optimizr.store.local import LocalStore
from tests.make_pictures import photo, unlike

DELAYS = (0.0, 0.04, 0.2)
FIXED = (2, 4, 8, 16, 32, 64)
ROUNDS = 3


def make(folder: Path, count: int = 1500) -> None:
    """Draw the pictures."""
    kinds = [photo(300 + n * 20, 300 + n * 10, n).jpegsave_buffer(Q=88) for n in range(10)]
    for number in range(count):
        (folder / f"{number:04}.jpg").write_bytes(unlike(kinds[number % len(kinds)], number))


def seconds(pictures: str, delay: float, workers: int | str) -> tuple[float, int]:
    """Convert; give the wall time and the most workers that there were."""
    get = LocalStore.get

    def slow(self: LocalStore, key: bytes, version: str = "") -> tuple[bytes, Head]:
        time.sleep(delay)
        return get(self, key, version)

    LocalStore.get = slow  # type: ignore[method-assign]
    try:
        with tempfile.TemporaryDirectory() as output:
            settings = optimizr.Settings(
                input=pictures,
                output=output,
                pool={"workers": workers},  # type: ignore[arg-type]
                monitor={"interval": "1s"},  # type: ignore[arg-type]
            )
            start = time.perf_counter()
            summary = optimizr.run(settings)
            took = time.perf_counter() - start
    finally:
        LocalStore.get = get  # type: ignore[method-assign]
    assert summary.failed_files == 0
    return took, summary.peak_workers or 0


def main(pictures: str) -> None:
    """Print the table."""
    print("| a read takes | " + " | ".join(map(str, FIXED)) + " | auto | best / auto |")
    print("| --- |" + " --- |" * (len(FIXED) + 2))
    for delay in DELAYS:
        took: dict[int | str, list[float]] = {workers: [] for workers in (*FIXED, "auto")}
        for _ in range(ROUNDS):
            for workers, times in took.items():
                time_taken, most = seconds(pictures, delay, workers)
                times.append(time_taken)
        medians = {workers: statistics.median(times) for workers, times in took.items()}
        best = min(medians[workers] for workers in FIXED)
        cells = " | ".join(f"{median:.1f} s" for median in medians.values())
        print(
            f"| {delay * 1000:.0f} ms more | {cells} ({most} workers) |"
            f" {best / medians['auto']:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    settle_malloc()
    if len(sys.argv) > 1:
        main(sys.argv[1])
    else:
        with tempfile.TemporaryDirectory() as folder:
            make(Path(folder))
            main(folder)
