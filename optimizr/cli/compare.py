"""`optimizr compare FIRST SECOND`: how two pictures or trees look beside each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optimizr import convert
from optimizr.cli.files import write_file
from optimizr.cli.parser import Parser
from optimizr.cli.signals import stopping
from optimizr.cli.stdout import write
from optimizr.convert.formats import FORMATS
from optimizr.errors import ExitCode
from optimizr.limits import Limits
from optimizr.pool import Stop
from optimizr.report.compared import Comparison
from optimizr.report.comparison import to_html, to_json, to_text
from optimizr.sections import PoolSettings

if TYPE_CHECKING:
    from optimizr.compare import Compare

_SHOWN = 12
_WIDTH, _HEIGHT = 288, 216
"""Pixels of the parts on the page, at most."""


def parser() -> Parser:
    """Give the command's flags."""
    made = Parser(
        prog="optimizr compare",
        description="Compare two pictures, or the pictures of two folders by their names: how the "
        "second looks beside the first (SSIMULACRA2: 100 is the same), and how many bytes it "
        "saves. Pictures of folders are pairs by name: `a.jpg` with `a.jpg`, `a.jpg.webp` or "
        "`a.webp`.",
    )
    made.add_argument("first", metavar="FIRST", help="the original: a file, or a folder")
    made.add_argument("second", metavar="SECOND", help="what was made of it: likewise")
    made.add_argument("--json", metavar="FILE", help="write all as JSON to FILE; - is stdout")
    made.add_argument("--html", metavar="FILE", help="write a page with the worst to FILE")
    made.add_argument(
        "--difference", metavar="FILE", help="of two files: draw what differs as a PNG"
    )
    made.add_argument(
        "--least-look", metavar="N", type=float, help="exit 1 if a pair looks worse than N"
    )
    return made


def main(argv: list[str]) -> int:
    """Compare, and tell."""
    args = parser().parse_args(argv)
    convert.start(FORMATS, looks=True)
    from optimizr.compare import Compare  # it needs NumPy, and by now it is there

    compare = Compare(args.first, args.second, Limits.of(PoolSettings()))
    with stopping("ending the comparison") as stop:
        found = compare.run(stop)
        if stop.requested:
            return 128 + (stop.signal or 0)
        if args.html is not None:
            write_file("--html", args.html, _page(args.first, args.second, compare, stop))
    if args.difference is not None:
        write_file("--difference", args.difference, compare.difference())
    _tell(found, args.json)
    return _exit_code(found, args.least_look)


def _page(first: str, second: str, compare: Compare, stop: Stop) -> str:
    shown = compare.shown(_SHOWN, _WIDTH, _HEIGHT, stop)
    return to_html(compare.found, (first, second), shown)


def _tell(found: Comparison, as_json: str | None) -> None:
    if as_json == "-":
        write(to_json(found))
        return
    if as_json is not None:
        write_file("--json", as_json, to_json(found))
    write(to_text(found))


def _exit_code(found: Comparison, least: float | None) -> int:
    """Fail what was to be judged, if a pair looks worse or could not be judged."""
    if least is None:
        return ExitCode.DONE
    is_worse = bool(found.worst) and found.worst[0].look < least
    return ExitCode.FAILURES if is_worse or found.problems.count else ExitCode.DONE
