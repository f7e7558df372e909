"""Stragglers: pods with static shards against pods with a queue, from measured times of pictures.

`python -m benchmarks.stragglers` converts the corpora `small` and `large` (see corpora.py) three
times, one picture at a time, takes the least time of each picture, and simulates what a library of
100 million of them takes 10, 100 and 1000 pods. `python -m benchmarks.stragglers LOG...` takes the
times from logs of your own runs, each log a kind of picture. The table tells how long it takes till
the last pod ends, over what it would take if all CPUs worked to the end, and which share of the
CPUs' time is idle if no node is given back before.

Modelled: each picture's time, drawn from those measured; how many of each a shard happens to have;
lists sorted by folder, each folder with pictures of one kind; nodes that are not equally fast; pods
that are lost and come again a minute later, with what they had in work waiting meanwhile; a pod's
start; that a worker has ten messages at a time.

Not modelled: listing, and requests that are slow or throttled; nodes that come late or are given
back early; nodes that become slower; the one CPU slot of a pod that is idle during its last
picture. With `pool.workers auto` requests cost hardly any CPU time, so times are those of a disk.
"""

from __future__ import annotations

import heapq
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks import corpora
from tests.conftest import clean_environment

Numbers = np.ndarray[Any, np.dtype[np.float64]]

PICTURES = 100_000_000
PODS = (10, 100, 1000)
SLOTS = 2
"""CPUs of a pod."""
FOLDER = 1000
"""Pictures of a folder, on average."""
SPREAD = 0.1
"""By how much nodes differ: the standard deviation of their speed's logarithm."""
LOSSES = 1 / 24
"""How often a pod is lost, an hour."""
AWAY = 60.0
"""Seconds until another works in its place, or `queue.lease` is over."""
START = 10.0
"""Seconds that a pod needs to start."""
BATCH = 10
"""Messages that a worker takes at a time, at most."""
TAIL = 2000
"""Pictures a pod, at the end of a queue, that are simulated batch by batch."""
ROUNDS = 5


class Kind(NamedTuple):
    """Pictures of one kind, and how long each takes."""

    name: str
    seconds: Numbers


class Nodes(NamedTuple):
    """What pods run on."""

    name: str
    spread: float
    losses: float


NODES = (
    Nodes("equal nodes", 0, 0),
    Nodes("nodes that differ", SPREAD, 0),
    Nodes("and are lost", SPREAD, LOSSES),
)


