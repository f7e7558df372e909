"""From bucket to bucket on a real S3 (SeaweedFS): `python -m benchmarks.buckets [DIR]`.

Two things are measured. Whether slow requests leave the CPU idle: the pictures of DIR (else 1,500
that are made) are converted from folder to folder and, with 50 ms a request, from bucket to bucket,
by turns, with one CPU slot, so that store and proxy have a CPU of their own. And what 20,000 small
objects take: rate, peak RSS, and the same for a second run that finds all of them up to date.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.latency import make
from tests.conftest import clean_environment
from tests.make_pictures import photo, unlike
from tests.servers import seaweed
from tests.servers.faults import Faults
from tests.servers.seaweed import S3
from tests.servers.shared import running

ROUNDS = 3
LATENCY = 0.05
SMALL = 20_000


def main(folder: Path | None) -> None:
    """Measure, and print."""
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch)
        with running(home / "server", seaweed.command) as facts:
            s3 = seaweed.identity(facts, "admin")
            if folder is None:
                folder = home / "pictures"
                folder.mkdir()
                make(folder)
            slow_requests(s3, folder, home)
            small_objects(s3, home)
            s3.client.close()


def slow_requests(s3: S3, folder: Path, home: Path) -> None:
    """Compare the use of one CPU by a run over folders and one over a slow bucket."""
    bucket = filled(s3, {path.name: path.read_bytes() for path in folder.iterdir()})
    used: dict[str, list[float]] = {"folder": [], "bucket": []}
    with Faults(s3.endpoint) as faults:
        faults.latency = LATENCY
        env = s3.environment() | {"AWS_ENDPOINT_URL": faults.url}
        for number in range(ROUNDS):
            output = str(home / f"out-{number}")
            for kind, source, target in (
                ("folder", str(folder), output),
                ("bucket", f"s3://{bucket}", f"s3://{s3.new_bucket()}"),
            ):
                figures = run(source, target, env, home, "--pool.cpus", "1")
                used[kind].append(figures["cpu_utilization_percent"])
    for kind, percents in used.items():
        print(f"{kind}: {statistics.median(percents):.1f}% of one CPU, of {sorted(percents)}")
    ratios = [b / f for f, b in zip(used["folder"], used["bucket"], strict=True)]
    print(f"bucket at {LATENCY * 1000:.0f} ms a request to folder: {statistics.median(ratios):.3f}")


def small_objects(s3: S3, home: Path) -> None:
    """Convert many small objects, twice."""
    kinds = [photo(160, 120, n).jpegsave_buffer(Q=85) for n in range(50)]
    names = {f"{n % 100:02}/{n:05}.jpg": unlike(kinds[n % len(kinds)], n) for n in range(SMALL)}
    source, target = f"s3://{filled(s3, names)}", f"s3://{s3.new_bucket()}"
    for title in ("first run", "second run"):
        figures = run(source, target, s3.environment(), home)
        seconds = figures["duration_seconds"]
        cpu = figures["cpu_user_seconds"] + figures["cpu_system_seconds"]
        print(
            f"{SMALL:,} small objects, {title}: {figures['processed_files']:,} converted, "
            f"{figures['skipped_files']:,} skipped, {seconds:.1f} s, {SMALL / seconds:.0f}/s, "
            f"{cpu:.1f} CPU s, peak {figures['peak_memory_mb']:.0f} MiB"
        )


def filled(s3: S3, objects: dict[str, bytes]) -> str:
    """Make a bucket with these objects."""
    bucket = s3.new_bucket()
    with ThreadPoolExecutor(8) as pool:
        for _ in pool.map(
            lambda entry: s3.client.put_object(Bucket=bucket, Key=entry[0], Body=entry[1]),
            objects.items(),
        ):
            pass
    return bucket


def run(source: str, target: str, env: dict[str, str], home: Path, *more: str) -> dict[str, Any]:
    """Run the program; give its figures, from its log: a bucket's summary is not at hand."""
    log, summary = home / "log.jsonl", home / "summary.json"
    log.unlink(missing_ok=True)
    program = [sys.executable, "-m", "optimizr"]
    args = ["--input", source, "--output", target, "--log.images", "none", "--report.html", "false"]
    command = [*program, "run", *args, "--log.file", str(log), *more]
    subprocess.run(command, env=clean_environment(**env), stdout=subprocess.DEVNULL, check=True)
    report = [*program, "report", str(log), "--json", str(summary)]
    subprocess.run(report, stdout=subprocess.DEVNULL, check=True)
    figures: dict[str, Any] = json.loads(summary.read_bytes())
    return figures


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
