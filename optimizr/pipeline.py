"""Items in, events out: where the stages are joined."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace

from optimizr import convert, inputs, milestones, outputs, report, telemetry
from optimizr.books import Books, named, open_books
from optimizr.config import Settings
from optimizr.crew import Crew
from optimizr.dead_letters import DeadLetters, open_dead_letters
from optimizr.efforts import Efforts
from optimizr.errors import EnvironmentStop, ExitCode, OptimizrError, PictureError, Stage
from optimizr.events import (
    Event,
    RunFinished,
)
from optimizr.gallery import Gallery
from optimizr.hooks import Hooks
from optimizr.job import Job
from optimizr.labels import Labels
from optimizr.limits import Limits
from optimizr.live import Live, Phase, check_shard, identify
from optimizr.monitor import Monitor
from optimizr.overheard import crash
from optimizr.pool import Pool, Stop
from optimizr.publish import MANIFEST_NAME, Manifest, open_manifest
from optimizr.queue.address import is_queue
from optimizr.queued import open_queued
from optimizr.receipts import Receipts
from optimizr.recorder import Recorder, Result, Sink
from optimizr.resume import Resume, Skips
from optimizr.seals import Seals
from optimizr.source import Item, Source
from optimizr.source.queue import Queued
from optimizr.stopwatch import Stopwatch
from optimizr.store import Store
from optimizr.store.bucket import BucketStore
from optimizr.store.local import LocalStore
from optimizr.store.open import Remote
from optimizr.summary import Summary
from optimizr.telemetry import Tracing
from optimizr.telemetry.probes import Reached

Heard = Callable[[bool], Iterable[Event]]
"""Gives what is to be told of what libraries say; called with whether the run ends."""


def run(
    settings: Settings,
    *readers: Sink,
    stop: Stop | None = None,
    force: bool = False,
    heard: Heard = lambda _last: (),
) -> Summary:
    """Convert every picture of `settings.input` into `settings.output` that is not up to date.

    One picture's failure is an `image.failed` event, never an exception. Each of `readers` is
    called with each event as it happens; set `stop.signal` from another thread to end early. With
    `force` nothing counts as up to date; what `heard` gives is told among the events. The result's
    `exit_code` is what the command line program would exit with.

    Raises ConfigError if a setting is wrong or another run is at work on the output,
    EnvironmentStop if nothing could be started, and what a reader raised, once those in flight are
    done and the reports are written.
    """
    stop = stop or Stop()
    check_shard(settings)
    store, source, output = _open(settings, stop)
    live = Live(stop, identify(settings))
    with telemetry.watched(settings, live, _reached(store, source), output) as traces:
        limits = Limits.of(settings.pool)
        efforts = Efforts(settings, live, limits)
        output.prepare()
        dead_letters = open_dead_letters(settings, store, output, limits.fetched)
        with (
            open_books(output, settings, source, _maker(), stop, force, live.identity) as books,
            open_manifest(settings, store, output) as manifest,
        ):
            receipts = Receipts(source, books, stop)
            seals = outputs.open_seals(settings, source, output)
            find = outputs.lookup(source, output)
            labels = Labels(settings, live.identity)
            resume = Resume(
                *(source, books.ledger, output, settings, force),
                *(find, seals, store.head, labels),
            )
            hooks = _hooks(books, resume, dead_letters, traces, receipts, efforts)
            job = Job(store, output, settings, limits, hooks, labels)
            gallery = _gallery(settings, store, output, job, limits)
            told: list[Sink] = [*readers, gallery, *filter(None, [manifest])]
            url = settings.publish.base_url
            record = Recorder(told, stop, books, live, traces.run, url, receipts.settle)
            work = _Work(
                *(settings, source, resume, seals, job, limits, gallery, manifest),
                *(record, receipts, heard, live, stop),
            )
            with receipts:
                abandoned = _convert(work)
                live.enter(Phase.FINISHING)
                _settle(books, store, output, work)
            finished = milestones.finished(settings, live.summary, stop, abandoned)
            traces.finish(finished)
            _finish(work, books, finished)
        live.enter(Phase.FINISHED)
    if stop.error is not None and not isinstance(stop.error, EnvironmentStop):
        raise stop.error  # a mistake, ours or the caller's: the reports are written first
    return live.summary


def _open(
    settings: Settings, stop: Stop
) -> tuple[LocalStore | Remote, Source, LocalStore | Remote]:
    """Give the input's store, its pictures, and the output, with all loaded that they will need."""
    convert.start(settings.picture.formats, settings.webp.target_look is not None)
    is_queued = is_queue(settings.input)
    store, source = open_queued(settings, stop) if is_queued else inputs.open_input(settings)
    output = outputs.open_output(settings)
    if settings.report.html:
        report.prepare_page()
    return store, source, output


def _reached(store: LocalStore | Remote, source: Source) -> Reached:
    """Give what must be there for pictures to come."""
    return source if isinstance(source, Queued) else store


def _maker() -> str:
    """Name what makes the WebPs, as the ledger notes it."""
    return f"{convert.encoder()}, libvips {convert.version()}"


def _gallery(settings: Settings, store: Store, output: Store, job: Job, limits: Limits) -> Gallery:
    shown = settings.report.gallery if settings.report.html else 0
    return Gallery(store, output, job.options, limits, shown)


