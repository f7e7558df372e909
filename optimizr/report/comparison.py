"""What `optimizr compare` found, as text, as JSON and as a page: pure data in, text out."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from optimizr.histogram import nearest_rank
from optimizr.report.compared import Comparison, Counted, Problem, Row, Shown
from optimizr.report.console import Line
from optimizr.report.html import environment, part
from optimizr.units import format_size

_LISTED = 20
"""Pairs and names that the text lists of each kind."""
_COLUMNS = "{:>7}  {:>10}  {:>10}  {:>7}  {}\n"


def to_text(found: Comparison) -> str:
    """Write the figures, then the pairs that look worst, then what could not be compared."""
    lines = [Line("pairs", _pairs(found)), Line("bytes", _bytes(found)), Line("look", _look(found))]
    text = "".join(f"{line}\n" for line in lines if line.text)
    if found.worst:
        text += "\n" + _COLUMNS.format("look", "first", "second", "saved", "the worst")
    for row in found.worst[:_LISTED]:
        sizes = format_size(row.first_bytes), format_size(row.second_bytes)
        saved = f"{_percent(row.first_bytes - row.second_bytes, row.first_bytes):.1f}%"
        fitted = f", made to fit {row.width}x{row.height}" if row.is_fitted else ""
        text += _COLUMNS.format(f"{row.look:.1f}", *sizes, saved, row.key + fitted)
    listed = "".join(f"{line}\n" for line in _listed(found))
    return text + (f"\n{listed}" if listed else "")


def _pairs(found: Comparison) -> str:
    parts = [
        f"{found.pairs:,} compared",
        f"{found.problems.count:,} could not be" if found.problems.count else "",
        f"{found.only_first.count:,} only in the first" if found.only_first.count else "",
        f"{found.only_second.count:,} only in the second" if found.only_second.count else "",
    ]
    return ", ".join(part for part in parts if part)


def _bytes(found: Comparison) -> str:
    if not found.pairs:
        return ""
    before, after = found.first_bytes, found.second_bytes
    return (
        f"{format_size(before)} -> {format_size(after)}, {format_size(before - after)} saved "
        f"({_percent(before - after, before)}%)"
    )


def _look(found: Comparison) -> str:
    if not found.worst:
        return ""
    p5, median = (_percentile(found, percent) for percent in (5, 50))
    return (
        f"{found.worst[0].look:.1f} worst, {p5:.1f} p5, {median:.1f} median, of 100 by SSIMULACRA2"
    )


def _percentile(found: Comparison, percent: float) -> float | None:
    """Give what all but `percent` of the pairs look at least; never below the worst."""
    tenth = nearest_rank(found.looks, percent)
    return None if tenth is None else max(found.worst[0].look, tenth / 10)


def _listed(found: Comparison) -> Iterator[str]:
    kinds = (
        ("not compared", found.problems),
        ("only in the first", found.only_first),
        ("only in the second", found.only_second),
    )
    for label, counted in kinds:
        for one in counted.some[:_LISTED]:
            yield f"{label}: {_said(one)}"
        if counted.count > _LISTED:
            yield f"{label}: {counted.count - _LISTED:,} more"


def _percent(part: int, whole: int) -> float:
    return round(100 * part / whole, 2) if whole else 0.0


def _said(one: Problem | str) -> str:
    return f"{one.key}: {one.message}" if isinstance(one, Problem) else one


def to_json(found: Comparison) -> str:
    """Write all as one object, as docs/quality.md describes it."""
    document: dict[str, Any] = {
        "pairs": found.pairs,
        "first_bytes": found.first_bytes,
        "second_bytes": found.second_bytes,
        "saved_percent": _percent(found.first_bytes - found.second_bytes, found.first_bytes),
        "worst_look": found.worst[0].look if found.worst else None,
        **{f"p{p}_look": _percentile(found, p) for p in (1, 5, 50, 95)},
        "worst": [row._asdict() for row in found.worst],
        "problems": _counted(found.problems),
        "only_first": _counted(found.only_first),
        "only_second": _counted(found.only_second),
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _counted(counted: Counted) -> dict[str, Any]:
    some = [one._asdict() if isinstance(one, Problem) else one for one in counted.some]
    return {"count": counted.count, "some": some}


def to_html(found: Comparison, names: tuple[str, str], shown: Sequence[Shown]) -> str:
    """Write a page that needs no network; `names` are what was compared."""
    page = environment().get_template("compare.html")
    return page.render(
        found=found,
        names=names,
        shown=shown,
        look=_look(found),
        bytes=_bytes(found),
        pairs=_pairs(found),
        lists=list(_listed(found)),
        saved=_saved,
        style=part("style.css"),
    )


def _saved(row: Row) -> str:
    return f"{_percent(row.first_bytes - row.second_bytes, row.first_bytes):.1f}%"
