"""A long run in little memory: `python -m benchmarks.soak [GIGABYTES] [MEMORY]`, else 46 and 512MB.

Debian's wallpapers over and over, under other names (hard links to one copy), on one CPU. Their
hashes are drawn, so that none seems to be equal to another and each is encoded. Tells how many
failed, the peak of RSS and its slope from the second tenth of the run on, by least squares over
samples of every 10 s. 46 GB take a CPU some four hours; 2 GB take ten minutes.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import linear_regression
from typing import Any

from benchmarks.corpora import wallpapers


def fill(folder: Path, gigabytes: float) -> int:
    """Link the wallpapers under as many names as make up so much; give how many names."""
    originals = folder / "0"
    originals.mkdir(parents=True)
    for number, path in enumerate(wallpapers()):
        shutil.copy(path, originals / f"{number:03}{path.suffix}")
    once = sorted(originals.iterdir())
    size = sum(path.stat().st_size for path in once)
    rounds = max(1, round(gigabytes * 1e9 / size))
    for number in range(1, rounds):
        (folder / str(number)).mkdir()
        for path in once:
            os.link(path, folder / str(number) / path.name)
    return rounds * len(once)


_PROGRAM = """
import os
from optimizr import cli, job
job.digest_of = lambda _data: os.urandom(32)
cli.main()
"""


def run(source: Path, output: Path, memory: str) -> list[dict[str, Any]]:
    """Run on one CPU; give the memory samples and the end."""
    command = [sys.executable, "-c", _PROGRAM, "run", "--log.images", "none"]
    paths = ["--input", str(source), "--output", str(output)]
    limits = ["--memory", memory, "--pool.cpus", "1", "--monitor.interval", "10s"]
    done = subprocess.run(
        [*command, *paths, *limits, "--policy.max-failed", "100%"],
        stdout=subprocess.PIPE,
        check=True,
        preexec_fn=lambda: os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}),
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def main(gigabytes: float, memory: str) -> None:
    """Print what came of it."""
    with tempfile.TemporaryDirectory() as folder:
        count = fill(Path(folder, "in"), gigabytes)
        events = run(Path(folder, "in"), Path(folder, "out"), memory)
        summary = json.loads(Path(folder, "out/summary.json").read_bytes())
    samples = [event for event in events if event["event"] == "run.sampled"]
    later = samples[len(samples) // 10 :]
    if len(later) > 2:
        seconds = [10.0 * number for number in range(len(later))]
        slope = linear_regression(seconds, [event["rss_bytes"] for event in later]).slope
        print(f"RSS slope {slope * 3600 / 2**20:+.2f} MiB an hour over {len(later)} samples")
    print(
        f"{count} pictures, {summary['total_input_gb']:.1f} GiB, {summary['duration']}: "
        f"{summary['failed_files']} failed {summary['failures_by_reason']}, "
        f"{summary['low_memory_files']} with low_memory, "
        f"peak RSS {summary['peak_memory_mb']:.0f} of {summary['memory_ceiling_mb']:.0f} MiB, "
        f"{summary['cpu_user_seconds'] + summary['cpu_system_seconds']:.0f} CPU s"
    )


if __name__ == "__main__":
    main(
        float(sys.argv[1]) if len(sys.argv) > 1 else 46.0,
        sys.argv[2] if len(sys.argv) > 2 else "512MB",
    )