def _hooks(
    books: Books,
    resume: Resume,
    dead_letters: DeadLetters | None,
    traces: Tracing,
    receipts: Receipts,
    efforts: Efforts,
) -> Hooks:
    def ended(event: Event, watch: Stopwatch) -> None:
        efforts.learn(event, watch.ms(Stage.PROBE, Stage.CONVERT) / 1000)
        traces.ended(event, watch)

    return Hooks(
        effort=efforts,
        decoding=books.ledger.in_flight.begin,
        check=resume.check,
        may_write=resume.may_write,
        made=resume.made,
        returns=receipts.returns,
        failing=dead_letters or Hooks.failing,
        ended=ended,
    )


@dataclass(frozen=True)
class _Work:
    """What a run works with, once all is open."""

    settings: Settings
    source: Source
    resume: Resume
    seals: Seals | None
    job: Job
    limits: Limits
    gallery: Gallery
    manifest: Manifest | None
    record: Recorder
    receipts: Receipts
    heard: Heard
    live: Live
    stop: Stop


def _convert(work: _Work) -> int:
    """Send what is to be done through the pool; give how many pictures were left undone."""
    settings, job, limits, stop = work.settings, work.job, work.limits, work.stop
    record, live = work.record, work.live
    pool = Pool(_passing_skips(job, work.resume), limits.workers)
    interval = settings.monitor.interval.total_seconds()
    crew = Crew(pool, limits, adapts=settings.pool.workers == "auto")
    with Monitor(interval, lambda: crew.waits(work.source)) as monitor:
        live.work(pool, limits, monitor)
        record(milestones.started(settings, limits))
        record(monitor.sample())
        for results in pool.run(work.resume, stop, settings.limits.drain.total_seconds()):
            record.results([*results, *_given_up(job, pool, limits, stop)])
            record.all(work.heard(False))
            work.receipts.look(is_idle=not pool.in_flight)
            live.turn(bool(results), pool.in_flight)
            crew.look()
            if _is_replaced(stop):
                job.cancel()
            if monitor.due():
                record(monitor.sample())
                record(milestones.progress(live.summary))
        if not (pool.exhausted or stop.requested):
            stop.halt(_SLOTS_LOST)  # nobody is left to do what is left
        if pool.in_flight:
            job.cancel()
            pool.join(_CANCEL_SECONDS)
        work.gallery.make(stop)
        record(monitor.sample())
    return pool.in_flight


def _settle(books: Books, store: Store, output: Store, work: _Work) -> None:
    """Have the failures told, and after a run that came to its end forget what is over."""
    if work.stop.requested and isinstance(output, BucketStore):
        output.hurry()
    if work.stop.requested and books.are_failures_told:
        return
    try:
        if not work.stop.requested:
            books.settle(store, work.source, work.live.identity.run_id, work.live.summary)
            if work.manifest is not None:
                name = named(MANIFEST_NAME, books.tag)
                work.manifest.write(name, work.settings.publish.manifest)
        books.rewrite_failures()
        work.receipts.told()
        if work.seals is not None:
            work.seals.save(is_whole=not work.stop.requested)
    except (EnvironmentStop, PictureError) as error:
        work.stop.halt(error)


_CANCEL_SECONDS = 2.0
"""How long what is cancelled may take to notice; libvips looks ten times a second."""

_SLOTS_LOST = EnvironmentStop(
    "slots_lost",
    "every CPU slot is held by a picture that cannot be stopped; look at those that failed as "
    "timeout, move them away, and run the same command again",
)


def _is_replaced(stop: Stop) -> bool:
    """Tell whether another run has taken this one's place: then nothing may be written any more."""
    return isinstance(stop.error, EnvironmentStop) and stop.error.cause == "lock_lost"


def _passing_skips(job: Job, resume: Resume) -> Callable[[Item | Skips], Result]:
    """Let a worker do an item, and pass on word of those that need none."""

    def work(item: Item | Skips) -> Result:
        if not isinstance(item, Item):
            return item
        item, outcome = job(item)
        return resume.again(item, outcome), outcome

    return work


def _given_up(
    job: Job, pool: Pool[Item | Skips, Result], limits: Limits, stop: Stop
) -> list[Result]:
    """Let go of pictures that go on long after their timeout; stop once no slot is left."""
    failures: list[Result] = [failed for taken, failed in job.overdue() if pool.give_up(taken)]
    if pool.given_up >= limits.slots.total:
        stop.halt(_SLOTS_LOST)
    return failures


def _say_last(record: Recorder, stop: Stop, heard: Heard) -> None:
    """Tell what was said and not told yet, and of the mistake that ended the run."""
    record.all(heard(True))
    if stop.error is not None and not isinstance(stop.error, OptimizrError):
        record(crash(stop.error))


def _finish(work: _Work, books: Books, finished: RunFinished) -> None:
    """Write the reports, then tell that the run has finished: what is told has happened."""
    record, stop = work.record, work.stop
    _say_last(record, stop, work.heard)
    event, summary = record.fold(finished)
    try:
        books.write_reports(summary, work.gallery.pairs)
    except Exception as error:  # noqa: BLE001 - told, and raised again if it is a mistake of ours
        if not isinstance(error, OptimizrError):
            stop.halt(error)
            record(crash(error))
        lost = replace(
            finished,
            exit_code=ExitCode.ENVIRONMENT,
            cause=milestones.cause(error),
            message=str(error),
        )
        event, summary = record.fold(lost)
        with suppress(EnvironmentStop, PictureError):  # as is told already
            books.write_summary(summary)
    record.tell(event, summary)
