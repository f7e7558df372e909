"""What each stage costs by itself: `pytest benchmarks --benchmark-enable -n 0`.

Nothing timed is asserted: machines are shared and noisy. Compare medians of one run.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from functools import reduce as fold
from itertools import count, islice
from pathlib import Path
from typing import Any

import pytest

from optimizr import convert
from optimizr.budget import Budget
from optimizr.config import Settings
from optimizr.convert.deadline import Deadline
from optimizr.convert.decode import decode
from optimizr.convert.libwebp import Libwebp, candidates, newest
from optimizr.convert.vips import region
from optimizr.events import (
    ImageConverted,
)
from optimizr.ledger.entries import Entry
from optimizr.ledger.ledger import Ledger
from optimizr.pool import Pool, Stop
from optimizr.records import from_record, to_record
from optimizr.source import Item
from optimizr.source.names import OutputNames
from optimizr.store.local import LocalStore
from optimizr.summary import Summary, reduce
from tests.make_pictures import drawing, photo

KINDS = {
    "jpeg": lambda: photo(1600, 1200).jpegsave_buffer(Q=88),
    "progressive jpeg": lambda: photo(1600, 1200).jpegsave_buffer(Q=88, interlace=True),
    "png": lambda: drawing(1600, 1200).pngsave_buffer(),
    "small jpeg": lambda: photo(320, 240).jpegsave_buffer(Q=88),
}

EVENT = ImageConverted(
    run_id="20260101T000000Z-abcdef",
    seq=1,
    timestamp=datetime(2026, 1, 1, tzinfo=UTC),
    key="a/b/picture.jpg",
    output="a/b/picture.webp",
    format="jpeg",
    width=1600,
    height=1200,
    mode="lossy",
    input_bytes=700_000,
    output_bytes=250_000,
    fetch_ms=1.5,
    convert_ms=211.5,
    store_ms=3.25,
    duration_ms=216.25,
)


@pytest.fixture(scope="module", autouse=True)
def _libvips() -> None:
    convert.start()


@pytest.mark.parametrize("kind", KINDS)
def test_probe(benchmark: Any, kind: str) -> None:
    benchmark(convert.probe, KINDS[kind](), convert.Options())


@pytest.mark.parametrize("kind", KINDS)
def test_convert(benchmark: Any, kind: str) -> None:
    data = KINDS[kind]()
    options = convert.Options()
    benchmark(lambda: convert.convert(convert.probe(data, options), options))


@pytest.mark.parametrize("kind", KINDS)
def test_decode(benchmark: Any, kind: str) -> None:
    data, options = KINDS[kind](), convert.Options()

    def decoded() -> None:
        picture = convert.probe(data, options)
        with Deadline(60) as deadline:
            image = decode(picture, options, deadline)
            region(image).fetch(0, 0, image.width, image.height)

    benchmark(decoded)


def test_import(benchmark: Any) -> None:
    library = _libwebp()
    pixels = bytearray(photo(1600, 1200).write_to_memory())

    def imported() -> None:
        with library.picture() as picture:
            library.fill(picture, 1600, 1200, 3, pixels)

    benchmark(imported)


def test_encode(benchmark: Any) -> None:
    library = _libwebp()
    pixels = bytearray(photo(1600, 1200).write_to_memory())
    with library.picture() as picture:
        library.fill(picture, 1600, 1200, 3, pixels)
        benchmark(library.encode, picture, library.config(0, 80))


def _libwebp() -> Libwebp:
    library, why = newest(candidates())
    if library is None:
        pytest.skip(why)
    return library


def test_ledger_of_10_outcomes_at_once(benchmark: Any, tmp_path: Path) -> None:
    settings = Settings(input=str(tmp_path), output=str(tmp_path / "out"))
    names = (b"picture %d" % number for number in count())
    with Ledger(os.fsencode(tmp_path), settings, "a benchmark") as ledger:

        def record() -> None:
            items = [Item(name, name + b".webp", 1, "1") for name in islice(names, 10)]
            ledger.record([Entry(item, EVENT) for item in items])

        benchmark(record)


def test_store_put(benchmark: Any, tmp_path: Path) -> None:
    store = LocalStore(str(tmp_path))
    store.prepare()
    benchmark(store.put, b"a/picture.webp", bytes(100_000))


def test_walk_of_10_000_files(benchmark: Any, tmp_path: Path) -> None:
    for number in range(10_000):
        folder = tmp_path / str(number % 50)
        folder.mkdir(exist_ok=True)
        (folder / f"{number}.jpg").touch()
    benchmark(lambda: sum(len(f.names) for f in LocalStore(str(tmp_path)).folders()))


def test_names_of_10_000_files(benchmark: Any) -> None:
    names = [b"picture %d.jpg" % number for number in range(10_000)]

    def outputs() -> int:
        made = OutputNames(b"", names, "replace")
        return sum(len(made.of(name)) for name in names)

    benchmark(outputs)


def test_pool_of_1_000_empty_jobs(benchmark: Any) -> None:
    def run() -> int:
        pool: Pool[int, int] = Pool(abs, 4)
        return sum(map(len, pool.run(range(1000), Stop(), 1)))

    benchmark(run)


def test_budget_without_waiting(benchmark: Any) -> None:
    budget = Budget(100)

    def hold() -> None:
        with budget.hold(10):
            pass

    benchmark(hold)


def test_reduce_1_000_events(benchmark: Any) -> None:
    benchmark(lambda: fold(reduce, [EVENT] * 1000, Summary()))


def test_event_to_record_and_back(benchmark: Any) -> None:
    benchmark(lambda: from_record(to_record(EVENT)))
