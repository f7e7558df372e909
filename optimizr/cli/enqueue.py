"""`optimizr enqueue`: a message for each picture of an input, put to a queue."""

from __future__ import annotations

import os

from rich.console import Console

from optimizr.cli.settings import Command
from optimizr.cli.signals import stopping
from optimizr.cli.stdout import complain, write
from optimizr.enqueue import enqueue
from optimizr.errors import Cancelled, ExitCode


def main(argv: list[str]) -> int:
    """Print how many messages were sent."""
    # There is no output; workers have one.
    settings, flags = command().parse(argv, {"output": os.devnull})
    console = Console(stderr=True)
    with (
        stopping("ending once what is on its way has been sent") as stop,
        console.status("listing") as status,
    ):
        try:
            done = enqueue(
                *(settings, flags.url, stop),
                lambda sent: status.update(f"{sent:,} pictures enqueued"),
            )
        except Cancelled:  # while it waited for the queue
            return ExitCode(128 + (stop.signal or 0))
    write(f"{done.pictures:,} pictures enqueued to {done.name}\n")
    complain(f"{done.ignored:,} other files")
    if stop.error is not None:
        raise stop.error
    if stop.signal is not None:
        complain("interrupted: these are not all; those that come twice are skipped by workers")
        return ExitCode(128 + stop.signal)
    if done.unreadable:
        complain(f"{done.unreadable:,} folders or lines could not be read; mend them and go on")
        return ExitCode.FAILURES
    return ExitCode.DONE


def command() -> Command:
    """Give the command's flags."""
    made = Command(
        "enqueue",
        "Put a message for each picture of --input to a queue. Workers that take them from there, "
        "by `optimizr run --input QUEUE --root INPUT`, skip what is done already.",
        {},
    )
    # Here it is no section of the settings, which has given its name to a flag.
    flags = made.parser.add_argument_group("where messages go", conflict_handler="resolve")
    flags.add_argument(
        "--queue", dest="url", required=True, metavar="URL", help="the queue; see docs/queues.md"
    )
    return made
