"""`optimizr run`: flags to settings, settings to a run, the run to a report and an exit code."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from typing import TextIO

from optimizr import inputs, outputs, pipeline
from optimizr.cli.aloud import aloud
from optimizr.cli.console import Bar, Lines, Terminal
from optimizr.cli.malloc import settle_malloc
from optimizr.cli.settings import Command
from optimizr.cli.show import show
from optimizr.cli.signals import stopping
from optimizr.cli.stdout import complain, write
from optimizr.config import Settings
from optimizr.errors import Cancelled, ExitCode
from optimizr.events import (
    RunPlanned,
)
from optimizr.log import JsonLog, open_log_file
from optimizr.pipeline import Heard
from optimizr.plan import plan
from optimizr.pool import WORKER, Stop
from optimizr.queue.address import is_queue
from optimizr.recorder import Sink
from optimizr.records import to_record
from optimizr.redaction import redact_url
from optimizr.units import format_seconds, format_size


def main(argv: list[str]) -> int:
    """Convert, and tell of it."""
    settle_malloc()
    settings, flags = command().parse(argv)
    as_json, console = _is_json(settings), Terminal()
    tell = JsonLog(sys.stdout, settings.log) if as_json else Lines(console, flags.verbose)

    def work(heard: Heard, note: Sink) -> int:
        if flags.dry_run:
            with stopping("estimating from what was seen so far") as stop:
                return _print_plan(plan(settings, stop, flags.force), as_json, stop)
        return _run(settings, flags.force, as_json, heard, _readers(settings, console, tell, note))

    code = aloud(work, tell, as_json)
    if any(thread.name.startswith(WORKER) for thread in threading.enumerate()):
        os._exit(code)  # a picture that was left alone is still inside libvips
    return code


def _run(
    settings: Settings,
    force: bool,
    as_json: bool,
    heard: Heard,
    reading: AbstractContextManager[list[Sink]],
) -> int:
    drain = format_seconds(settings.limits.drain.total_seconds())
    with stopping(f"finishing the pictures in flight, for at most {drain}") as stop:
        with reading as readers:
            try:
                summary = pipeline.run(settings, *readers, stop=stop, force=force, heard=heard)
            except Cancelled:  # while it waited for its turn
                return ExitCode(128 + (stop.signal or 0))
        if not as_json:
            with suppress(BrokenPipeError):  # the exit code tells it all the same
                show(summary)
    code = ExitCode(summary.exit_code or 0)
    if stop.error and code in (ExitCode.DONE, ExitCode.FAILURES):
        code = ExitCode.ENVIRONMENT  # what was lost is the word of the end itself
    if as_json and stop.error:
        complain(str(stop.error))
    if not summary.total_files and code is ExitCode.DONE:
        complain(f"warning: no pictures found in {redact_url(settings.input)!r}")
    return code


def command() -> Command:
    """Give the command's flags."""
    return Command(
        "run",
        "Convert every picture below --input to WebP below --output that is not up to date. "
        "Settings come from CONFIG, then from the environment, then from flags; later wins.",
        {
            "--verbose": "a line for each picture and memory sample",
            "--dry-run": "tell what would be done, and write nothing",
            "--force": "convert also what is up to date, and begin a ledger that cannot be used "
            "anew",
        },
    )


def _is_json(settings: Settings) -> bool:
    if settings.log.format == "auto":
        return not sys.stdout.isatty()
    return settings.log.format == "json"


@contextmanager
def _readers(settings: Settings, console: Terminal, tell: Sink, note: Sink) -> Iterator[list[Sink]]:
    """Give who tells people and machines of events, for the length of a `with`."""
    outputs.open_output(settings)  # a mistake in it is told before a log is begun
    count = _counter(settings)
    readers = [tell, note]
    with ExitStack() as stack:
        if settings.log.file is not None:
            file = open_log_file(settings.log.file)
            stack.callback(_close, file)
            readers.append(JsonLog(file, settings.log))
        if console.is_terminal:
            readers.append(stack.enter_context(Bar(console, count)))
        yield readers


def _counter(settings: Settings) -> Callable[[], int | None]:
    """Give what counts the pictures, where there is an end of them. Raises ConfigError."""
    return (lambda: None) if is_queue(settings.input) else inputs.open_input(settings)[1].count


def _close(file: TextIO) -> None:
    with suppress(OSError):  # each line was flushed, so a loss has been told already
        file.close()


def _print_plan(planned: RunPlanned, as_json: bool, stop: Stop) -> int:
    if as_json:
        write(json.dumps(to_record(planned)) + "\n")
    else:
        write(
            f"would convert {planned.total_files - planned.skipped_files:,} pictures, "
            f"{format_size(planned.input_bytes)}; {planned.skipped_files:,} are up to date, "
            f"{planned.ignored_files:,} other files\n"
            f"estimate    {format_size(planned.estimated_output_bytes)} of WebP in "
            f"{format_seconds(planned.estimated_seconds)}, "
            f"from {planned.sampled_files} pictures of which {planned.sampled_failures} failed\n"
            + ("interrupted: these are not all\n" if planned.interrupted else "")
        )
    return ExitCode.DONE if stop.signal is None else ExitCode(128 + stop.signal)
