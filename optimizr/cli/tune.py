"""`optimizr tune`: two small tables of what was tried, a chart of them, and the settings to use."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from optimizr.cli.settings import Command
from optimizr.cli.signals import stopping
from optimizr.cli.stdout import complain, write
from optimizr.errors import Cancelled, ConfigError, ExitCode, stopped_by
from optimizr.scratch import scratch
from optimizr.tune import NEAR_SMALLEST, Result, Tuned, tune
from optimizr.units import format_size

_CHARTS = (".png", ".svg", ".pdf")


def main(argv: list[str]) -> int:
    """Try, and tell."""
    # An output that is given is left out of the sample; where there is none, nothing is.
    nowhere = str(Path(scratch(), "optimizr-tune-without-output"))
    settings, flags = command().parse(argv, {"output": nowhere})
    if flags.chart is not None:
        _check_chart(flags.chart)
    if flags.sample < 1 or flags.rounds < 1:
        raise ConfigError("--sample and --rounds: expected at least 1")
    with stopping("ending the trial at hand") as stop:
        try:
            tuned = tune(settings, flags.sample, flags.rounds, _say, stop)
        except Cancelled:
            return ExitCode(128 + (stop.signal or 0))
    write(to_text(tuned))
    if flags.chart is not None:
        try:
            _draw(tuned, flags.chart)
        except OSError as error:
            raise stopped_by(error, "chart_lost", f"to draw {flags.chart!r}") from None
        complain(f"drawn in {flags.chart}")
    return ExitCode.DONE


def _say(what: str) -> None:
    complain(f"trying {what}")


def command() -> Command:
    """Give the command's flags: those of a run, and its own."""
    made = Command(
        "tune",
        "Try a sample of the pictures below --input at several numbers of workers and at each "
        "effort, and say which to use. Nothing is written but to a temporary folder.",
        {},
    )
    number, chart = made.parser.add_argument, "draw it too: a .png, .svg or .pdf"
    number("--sample", type=int, default=32, metavar="N", help="pictures to try (default: 32)")
    number("--rounds", type=int, default=2, metavar="N", help="medians of so many (default: 2)")
    made.parser.add_argument("--chart", metavar="FILE", help=chart)
    return made


def to_text(tuned: Tuned) -> str:
    """Give the tables and the advice, for a terminal."""
    lines = [
        f"sample      {tuned.pictures} pictures, {format_size(tuned.input_bytes)}",
        "",
        "workers     pictures/s      MB/s     CPU s  peak RSS",
    ]
    lines += [_by_workers(str(workers), result) for workers, result in tuned.by_workers.items()]
    lines += ["", "effort           bytes  of effort 4   wall s     CPU s"]
    usual = tuned.by_effort[4].output_bytes
    lines += [_by_effort(effort, result, usual) for effort, result in tuned.by_effort.items()]
    lines += [
        "",
        f"use         --workers {tuned.workers} --effort {tuned.effort}",
        f"            the least effort within {NEAR_SMALLEST:.0%} of the smallest; less is faster",
        "",
    ]
    return "\n".join(lines)


def _by_workers(workers: str, r: Result) -> str:
    return (
        f"{workers:<7}{r.pictures_per_second:>15.1f}{r.megabytes_per_second:>10.1f}"
        f"{r.cpu_seconds:>10.1f}{format_size(r.peak_bytes):>10}"
    )


def _by_effort(effort: int, r: Result, usual: int) -> str:
    return (
        f"{effort:<7}{format_size(r.output_bytes):>15}{r.output_bytes / usual:>13.1%}"
        f"{r.seconds:>9.1f}{r.cpu_seconds:>10.1f}"
    )


def _check_chart(path: str) -> None:
    if Path(path).suffix not in _CHARTS:
        raise ConfigError(f"--chart: expected a file name with {', '.join(_CHARTS)}, got {path!r}")
    if not Path(path).absolute().parent.is_dir():
        raise ConfigError(f"--chart: expected a folder to draw into, got {path!r}")
    if Path(path).is_dir():
        raise ConfigError(f"--chart: expected the name of a file, got the folder {path!r}")
    if importlib.util.find_spec("matplotlib") is None:
        raise ConfigError("--chart: expected matplotlib; pip install 'optimizr[tune]'")


def _draw(tuned: Tuned, path: str) -> None:
    from matplotlib.figure import Figure  # only for who draws: it takes a second to import

    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    names = [str(workers) for workers in tuned.by_workers]
    left.bar(names, [r.pictures_per_second for r in tuned.by_workers.values()], color="#1f7a5a")
    left.set(title="Workers", xlabel="pool.workers", ylabel="pictures a second")
    for effort, r in tuned.by_effort.items():
        right.annotate(str(effort), (r.seconds, r.output_bytes / 1e6), xytext=(4, 4),
                       textcoords="offset points")  # fmt: skip
    points = [(r.seconds, r.output_bytes / 1e6) for r in tuned.by_effort.values()]
    right.plot(*zip(*points, strict=True), "o-", color="#1f7a5a")
    right.set(title="Effort", xlabel="seconds", ylabel="MB of WebP")
    figure.savefig(path)
