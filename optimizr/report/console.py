"""The report for a terminal: plain text, 80 columns."""

from __future__ import annotations

import textwrap
from typing import Any

from optimizr.report.figures import figures
from optimizr.summary import Summary
from optimizr.units import format_size

_WIDTH = 80
_LABEL = 12


def to_text(summary: Summary) -> str:
    """Write the figures that matter most, a line a subject."""
    f = figures(summary)
    lines = [
        ("runs", _runs(summary)),
        ("pictures", _pictures(f)),
        ("bytes", _bytes(summary, f)),
        ("whole tree", _tree(summary, f)),
        ("time", _time(summary, f)),
        ("a picture", _a_picture(f)),
        ("memory", _memory(summary)),
        ("bound by", f["cpu_bound_analysis"]),
        *(("advice", text) for text in f["recommendations"]),
    ]
    return "\n".join(_line(label, text) for label, text in lines if text) + "\n"


def _runs(s: Summary) -> str:
    unfinished = max(1, s.runs) - s.finished_runs
    if unfinished:
        return f"{s.runs}, of which {unfinished} did not tell their end: still running, or killed"
    return f"{s.runs} together" if s.runs > 1 else ""


def _pictures(f: dict[str, Any]) -> str:
    parts = [
        f"{f['processed_files']:,} converted",
        f"{f['failed_files']:,} failed",
        *(f"{count:,} {_words(reason)}" for reason, count in f["skips_by_reason"].items()),
        f"{f['abandoned_files']:,} abandoned" if f["abandoned_files"] else "",
        f"{f['ignored_files']:,} other files" if f["ignored_files"] else "",
    ]
    return ", ".join(part for part in parts if part)


def _words(reason: str) -> str:
    return reason.replace("_", " ")


def _bytes(s: Summary, f: dict[str, Any]) -> str:
    if not s.converted_files:
        return ""
    return f"{_shrunk(s.input_bytes, s.output_bytes)} saved ({f['space_saving_percent']}%)"


def _tree(s: Summary, f: dict[str, Any]) -> str:
    """Tell of earlier runs' work too, where there was any."""
    if not s.up_to_date_files:
        return ""
    shrunk = _shrunk(s.tree_input_bytes, s.tree_output_bytes)
    return f"{f['tree_done_files']:,} done, {shrunk} saved"


def _shrunk(before: int, after: int) -> str:
    return f"{format_size(before)} -> {format_size(after)}, {format_size(before - after)}"


def _time(s: Summary, f: dict[str, Any]) -> str:
    cpu = f", CPU {f['cpu_utilization_percent']}%" if s.runs == 1 else ""
    return (
        f"{f['duration']}, {f['images_per_second']} pictures/s, "
        f"{f['megapixels_per_second']} megapixels/s{cpu}"
    )


def _a_picture(f: dict[str, Any]) -> str:
    if f["max_processing_time_ms"] is None:
        return ""
    return (
        f"{f['p50_processing_time_ms']:.0f} ms median, {f['p95_processing_time_ms']:.0f} ms p95, "
        f"{f['max_processing_time_ms']:.0f} ms slowest"
    )


def _memory(s: Summary) -> str:
    if s.peak_rss_bytes is None:
        return ""
    allowed = f" of {format_size(s.memory_bytes)} allowed" if s.runs == 1 else ""
    return f"{format_size(s.peak_rss_bytes)} peak{allowed}"


def _line(label: str, text: object) -> str:
    return textwrap.fill(
        str(text),
        _WIDTH,
        initial_indent=label.ljust(_LABEL),
        subsequent_indent=" " * _LABEL,
    )
