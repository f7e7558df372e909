"""What a run would do, without writing anything: for `--dry-run`."""

from __future__ import annotations

import os
import random
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import NamedTuple

from optimizr import convert, inputs, outputs
from optimizr.config import Settings
from optimizr.errors import PictureError
from optimizr.events import (
    ImageConverted,
    RunPlanned,
    stamp,
)
from optimizr.job import Job, Outcome
from optimizr.keys import to_text
from optimizr.ledger.ledger import Ledger
from optimizr.ledger.lock import LOCK_NAME, Lock
from optimizr.ledger.none import NoLedger
from optimizr.ledger.others import absorb, has_ledger, has_others
from optimizr.limits import Limits
from optimizr.live import check_shard, identify
from optimizr.pool import Pool, Stop
from optimizr.resume import Resume, Skips
from optimizr.scratch import scratch
from optimizr.source import Item, Source
from optimizr.store import Label, Writer
from optimizr.store.local import LocalStore
from optimizr.store.open import Remote

SAMPLE = 20
"""Pictures that are converted for the estimate."""
_AT_ONCE = 16
"""Outputs that are asked at once."""


class Nowhere:
    """Where the sample's WebPs are put."""

    keeps_labels = False

    def find(self, key: bytes) -> None:
        """Find nothing."""

    def put(self, key: bytes, data: bytes, label: Label | None = None, new: bool = False) -> str:
        """Forget the data."""
        return ""

    def clone(
        self,
        key: bytes,
        original: bytes,
        version: str,
        label: Label | None = None,
        new: bool = False,
    ) -> str:
        """Forget it: without a version to go by, nothing is cloned."""
        return ""

    def remove(self, key: bytes) -> None:
        """Remove nothing."""

    def identity(self, key: bytes) -> None:
        """Find nothing."""

    def full_path(self, key: bytes) -> str:
        """Name a place that no source is at."""
        return f"nowhere:{to_text(key)}"


def plan(settings: Settings, stop: Stop, force: bool = False) -> RunPlanned:
    """Count the pictures, convert up to 20 of them into nothing, and estimate from these.

    The sample is drawn evenly from all pictures, and is the same each time. The estimate scales
    by bytes of input. Raises ConfigError and EnvironmentStop as `run` does.
    """
    check_shard(settings)
    convert.start(settings.picture.formats, settings.webp.target_look is not None)
    store, source = inputs.open_input(settings)
    output = outputs.open_output(settings)
    limits = Limits.of(settings.pool)
    with _looking(settings, source, output, force, stop) as ledger:
        find = outputs.lookup(source, output)
        seals = outputs.open_seals(settings, source, output)
        resume = Resume(source, ledger, output, settings, force, find, seals, store.head)
        drawn = _draw(_checked(resume, output, settings.input.startswith("@"), stop), stop)
    outcomes: list[Outcome] = []
    pool = Pool(Job(store, Nowhere(), settings, limits), limits.workers)
    results = [result for some in pool.run(drawn.sample, stop, 0) for result in some]
    for result in results:
        if isinstance(result, Exception):
            raise result
        outcomes.append(result[1])
    done = [outcome for outcome in outcomes if isinstance(outcome, ImageConverted)]
    scale = drawn.input_bytes / max(1, sum(outcome.input_bytes for outcome in done))
    at_once = min(limits.workers, limits.slots.total)
    planned = RunPlanned(
        total_files=drawn.todo + drawn.skipped,
        skipped_files=drawn.skipped,
        ignored_files=source.ignored,
        input_bytes=drawn.input_bytes,
        sampled_files=len(outcomes),
        sampled_failures=len(outcomes) - len(done),
        estimated_output_bytes=round(scale * sum(outcome.output_bytes for outcome in done)),
        estimated_seconds=round(
            scale * sum(outcome.duration_ms for outcome in done) / 1000 / at_once, 3
        ),
        interrupted=stop.requested,
    )
    stamp(planned, identify(settings), 1, datetime.now(UTC))
    return planned


@contextmanager
def _looking(
    settings: Settings, source: Source, output: LocalStore | Remote, force: bool, stop: Stop
) -> Iterator[Ledger | NoLedger]:
    """Give what the output's ledgers know, to look at."""
    shelf = outputs.shelf_of(settings, output)
    if shelf is None:
        with NoLedger() as nothing:
            yield nothing
        return
    top, own = shelf
    if os.path.isdir(top) and not has_others(top, settings.shard.count) and has_ledger(own):
        lock = os.path.join(own, LOCK_NAME)
        with (
            Lock(lock, stop.halt, purpose="read", is_stopped=lambda: stop.requested) as held,
            Ledger(own, settings, "", force, held.died, look_only=True) as ledger,
        ):
            yield ledger
        return
    # Nothing is known, or several ledgers know something: put together in one for the while.
    with (
        tempfile.TemporaryDirectory(prefix="optimizr-", dir=scratch()) as folder,
        Ledger(os.fsencode(folder), settings, encoder="") as ledger,
    ):
        if os.path.isdir(top):
            absorb(ledger, top, None, settings, source.shard.has, lambda: stop.requested)
        yield ledger


def _checked(resume: Resume, output: Writer, is_listed: bool, stop: Stop) -> Iterator[Item | Skips]:
    """Ask what no listing tells; a bucket's answers come in another order each time."""
    if not output.keeps_labels and not is_listed:
        yield from resume
        return

    def check(found: Item | Skips) -> Item | Skips:
        if not isinstance(found, Item):
            return found
        try:
            item, skipped = resume.check(found)
        except PictureError as problem:
            return found._replace(problem=problem)
        return item if skipped is None else [skipped]

    for results in Pool(check, _AT_ONCE).run(resume, stop, 0):
        for result in results:
            if isinstance(result, Exception):
                raise result
            yield result


class _Drawn(NamedTuple):
    """What there is to do, and an even sample of it."""

    sample: list[Item]
    todo: int
    skipped: int
    input_bytes: int


def _draw(found: Iterable[Item | Skips], stop: Stop) -> _Drawn:
    """Walk everything once, and sample (Algorithm R)."""
    draw = random.Random(0)  # noqa: S311 - a sample, not a secret
    sample: list[Item] = []
    todo = skipped = size = 0
    for item in found:
        if stop.requested:
            break
        if not isinstance(item, Item):
            skipped += len(item)
            continue
        size += item.size
        if todo < SAMPLE:
            sample.append(item)
        elif (place := draw.randrange(todo + 1)) < SAMPLE:
            sample[place] = item
        todo += 1
    return _Drawn(sample, todo, skipped, size)
