"""`optimizr report LOG...`: a run's report from its logs, or one of many runs together."""

from __future__ import annotations

from optimizr import report
from optimizr.cli.parser import Parser
from optimizr.cli.stdout import write
from optimizr.errors import ConfigError, ExitCode
from optimizr.replay import replay
from optimizr.report.console import to_text


def parser() -> Parser:
    """Give the command's flags."""
    parser = Parser(
        prog="optimizr report",
        description="Make the report of a run, or of many runs together, from their JSON logs.",
    )
    parser.add_argument("logs", nargs="+", metavar="LOG", help="a log of JSON lines; - is stdin")
    parser.add_argument("--json", metavar="FILE", help="write summary.json to FILE; - is stdout")
    return parser


def main(argv: list[str]) -> int:
    """Print the report, or write it as JSON."""
    args = parser().parse_args(argv)
    summary = replay(args.logs)
    if args.json is None:
        write(to_text(summary))
    elif args.json == "-":
        write(report.to_json(summary))
    else:
        _write(args.json, report.to_json(summary))
        write(to_text(summary))
    return ExitCode.DONE


def _write(path: str, text: str) -> None:
    try:
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise ConfigError(
            f"--json: expected a file that can be written to, got {path!r} ({error.strerror})"
        ) from None
