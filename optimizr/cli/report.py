"""`optimizr report LOG...`: the report of a run, or of many together, from their logs."""

from __future__ import annotations

from optimizr import report
from optimizr.cli.files import write_file
from optimizr.cli.parser import Parser
from optimizr.cli.show import show
from optimizr.cli.stdout import complain, write
from optimizr.errors import ExitCode
from optimizr.replay import replay


def parser() -> Parser:
    """Give the command's flags."""
    parser = Parser(
        prog="optimizr report",
        description="Make the report of a run, or of many shards or runs together, from their JSON "
        "logs or from what they left as summary.json.",
    )
    parser.add_argument(
        "logs", nargs="+", metavar="LOG", help="a log of JSON lines, or a summary.json; - is stdin"
    )
    parser.add_argument("--html", metavar="FILE", help="write the page to FILE, as report.html")
    parser.add_argument("--json", metavar="FILE", help="write summary.json to FILE; - is stdout")
    return parser


def main(argv: list[str]) -> int:
    """Print the report, or write it as JSON or as a page."""
    args = parser().parse_args(argv)
    runs, summary, empty = replay(args.logs)
    for name in empty:
        complain(f"warning: expected logs or a summary.json of optimizr in {name!r}, found none")
    if args.html is not None:
        from optimizr.report.html import to_html  # what it draws with is not for every report

        write_file("--html", args.html, to_html(summary, runs))
    if args.json == "-":
        write(report.to_json(summary))
        return ExitCode.DONE
    if args.json is not None:
        write_file("--json", args.json, report.to_json(summary))
    show(summary)
    return ExitCode.DONE
