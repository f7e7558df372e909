"""Mutated pictures through convert, in a process that may crash: `python -m tests.fuzz SEED COUNT`.

Prints a line of JSON with what came of them. A line `at N` goes before each mutation, so that
whoever watches knows which one crashed or hung.
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections import Counter
from pathlib import Path

import psutil

from optimizr import convert
from optimizr.errors import PictureError
from optimizr.machine import peak_rss
from tests.make_pictures import HOME
from tests.odd_pictures import GOOD

OPTIONS = convert.Options(timeout_seconds=10, max_pixels=30_000_000, effort=0)
ALLOWED_SHARE = 1.2
ALLOWED_BYTES = 16 << 20


def mutate(draw: random.Random, data: bytes) -> bytes:
    """Damage a picture as disks, networks and malice do."""
    made = bytearray(data)
    kind = draw.randrange(6)
    if kind == 0:
        return bytes(made[: draw.randrange(len(made) + 1)])
    if kind == 1:  # in the header, where it does most
        for _ in range(draw.randrange(1, 4)):
            made[draw.randrange(min(len(made), 64))] = draw.randrange(256)
        return bytes(made)
    start = draw.randrange(len(made))
    end = min(len(made), start + draw.randrange(1, 64))
    if kind == 2:
        del made[start:end]
    elif kind == 3:
        made[start:start] = made[start:end]
    elif kind == 4:
        made[start:end] = draw.randbytes(end - start)
    else:
        for _ in range(draw.randrange(1, 20)):
            made[draw.randrange(len(made))] ^= 1 << draw.randrange(8)
    return bytes(made)


def peak_of(data: bytes) -> tuple[str, int, int]:
    """Convert; give how it ended, the rise of memory, and the estimate, in bytes."""
    Path("/proc/self/clear_refs").write_text("5")  # forget the high-water mark
    before = psutil.Process().memory_info().rss
    estimate = 0
    try:
        picture = convert.probe(data, OPTIONS)
        estimate = convert.peak_bytes(picture, OPTIONS)
        convert.convert(picture, OPTIONS)
        outcome = "converted"
    except PictureError as error:
        outcome = error.reason.value
    return outcome, peak_rss() - before, estimate


def main(seed: int, count: int) -> None:
    """Mutate and convert."""
    convert.start()
    originals = [make() for make in GOOD.values()]
    originals += [path.read_bytes() for path in sorted(HOME.rglob("*")) if path.is_file()]
    draw = random.Random(seed)
    outcomes: Counter[str] = Counter()
    over: list[tuple[int, int, int]] = []
    slowest = 0.0
    for number in range(count):
        print(f"at {number}", flush=True)  # noqa: T201
        data = mutate(draw, draw.choice(originals))
        start = time.perf_counter()
        outcome, peak, estimate = peak_of(data)
        slowest = max(slowest, time.perf_counter() - start)
        outcomes[outcome] += 1
        if peak > estimate * ALLOWED_SHARE + ALLOWED_BYTES:
            over.append((number, peak, estimate))
    print(json.dumps({"outcomes": outcomes, "over": over, "slowest": slowest}))  # noqa: T201


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
