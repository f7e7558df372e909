"""The report on stdout: plain text, and in colour where a person looks at it."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from optimizr.cli.stdout import write
from optimizr.report.console import LABEL, Tone, to_lines
from optimizr.summary import Summary

_STYLES: dict[Tone, str] = {"plain": "", "good": "green", "bad": "red", "advice": "yellow"}


def show(summary: Summary) -> None:
    """Print the report; rich leaves colours out for NO_COLOR, TERM=dumb and what is no terminal.

    Raises as `write` does.
    """
    console = Console()
    with console.capture() as captured:
        for line in to_lines(summary):
            text = Text(str(line), style=_STYLES[line.tone])
            text.stylize("bold", 0, LABEL)
            console.print(text, soft_wrap=True, highlight=False)
    write(captured.get())
