"""`optimizr presign`: signed URLs of outputs in a bucket, in a manifest."""

from __future__ import annotations

from optimizr.cli.settings import Command
from optimizr.cli.signals import stopping
from optimizr.cli.stdout import complain, write
from optimizr.errors import Cancelled, ExitCode
from optimizr.presign import presign


def main(argv: list[str]) -> int:
    """Print where the manifest is."""
    settings, _ = command().parse(argv)
    with stopping("ending; no manifest is written") as stop:
        try:
            signed = presign(settings, stop)
        except Cancelled:
            return ExitCode(128 + (stop.signal or 0))
    write(f"{signed.path}\n")
    complain(f"{signed.outputs:,} outputs signed; {signed.missing:,} pictures have no output")
    return ExitCode.DONE


def command() -> Command:
    """Give the command's flags."""
    return Command(
        "presign",
        "Write a manifest of signed URLs, one for the WebP of each picture of --input that has one "
        "in --output, valid for --publish.presign (7d). Settings are those of the run that made "
        "them. Whoever has such a URL can read its WebP.",
        {},
    )
