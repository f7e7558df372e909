"""The report for a terminal: plain text, 80 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from optimizr.report.figures import figures
from optimizr.summary import Summary
from optimizr.units import format_size

_WIDTH = 80
_SHOWN = 20
"""Shards that are named; summary.json has all."""
LABEL = 12
"""Columns of a line's label."""

Tone = Literal["plain", "good", "bad", "advice"]


class Line(NamedTuple):
    """A subject of the report; `text` may take several lines of the terminal."""

    label: str
    text: str
    tone: Tone = "plain"

    def __str__(self) -> str:
        """Write it within 80 columns."""
        return textwrap.fill(
            self.text,
            _WIDTH,
            initial_indent=self.label.ljust(LABEL),
            subsequent_indent=" " * LABEL,
        )


def to_text(summary: Summary) -> str:
    """Write the figures that matter most, a line a subject."""
    return "".join(f"{line}\n" for line in to_lines(summary))


def to_lines(summary: Summary) -> list[Line]:
    """Give the figures that matter most."""
    f = figures(summary)
    lines = [
        Line("runs", _runs(summary)),
        Line("missing", _shards(summary.missing_shards, "no log tells of"), "bad"),
        Line("unfinished", _shards(summary.unfinished_shards, "not all was done of"), "bad"),
        Line("pictures", _pictures(summary, f), "bad" if f["failed_files"] else "good"),
        Line("bytes", _bytes(summary, f), "good" if f["bytes_saved"] > 0 else "plain"),
        Line("whole tree", _tree(summary, f)),
        Line("look", _look(summary, f)),
        Line("time", _time(summary, f)),
        Line("a picture", _a_picture(summary, f)),
        Line("memory", _memory(summary)),
        Line("failures", _failures(f), "bad"),
        Line("bound by", f["cpu_bound_analysis"]),
        *(Line("advice", text, "advice") for text in f["recommendations"]),
    ]
    return [line for line in lines if line.text]


def _runs(s: Summary) -> str:
    unfinished = max(1, s.runs) - s.finished_runs
    if unfinished:
        return f"{s.runs}, of which {unfinished} did not tell their end: still running, or killed"
    return f"{s.runs} together" if s.runs > 1 else ""


def _shards(names: Sequence[str], what: str) -> str:
    """Name some shards."""
    if not names:
        return ""
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    shards = "shard" if len(names) == 1 else "shards"
    return f"{what} {len(names):,} {shards}: {', '.join(names[:_SHOWN])}{more}"


def _pictures(s: Summary, f: dict[str, Any]) -> str:
    parts = [
        f"{f['processed_files']:,} converted{_of_these(s)}",
        f"{f['failed_files']:,} failed",
        *(f"{count:,} {_words(reason)}" for reason, count in f["skips_by_reason"].items()),
        f"{f['abandoned_files']:,} abandoned" if f["abandoned_files"] else "",
        f"{f['ignored_files']:,} other files" if f["ignored_files"] else "",
    ]
    return ", ".join(part for part in parts if part)


def _of_these(s: Summary) -> str:
    parts = [
        f"{s.resumed_files:,} by an earlier attempt" if s.resumed_files > 0 else "",
        f"{s.duplicate_files:,} equal to others" if s.duplicate_files else "",
    ]
    told = ", ".join(part for part in parts if part)
    return f" ({told})" if told else ""


def _words(reason: str) -> str:
    return reason.replace("_", " ")


def _bytes(s: Summary, f: dict[str, Any]) -> str:
    if not s.done_files:
        return ""
    shrunk = _shrunk(s.done_input_bytes, s.done_output_bytes)
    return f"{shrunk} saved ({f['space_saving_percent']}%)"


def _tree(s: Summary, f: dict[str, Any]) -> str:
    """Tell of earlier runs' work too, where there was any."""
    if not s.up_to_date_files:
        return ""
    shrunk = _shrunk(s.tree_input_bytes, s.tree_output_bytes)
    return f"{f['tree_done_files']:,} done, {shrunk} saved"


def _shrunk(before: int, after: int) -> str:
    return f"{format_size(before)} -> {format_size(after)}, {format_size(before - after)}"


def _look(s: Summary, f: dict[str, Any]) -> str:
    """Tell how the WebPs look where that was asked for; their PSNR tells most people little."""
    if f["min_look"] is None:
        return ""
    count = sum(s.looks.values())
    quality = f", quality {f['min_quality']} to {f['max_quality']}" if s.qualities else ""
    return f"{f['min_look']} worst, {f['p50_look']} median of {count:,} (SSIMULACRA2){quality}"


def _time(s: Summary, f: dict[str, Any]) -> str:
    cpu = f", CPU {f['cpu_utilization_percent']}%" if s.runs == 1 else ""
    return (
        f"{f['duration']}, {f['images_per_second']} pictures/s, "
        f"{f['megapixels_per_second']} megapixels/s{cpu}"
    )


def _a_picture(s: Summary, f: dict[str, Any]) -> str:
    if f["max_processing_time_ms"] is None:
        return ""
    encodes = f", {f['encodes_per_picture']} encodes" if s.more_encodes else ""
    return (
        f"{f['p50_processing_time_ms']:.0f} ms median, {f['p95_processing_time_ms']:.0f} ms p95, "
        f"{f['max_processing_time_ms']:.0f} ms slowest{encodes}"
    )


def _memory(s: Summary) -> str:
    if s.peak_rss_bytes is None:
        return ""
    allowed = f" of {format_size(s.memory_bytes)} allowed" if s.runs == 1 else ""
    return f"{format_size(s.peak_rss_bytes)} peak{allowed}"


def _failures(f: dict[str, Any]) -> str:
    return ", ".join(f"{count:,} {reason}" for reason, count in f["failures_by_reason"].items())
