"""The Grafana dashboard, drawn from docs/dashboard.py: variables, and where panels stand."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from docs.dashboard import ROWS
from docs.panels import Panel, Query, Row

_COLUMNS = 24
_DATASOURCE = {
    "prometheus": {"type": "prometheus", "uid": "${prometheus}"},
    "loki": {"type": "loki", "uid": "${loki}"},
}


def to_text() -> str:
    """Give the dashboard as the JSON that Grafana imports."""
    return json.dumps(dashboard(), indent=2, ensure_ascii=False) + "\n"


def dashboard() -> dict[str, Any]:
    """Give the dashboard, in the schema of Grafana 13."""
    return {
        "uid": "optimizr",
        "title": "optimizr",
        "description": "Runs of optimizr: how far they are, what failed, what bounds them.",
        "tags": ["optimizr"],
        "schemaVersion": 42,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "timezone": "browser",
        "time": {"from": "now-6h", "to": "now"},
        "refresh": "30s",
        "annotations": {"list": []},
        "links": [],
        "templating": {"list": _variables()},
        "panels": _placed(ROWS),
    }


def _variables() -> list[dict[str, Any]]:
    return [
        _source("prometheus", "Prometheus"),
        _source("loki", "Loki"),
        _choice("job", "Job (Prometheus)", "prometheus", "label_values(optimizr_build_info, job)"),
        _choice("namespace", "Namespace (Loki)", "loki", _label_values("namespace")),
        _choice("job_name", "Kubernetes Job (Loki)", "loki", _label_values("job_name")),
        {
            "name": "slow_ms",
            "label": "Slow from (ms)",
            "type": "textbox",
            "query": "1000",
            "current": {"text": "1000", "value": "1000"},
        },
    ]


def _source(name: str, label: str) -> dict[str, Any]:
    return {"name": name, "label": label, "type": "datasource", "query": name}


def _label_values(label: str) -> dict[str, Any]:
    # 1: the values of a label.
    return {"refId": label, "type": 1, "label": label, "stream": '{app="optimizr"}'}


def _choice(name: str, label: str, source: str, query: Any) -> dict[str, Any]:
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": _DATASOURCE[source],
        "query": query,
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",  # all there are would leave out what has no such label
        "current": {"text": ["All"], "value": ["$__all"]},
    }


def _placed(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """Lay the panels of each row side by side, in lines as high as their highest panel."""
    placed: list[dict[str, Any]] = []
    top = 0
    for row in rows:
        placed.append(
            {
                "id": len(placed) + 1,
                "type": "row",
                "title": row.title,
                "collapsed": False,
                "gridPos": {"x": 0, "y": top, "w": _COLUMNS, "h": 1},
                "panels": [],
            }
        )
        left, top, height = 0, top + 1, 0
        for panel in row.panels:
            if left + panel.width > _COLUMNS:
                left, top, height = 0, top + height, 0
            at = {"x": left, "y": top, "w": panel.width, "h": panel.height}
            placed.append({"id": len(placed) + 1, "gridPos": at, **_panel(panel)})
            left, height = left + panel.width, max(height, panel.height)
        top += height
    return placed


def _panel(panel: Panel) -> dict[str, Any]:
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": _DATASOURCE[panel.source],
        "targets": [
            _target(panel, query, ref) for query, ref in zip(panel.queries, "ABCDEF", strict=False)
        ],
        "fieldConfig": {"defaults": panel.field_config, "overrides": []},
        "options": panel.options,
        "transformations": panel.transformations,
    }


def _target(panel: Panel, query: Query, ref: str) -> dict[str, Any]:
    target: dict[str, Any] = {
        "refId": ref,
        "datasource": _DATASOURCE[panel.source],
        "expr": query.expr,
        "legendFormat": query.legend,
    }
    if panel.source == "loki":
        return target | {"queryType": "instant" if panel.is_instant else "range"}
    shape = "table" if panel.kind == "table" else "time_series"
    return target | {"format": shape, "instant": panel.is_instant, "range": not panel.is_instant}
