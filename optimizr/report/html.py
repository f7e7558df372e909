"""The report as one page that needs no network: figures, charts, lists, and a gallery.

Whatever comes from outside (keys, messages, settings) is escaped by the template. Should that ever
fail, the page's own policy still runs no script but the page's own.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined

from optimizr.measures import saved_percent
from optimizr.merges import Entry
from optimizr.report.charts import charts
from optimizr.report.command import changed, command, flat
from optimizr.report.figures import figures
from optimizr.report.gallery import Pair
from optimizr.report.remedies import REMEDIES, UNKNOWN
from optimizr.summary import Summary
from optimizr.units import format_seconds, format_size


class Failure(NamedTuple):
    """Failures of one reason, for the page."""

    reason: str
    pictures: int
    remedy: str
    examples: Sequence[tuple[str, str]]


class Pod(NamedTuple):
    """A run among several, for the page."""

    name: str
    converted: int
    failed: int
    skipped: int
    saved: str
    duration: str
    peak: str
    end: str


def to_html(summary: Summary, pods: Sequence[Summary] = (), gallery: Sequence[Pair] = ()) -> str:
    """Write the page; `pods` are the runs that the summary is of, where it is of several."""
    script = part("script.js")
    settings = dict(summary.run.settings) if summary.run else {}
    return (
        environment()
        .get_template("page.html")
        .render(
            s=summary,
            f=figures(summary),
            verdict=_verdict(summary),
            charts=charts(summary),
            failures=list(_failures(summary)),
            pods=[_pod(pod) for pod in pods] if len(pods) > 1 else [],
            gallery=gallery,
            command=command(settings),
            changed=dict(changed(settings)),
            settings=dict(flat(settings)),
            style=part("style.css"),
            script=script,
            script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        )
    )


def prepare() -> None:
    """Read and compile all that a page is made of, so that its writing depends on no file."""
    environment().get_template("page.html")
    for name in ("style.css", "script.js"):
        part(name)


@cache
def part(name: str) -> str:
    """Read one of the files that pages are made of."""
    return (files(__package__) / "page" / name).read_text(encoding="utf-8")


@cache
def environment() -> Environment:
    """Give what renders pages: whatever comes from outside is escaped."""
    made = Environment(
        loader=PackageLoader("optimizr.report", "page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(
        size=format_size,
        seconds=format_seconds,
        count=lambda number: f"{number:,}",
        saving=_saving,
        data_url=lambda data: f"data:image/webp;base64,{base64.b64encode(data).decode()}",
    )
    return made


def _saving(entry: Entry | Pair) -> str:
    saved = entry.input_bytes - entry.output_bytes
    percent = saved_percent(entry.input_bytes, entry.output_bytes)
    return f"{format_size(saved)} ({percent}%)"


def _verdict(s: Summary) -> tuple[str, str]:
    """Give the state of the run as a class of the page and as a sentence."""
    if s.missing_shards or s.unfinished_shards:
        return "bad", "Not all shards came to their end; started again, they go on."
    if s.finished_runs < max(1, s.runs):
        return "bad", "Not all runs told their end: still running, or killed."
    if s.interrupted_runs:
        return "bad", "Ended before all pictures were done; the same command goes on."
    if s.failed_files:
        return "warn", f"Done, but for {s.failed_files:,} that failed."
    return "good", "Done: every picture is accounted for."


def _failures(s: Summary) -> Iterator[Failure]:
    ordered = sorted(s.failures_by_reason.items(), key=lambda item: (-item[1], item[0]))
    for reason, count in ordered:
        examples = s.failure_examples.get(reason, ())
        yield Failure(reason, count, REMEDIES.get(reason, UNKNOWN), examples)


def _pod(s: Summary) -> Pod:
    run: Any = s.run
    shard = run.settings.get("shard", {}) if run else {}
    place = f", shard {shard['index']} of {shard['count']}" if shard.get("count", 1) > 1 else ""
    return Pod(
        name=f"{run.host or run.run_id}{place}" if run else "unknown",
        converted=s.done_files,
        failed=s.failed_files,
        skipped=s.skipped_files,
        saved=format_size(s.saved_bytes),
        duration=format_seconds(s.elapsed_seconds),
        peak=format_size(s.peak_rss_bytes or 0),
        end="not told" if s.exit_code is None else f"exit {s.exit_code}",
    )
