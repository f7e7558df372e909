"""The kinds of panels that the dashboard is made of, with the looks that they share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple


class Query(NamedTuple):
    """PromQL or LogQL, and what its series are called."""

    expr: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel; its size is in columns of 24 and in rows."""

    title: str
    kind: Literal["stat", "timeseries", "bargauge", "table", "logs"]
    description: str
    queries: tuple[Query, ...]
    width: int
    height: int
    options: dict[str, Any]
    field_config: dict[str, Any] = field(default_factory=dict)
    transformations: list[dict[str, Any]] = field(default_factory=list)
    source: Literal["prometheus", "loki"] = "prometheus"
    is_instant: bool = False


class Row(NamedTuple):
    """Panels under one title."""

    title: str
    panels: tuple[Panel, ...]


_LAST: dict[str, Any] = {"calcs": ["lastNotNull"], "fields": "", "values": False}


def stat(title: str, unit: str, expr: str, description: str, colour: str = "text") -> Panel:
    """Make a figure, coloured from 1 on."""
    steps: list[dict[str, Any]] = [{"color": "text", "value": None}]
    if colour != "text":
        steps.append({"color": colour, "value": 1})
    return Panel(
        title,
        "stat",
        description,
        (Query(expr),),
        width=4,
        height=4,
        is_instant=True,
        options={
            "reduceOptions": _LAST,
            "orientation": "auto",
            "textMode": "auto",
            "colorMode": "value",
            "graphMode": "none",
            "justifyMode": "auto",
            "wideLayout": True,
        },
        field_config={
            "unit": unit,
            "noValue": "-",
            "thresholds": {"mode": "absolute", "steps": steps},
        },
    )


def lines(
    title: str,
    unit: str,
    description: str,
    *queries: tuple[str, str],
    width: int = 8,
    stacked: bool = False,
) -> Panel:
    """Make curves over time."""
    return Panel(
        title,
        "timeseries",
        description,
        tuple(Query(*query) for query in queries),
        width=width,
        height=8,
        options={
            "legend": {
                "displayMode": "list",
                "placement": "bottom",
                "showLegend": True,
                "calcs": [],
            },
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
        field_config={
            "unit": unit,
            "custom": {
                "drawStyle": "line",
                "lineWidth": 1,
                "fillOpacity": 40 if stacked else 10,
                "showPoints": "auto",
                "spanNulls": False,
                "stacking": {"mode": "normal" if stacked else "none", "group": "A"},
            },
        },
    )


def bars(title: str, expr: str, legend: str, description: str) -> Panel:
    """Make a bar for each series."""
    return Panel(
        title,
        "bargauge",
        description,
        (Query(expr, legend),),
        width=8,
        height=8,
        is_instant=True,
        options={
            "reduceOptions": _LAST,
            "orientation": "horizontal",
            "displayMode": "basic",
            "namePlacement": "auto",
            "valueMode": "color",
            "sizing": "auto",
            "showUnfilled": True,
        },
        field_config={"unit": "short", "min": 0, "noValue": "none"},
    )


def logs(title: str, query: str, description: str) -> Panel:
    """Make a list of lines, the newest first."""
    return Panel(
        title,
        "logs",
        description,
        (Query(query),),
        width=12,
        height=9,
        source="loki",
        options={
            "showTime": True,
            "showLabels": False,
            "showCommonLabels": False,
            "showLogContextToggle": False,
            "wrapLogMessage": True,
            "prettifyLogMessage": False,
            "enableLogDetails": True,
            "dedupStrategy": "none",
            "sortOrder": "Descending",
        },
    )


def table(title: str, expr: str, description: str) -> Panel:
    """Make a table of the labels of series."""
    hidden = {"Time": True, "Value": True}
    return Panel(
        title,
        "table",
        description,
        (Query(expr),),
        width=12,
        height=6,
        is_instant=True,
        options={"showHeader": True},
        transformations=[{"id": "organize", "options": {"excludeByName": hidden}}],
    )
