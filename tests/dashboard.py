"""The dashboard's queries as its tests ask them: variables replaced, PromQL taken apart."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from docs.grafana import dashboard
from optimizr.telemetry.metrics import METRICS

TARGET_LABELS = frozenset({"job", "instance"})
"""Of everything that Prometheus scrapes."""
_VARIABLES = {
    "$__rate_interval": "4s",
    "$__range": "1h",
    "$job_name": ".*",
    "$job": ".*",
    "$namespace": ".*",
    "$slow_ms": "1000",
}
_SUFFIXES = {"_bucket": {"le"}, "_sum": set[str](), "_count": set[str]()}


class Asked(NamedTuple):
    """One query of a panel."""

    panel: str
    source: str
    expr: str
    legend: str
    is_instant: bool


def panels() -> list[dict[str, Any]]:
    """Give all panels, the titles of rows included."""
    placed: list[dict[str, Any]] = dashboard()["panels"]
    return placed


def asked(source: str) -> list[Asked]:
    """List the queries to one kind of data source, with variables replaced."""
    return [
        Asked(
            panel["title"],
            source,
            without_variables(target["expr"]),
            target["legendFormat"],
            target.get("instant", target.get("queryType") == "instant"),
        )
        for panel in panels()
        for target in panel.get("targets", [])
        if target["datasource"]["type"] == source
    ]


def without_variables(expr: str) -> str:
    """Put values in place of variables. Raises ValueError if there are others."""
    for name, value in _VARIABLES.items():
        expr = expr.replace(name, value)
    if "$" in expr:
        raise ValueError(f"expected known variables alone, got {expr}")
    return expr


def series() -> dict[str, set[str]]:
    """Give the own labels of all series that a run serves, by their names."""
    known: dict[str, set[str]] = {}
    for metric in METRICS:
        suffixes = _SUFFIXES if metric.kind == "histogram" else {"": set[str]()}
        for suffix, more in suffixes.items():
            known[metric.name + suffix] = set(metric.labels) | more
    return known


def mistakes(query: Asked) -> list[str]:
    """List the metrics and labels of PromQL that a run does not serve."""
    known = series()
    names = re.findall(r"\boptimizr_\w+", query.expr)
    wrong = [name for name in names if name not in known]
    own = {name: known.get(name, set()) | TARGET_LABELS for name in names}
    for name, inside in re.findall(r"\b(optimizr_\w+)\{([^}]*)\}", query.expr):
        matched = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", inside))
        wrong += sorted(matched - own[name])
    for labels, argument in _grouped(query.expr):
        wrong += [
            label
            for name in re.findall(r"\boptimizr_\w+", argument)
            for label in labels
            if label not in own[name]
        ]
    for labels in re.findall(r"\bon \(([^)]*)\)", query.expr):
        wrong += [label for label in _listed(labels) if label not in TARGET_LABELS]
    everywhere = set().union(*own.values())
    return wrong + [v for v in re.findall(r"\{\{(\w+)\}\}", query.legend) if v not in everywhere]


def _listed(labels: str) -> list[str]:
    return [label.strip() for label in labels.split(",")]


def _grouped(expr: str) -> Iterator[tuple[list[str], str]]:
    """Give the labels after each `by`, and what it groups."""
    for match in re.finditer(r"\bby \(([^)]*)\) \(", expr):
        depth, end = 1, match.end()
        while depth:
            depth += {"(": 1, ")": -1}.get(expr[end], 0)
            end += 1
        yield _listed(match[1]), expr[match.end() : end]