class Library:
    """Pictures of several kinds, as many of each as were measured."""

    def __init__(self, kinds: list[Kind], pictures: int = PICTURES) -> None:
        self.kinds = kinds
        self.pictures = pictures
        self.all = np.concatenate([kind.seconds for kind in kinds])
        self.shares = [len(kind.seconds) / len(self.all) for kind in kinds]

    @property
    def seconds(self) -> float:
        """How long one CPU would take for all."""
        return self.pictures * float(self.all.mean())

    def hashed(self, rng: np.random.Generator, shards: int) -> Numbers:
        """Give the seconds of each shard by hash: what it has is chance."""
        counts = rng.multinomial(self.pictures, np.full(shards, 1 / shards))
        each = np.full(len(self.all), 1 / len(self.all))
        return np.asarray(rng.multinomial(counts, each) @ self.all)

    def ranges(self, rng: np.random.Generator, shards: int) -> Numbers:
        """Give the seconds of each range of a list in which folders have one kind each."""
        sizes = rng.lognormal(0, 1, self.pictures // FOLDER)
        sizes *= self.pictures / sizes.sum()
        kinds = rng.choice(len(self.kinds), len(sizes), p=self.shares)
        means = np.array([kind.seconds.mean() for kind in self.kinds])[kinds]
        deviations = np.array([kind.seconds.std() for kind in self.kinds])[kinds]
        work = sizes * means + np.sqrt(sizes) * deviations * rng.standard_normal(len(sizes))
        cuts = np.linspace(0, self.pictures, shards + 1)
        ends = np.concatenate([[0], np.cumsum(sizes)])
        return np.diff(np.interp(cuts, ends, np.concatenate([[0], np.cumsum(np.maximum(work, 0))])))

    def messages(self, rng: np.random.Generator, pods: int) -> Numbers:
        """Give the seconds of what workers of a queue take at a time: little, towards the end."""
        tail = min(pods * TAIL, self.pictures) // BATCH
        before = (self.pictures - tail * BATCH) / (100 * pods)
        noise = rng.standard_normal(100 * pods) * self.all.std() * np.sqrt(before)
        bulk = np.maximum(before * self.all.mean() + noise, 0)
        return np.concatenate([bulk, rng.choice(self.all, (tail, BATCH)).sum(axis=1)])


def makespan(units: Numbers, speeds: Numbers, away: Numbers, start: float) -> float:
    """Give when the last is done, if each pod takes the next unit as soon as it is free."""
    free = [(0.0, pod) for pod in range(len(speeds))]
    pace = (speeds * SLOTS).tolist()
    for unit, lost in zip(units.tolist(), away.tolist(), strict=True):
        now, pod = free[0]
        heapq.heapreplace(free, (now + start + unit / pace[pod] + lost, pod))
    return max(now for now, _ in free)


def over_ideal(library: Library, how: str, pods: int, nodes: Nodes, seed: int) -> float:
    """Simulate once; give the makespan over what it is if all CPUs work to the end."""
    rng = np.random.default_rng([seed, pods])
    speeds = np.exp(rng.normal(0, nodes.spread, pods))
    units = UNITS[how](library, rng, pods)
    away = AWAY * rng.poisson(nodes.losses / 3600 * units / SLOTS)
    start = 0.0 if how == QUEUE else START
    ideal = float(units.sum() / (speeds.sum() * SLOTS))
    return makespan(units, speeds, away, start) / ideal


QUEUE = "a queue"
UNITS = {
    "a shard by hash each": Library.hashed,
    "ten shards by hash each": lambda library, rng, pods: library.hashed(rng, 10 * pods),
    "a range of a list each": Library.ranges,
    "ten ranges of a list each": lambda library, rng, pods: library.ranges(rng, 10 * pods),
    QUEUE: Library.messages,
}


def table(library: Library, pods: Iterable[int] = PODS, rounds: int = ROUNDS) -> str:
    """Draw what came out, medians of the rounds."""
    lines = [
        "| pods | if all CPUs worked to the end | pods have | "
        + " | ".join(nodes.name for nodes in NODES)
        + " |",
        "| --- | --- | --- | " + " | ".join("---" for _ in NODES) + " |",
    ]
    for count in pods:
        hours = library.seconds / SLOTS / count / 3600
        for how in UNITS:
            cells = " | ".join(_cell(library, how, count, nodes, rounds) for nodes in NODES)
            lines.append(f"| {count} | {hours:.1f} h | {how} | {cells} |")
    return "\n".join(lines)


def _cell(library: Library, how: str, pods: int, nodes: Nodes, rounds: int) -> str:
    ratio = statistics.median(over_ideal(library, how, pods, nodes, seed) for seed in range(rounds))
    return f"{ratio:.2f}, {1 - 1 / ratio:.0%} idle"


def measured(rounds: int = 3) -> list[Kind]:
    """Convert the corpora, and give the least time of each picture."""
    kinds = []
    with tempfile.TemporaryDirectory() as scratch:
        for name in ("small", "large"):
            folder = Path(scratch, name)
            corpora.make(name, folder)
            logs = [_converted(folder, Path(scratch, f"{name}-{n}")) for n in range(rounds)]
            kinds.append(Kind(name, np.minimum.reduce([_seconds(log) for log in logs])))
    return kinds


def _converted(folder: Path, output: Path) -> Path:
    log = output.with_suffix(".jsonl")
    program = [sys.executable, "-m", "optimizr", "run", "--input", folder, "--output", output]
    alone = ["--pool.cpus", "1", "--workers", "1", "--report.html", "false", "--log.file", log]
    command = [*map(str, program), *map(str, alone)]
    subprocess.run(command, env=clean_environment(), stdout=subprocess.DEVNULL, check=True)
    return log


def _seconds(log: Path) -> Numbers:
    """Read how long each picture took, in the order of their keys."""
    with open(log, encoding="utf-8") as lines:
        events = [json.loads(line) for line in lines if '"image.converted"' in line]
    taken = {e["key"]: e["duration_ms"] / 1000 for e in events if e["event"] == "image.converted"}
    if not taken:
        raise SystemExit(f"expected image.converted in {log}, got none; log with log.images all")
    return np.array([taken[key] for key in sorted(taken)])


def main(logs: list[str]) -> None:
    """Measure or read, simulate, and print."""
    kinds = [Kind(os.path.basename(log), _seconds(Path(log))) for log in logs] or measured()
    for name, seconds in kinds:
        ms = seconds * 1000
        print(
            f"{name}: {len(ms)} pictures, {ms.mean():.1f} ms on average, median "
            f"{np.median(ms):.1f}, p99 {np.percentile(ms, 99):.1f}, slowest {ms.max():.1f}"
        )
    library = Library(kinds)
    print(f"{PICTURES:,} of these: {library.seconds / 3600:,.0f} CPU hours\n")
    print(table(library))


if __name__ == "__main__":
    main(sys.argv[1:])
