"""`optimizr prune`: WebPs whose pictures are gone, listed, and removed if asked for."""

from __future__ import annotations

from optimizr.cli.settings import Command
from optimizr.cli.signals import stopping
from optimizr.cli.stdout import complain, write
from optimizr.errors import ExitCode
from optimizr.prune import prune
from optimizr.units import format_size


def main(argv: list[str]) -> int:
    """Print the path of each such WebP, and how many there are."""
    settings, flags = command().parse(argv)
    count = size = changed = 0
    with stopping("ending after the file at hand") as stop:
        for orphan in prune(settings, flags.yes, stop):
            if not orphan.is_ours:
                changed += 1
                complain(f"left alone, written to since it was made or in use: {orphan.path}")
                continue
            write(f"{orphan.path}\n")
            count += 1
            size += orphan.size
    what = f"{count:,} files, {format_size(size)}, have no picture any more"
    complain(f"{what}; {'removed' if flags.yes else 'pass --yes to remove them'}")
    if changed:
        complain(f"{changed:,} more were left alone")
    if stop.error is not None:
        raise stop.error
    return ExitCode.DONE if stop.signal is None else ExitCode(128 + stop.signal)


def command() -> Command:
    """Give the command's flags: those of a run, and its own."""
    return Command(
        "prune",
        "List the WebPs below --output whose pictures below --input are gone. Settings are those "
        "of the run that made them.",
        {"--yes": "remove them"},
    )
