"""The page's charts: plain numbers drawn by pygal as SVG, each with the same numbers as a table.

Colours are the page's CSS variables, so a chart is light or dark as the page is. pygal gives each
chart a random id, notes the date, and adds a script for its own tooltips: the id is made fixed and
the rest left out, so that a page depends on its figures alone.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import pygal
from pygal.style import Style

from optimizr.report import series
from optimizr.report.series import Bar, Point, Span
from optimizr.summary import Summary
from optimizr.units import format_seconds, format_size

# pygal leaves a finder for plug-ins that are not used here, of a kind that Python has given up: up
# to Python 3.11 each later import in the process would warn of it.
sys.meta_path[:] = [
    finder for finder in sys.meta_path if type(finder).__module__.partition(".")[0] != "pygal"
]

_NOT_DRAWN = re.compile(r"<!--.*?-->|<script.*?</script>", re.DOTALL)
_FAR = 4
"""Times the highest value from which on a limit would flatten the curve."""


class Chart(NamedTuple):
    """A drawing, and what it shows for those who do not see it."""

    name: str
    title: str
    caption: str
    svg: str
    head: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


def charts(s: Summary) -> list[Chart]:
    """Draw all that there is something to draw of."""
    made = (
        _throughput(s),
        _memory(s),
        _cpus(s),
        _formats(s),
        _sizes(s),
        _savings(s),
        _looks(s),
        _durations(s),
    )
    return [chart for chart in made if chart is not None]


def _throughput(s: Summary) -> Chart | None:
    curve = Curve("pictures a second", lambda value: f"{value:.3g}", _steps(series.throughput(s)))
    caption = "Converted, over the run."
    return _over_time("throughput", "Pictures a second", caption, curve)


def _memory(s: Summary) -> Chart | None:
    curve = Curve("RSS", format_size, series.memory(s))
    if s.runs > 1:
        caption = "RSS of the largest process at each time."
        return _over_time("memory", "Memory", caption, curve)
    limit = Limit("pool.memory", float(s.memory_bytes)) if s.memory_bytes else None
    return _over_time("memory", "Memory", "RSS of the process, and its ceiling.", curve, limit)


def _cpus(s: Summary) -> Chart | None:
    whose = "each process, on average," if s.runs > 1 else "the process,"
    curve = Curve("CPUs", lambda value: f"{value:.3g}", _steps(series.cpus_used(s)))
    caption = f"CPU seconds a second of {whose} and the CPU slots that there are."
    limit = Limit("CPU slots", s.cpu_slots / max(1, s.runs)) if s.cpu_slots else None
    return _over_time("cpu", "CPUs at work", caption, curve, limit)


class Curve(NamedTuple):
    """What was measured over time."""

    name: str
    unit: Callable[[float], str]
    points: list[Point]


class Limit(NamedTuple):
    """What a curve should stay below."""

    name: str
    value: float


def _steps(spans: Sequence[Span]) -> list[Point]:
    return [Point(end, span.value) for span in spans for end in (span.since, span.until)]


def _over_time(
    name: str, title: str, caption: str, curve: Curve, limit: Limit | None = None
) -> Chart | None:
    """Draw a curve over time, and its limit; logarithmic where that is far above."""
    if not curve.points:
        return None
    end = max(curve.points[-1].seconds, 1.0)
    values = [point.value for point in curve.points]
    most = max([*values, limit.value if limit else 0])
    far = limit is not None and limit.value > _FAR * max(values) and min(values) > 0
    scale: Callable[[float], float] = math.log10 if far else float
    chart = pygal.XY(
        _config("after", *(["limit"] if limit else [])),
        show_dots=False,
        stroke_style={"width": 2},
        x_value_formatter=lambda seconds: format_seconds(round(seconds, 1)),
        value_formatter=(lambda power: curve.unit(10**power)) if far else curve.unit,
        range=(math.floor(math.log10(min(values))), math.log10(most)) if far else _from_zero(most),
        x_labels=[end * part / 4 if end < 8 else round(end * part / 4) for part in range(5)],
    )
    if far:
        chart.y_labels = _powers(min(values), most)
    chart.add(curve.name, [(seconds, scale(v)) for seconds, v in curve.points], fill=not far)
    if limit is not None:
        line = [(0, scale(limit.value)), (end, scale(limit.value))]
        chart.add(limit.name, line, stroke_style={"width": 2, "dasharray": "6, 4"})
        caption += f" {limit.name} is {curve.unit(limit.value)}."
    rows = [(format_seconds(round(at, 1)), curve.unit(value)) for at, value in curve.points]
    return Chart(name, title, caption, _svg(chart, name), ("after", curve.name), rows)


def _powers(least: float, most: float) -> list[int]:
    """Give at most six powers of ten that span a range."""
    low, high = math.floor(math.log10(least)), math.ceil(math.log10(most))
    return list(range(low, high + 1, max(1, math.ceil((high - low) / 5))))


def _formats(s: Summary) -> Chart | None:
    if not s.by_format:
        return None
    formats = sorted(s.by_format.items(), key=lambda item: (-item[1].input_bytes, item[0]))
    most = max(max(totals.input_bytes, totals.output_bytes) for _, totals in formats)
    chart = pygal.Bar(
        _config("before", "after"), value_formatter=format_size, range=_from_zero(most)
    )
    chart.x_labels = [format_ for format_, _ in formats]
    chart.add("original", [totals.input_bytes for _, totals in formats])
    chart.add("WebP", [totals.output_bytes for _, totals in formats])
    rows = [
        (format_, f"{t.files:,}", format_size(t.input_bytes), format_size(t.output_bytes))
        for format_, t in formats
    ]
    return Chart(
        "formats",
        "Before and after, by format",
        "Bytes of the pictures converted.",
        _svg(chart, "formats"),
        ("format", "pictures", "original", "WebP"),
        rows,
    )


def _sizes(s: Summary) -> Chart | None:
    caption = "Pictures converted, by the size of their file."
    return _bars("sizes", "Sizes", caption, ("original", "WebP"), series.sizes(s))


def _savings(s: Summary) -> Chart | None:
    caption = "Pictures converted, by the share of their bytes that is saved."
    return _bars("savings", "Savings", caption, ("pictures",), series.savings(s))


def _looks(s: Summary) -> Chart | None:
    if s.looks:
        caption = (
            "Pictures converted, by how like their originals they look (SSIMULACRA2): 90 as if "
            "nothing was lost, 70 good, 50 fair, 30 poor."
        )
        return _bars("looks", "Looks", caption, ("pictures",), series.looks(s.looks))
    caption = "Pictures converted, by how like their originals they are: decibels of PSNR."
    return _bars("looks", "PSNR", caption, ("pictures",), series.looks(s.psnrs))


def _durations(s: Summary) -> Chart | None:
    caption = "Pictures converted, by the time to read, convert and write them."
    return _bars("durations", "Time a picture", caption, ("pictures",), series.durations(s))


def _bars(
    name: str, title: str, caption: str, kinds: tuple[str, ...], bars: Sequence[Bar]
) -> Chart | None:
    if not bars:
        return None
    chart = pygal.Bar(
        _config(*("before", "after")[-len(kinds) :]),
        value_formatter=lambda count: f"{count:,.0f}",
        range=_from_zero(max(max(bar.counts) for bar in bars)),
        x_label_rotation=30 if len(bars) > 5 else 0,
    )
    chart.x_labels = [bar.label for bar in bars]
    for place, kind in enumerate(kinds):
        chart.add(kind, [bar.counts[place] for bar in bars])
    rows = [(bar.label, *(f"{count:,}" for count in bar.counts)) for bar in bars]
    return Chart(name, title, caption, _svg(chart, name), (title.lower(), *kinds), rows)


def _from_zero(most: float) -> tuple[float, float]:
    return 0, most * 1.05 or 1


def _config(*colours: str) -> pygal.Config:
    """Set up a chart with a series of each colour."""
    return pygal.Config(
        style=_style(*colours),
        js=(),
        width=640,
        height=300,
        margin=6,
        margin_right=24,
        show_legend=len(colours) > 1,
        legend_at_bottom=True,
        legend_box_size=12,
        disable_xml_declaration=True,
        max_scale=6,
    )


def _style(*colours: str) -> Style:
    return Style(
        background="transparent",
        plot_background="transparent",
        foreground="var(--ink)",
        foreground_strong="var(--ink)",
        foreground_subtle="var(--muted)",
        colors=[f"var(--{colour})" for colour in colours],
        opacity=".75",
        opacity_hover="1",
        transition="0s",
        font_family="inherit",
        label_font_size=13,
        major_label_font_size=13,
        legend_font_size=13,
    )


def _svg(chart: Any, name: str) -> str:
    chart.uuid = name
    drawn: str = chart.render(is_unicode=True)
    return _NOT_DRAWN.sub("", drawn)
