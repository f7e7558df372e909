"""Where the CPU time goes beside decode and encode: `python -m benchmarks.overhead FOLDER`.

Does by itself what a run's threads do, picture by picture, and prints each stage's CPU time for a
picture. The encodes in between are real, so each stage meets caches as cold as in a run. What is
not in it: threads that wait for each other, and the start.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from optimizr import convert, inputs, outputs
from optimizr.books import open_books
from optimizr.cli.malloc import settle_malloc
from optimizr.config import Settings
from optimizr.hooks import Hooks
from optimizr.job import Job
from optimizr.limits import Limits
from optimizr.live import Live
from optimizr.log import JsonLog
from optimizr.pool import Stop
from optimizr.recorder import Recorder, Result
from optimizr.resume import Resume
from optimizr.source import Item

_BATCH = 8
"""Outcomes that are recorded together; what gathers in 50 ms on two CPUs."""

_BOOKS = ("walk", "note", "record", "finish")
"""Walking, ledger, events and report: what is there for the sake of many pictures. `job` is what
holds fetch, probe, convert and put together."""


class Stages:
    """CPU seconds by stage, each without those inside it."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._inside = [0.0]

    def timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Give the function so that its time counts."""

        def call(*args: Any, **options: Any) -> Any:
            self._inside.append(0.0)
            start = time.thread_time()
            try:
                return function(*args, **options)
            finally:
                spent = time.thread_time() - start
                self.seconds[name] += spent - self._inside.pop()
                self._inside[-1] += spent

        return call


def measure(folder: str, output: str) -> tuple[Stages, int]:
    """Convert all pictures of a folder, one after the other; give the stages and their number."""
    stages, stop = Stages(), Stop()
    settings = Settings(input=folder, output=output)
    live = Live(stop)
    settle_malloc()
    convert.start(settings.picture.formats)
    store, source = inputs.open_input(settings)
    target = outputs.open_output(settings)
    target.prepare()
    for place, name in ((convert, "probe"), (convert, "convert"), (store, "get"), (target, "put")):
        setattr(place, name, stages.timed(name, getattr(place, name)))
    with (
        open(os.devnull, "w") as log,
        open_books(target, settings, source, "a benchmark", stop, False, live.identity) as books,
    ):
        record = Recorder([JsonLog(log, settings.log)], stop, books, live)
        resume = Resume(source, books.ledger, target, settings)
        note = stages.timed("note", books.ledger.in_flight.begin)
        hooks = Hooks(note, resume.check, resume.may_write)
        job = Job(store, target, settings, Limits.of(settings.pool), hooks)
        _convert(iter(resume), job, record, stages)
        stages.timed("finish", books.write_reports)(record.summary, [])
    return stages, record.summary.converted_files


def _convert(resume: Any, job: Job, record: Recorder, stages: Stages) -> None:
    take, work = stages.timed("walk", next), stages.timed("job", job)
    settle = stages.timed("record", record.results)
    batch: list[Result | Exception] = []
    while (item := take(resume, None)) is not None:
        batch.append(work(item) if isinstance(item, Item) else item)
        if len(batch) == _BATCH:
            settle(batch)
            batch.clear()
    settle(batch)


def main(folder: str) -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as output:
        stages, count = measure(folder, output)
    print(f"{count} pictures\n\n| stage | CPU ms a picture |\n| --- | --- |")
    for name, seconds in sorted(stages.seconds.items(), key=lambda stage: -stage[1]):
        print(f"| {name} | {seconds / count * 1000:.3f} |")
    books = sum(stages.seconds[name] for name in _BOOKS) / count * 1000
    print(f"| {', '.join(_BOOKS)} together | {books:.3f} |")


if __name__ == "__main__":
    main(sys.argv[1])
