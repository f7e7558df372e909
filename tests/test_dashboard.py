"""The Grafana dashboard: what it asks is there to be had, and it stands as Grafana reads it."""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest

from docs.generate import ROOT
from docs.grafana import dashboard, to_text
from docs.queries import LABELS, QUERIES
from optimizr.events import EVENTS
from tests import logql
from tests.dashboard import Asked, asked, mistakes, panels
from tests.test_queries import LINES, found

MODULES = ROOT / "build/grafana/node_modules"
HOME = ROOT / "tests/grafana"
promql = pytest.mark.parametrize("query", asked("prometheus"), ids=lambda query: query.panel)
loki = pytest.mark.parametrize("query", asked("loki"), ids=lambda query: query.panel)


def needs(*packages: str) -> pytest.MarkDecorator:
    """Skip, by name, where node or a package of it is missing."""
    lacking = [name for name in packages if not (MODULES / name).is_dir()]
    if shutil.which("node") is None:
        lacking.insert(0, "node")
    reason = f"{', '.join(lacking)}: not installed; .ci/run does it"
    return pytest.mark.skipif(bool(lacking), reason=reason)


@promql
def test_metrics_and_labels_that_it_asks_for_are_served(query: Asked) -> None:
    assert mistakes(query) == []


@pytest.mark.parametrize(
    ("expr", "legend", "wrong"),
    [
        ("optimizr_image_total", "", "optimizr_image_total"),
        ("optimizr_image_duration_seconds", "", "optimizr_image_duration_seconds"),
        ('optimizr_images_total{reason="x"}', "", "reason"),
        ("sum by (mode) (rate(optimizr_images_total[1m]))", "", "mode"),
        ("sum by (le) (rate(optimizr_image_duration_seconds_sum[1m]))", "", "le"),
        ("optimizr_workers - on (pod) optimizr_cpu_slots", "", "pod"),
        ("sum(optimizr_workers)", "{{outcome}}", "outcome"),
    ],
)
def test_what_is_not_served_would_be_found(expr: str, legend: str, wrong: str) -> None:
    assert mistakes(Asked("", "prometheus", expr, legend, False)) == [wrong]


@loki
def test_what_it_asks_of_loki_finds_lines_and_reads_their_fields(query: Asked) -> None:
    (event,) = found(query.expr)
    known = {field.name for field in dataclasses.fields(EVENTS[event])} | {"event"}
    parsed = logql.parse(query.expr)
    assert parsed.grouped <= known
    for selection in parsed.selections:
        assert selection.fields <= known
        assert {name for name, _, _ in selection.matchers} <= set(LABELS)
    assert event in LINES


def overlaps(placed: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """List the panels that lie on each other."""
    return [
        (one["title"], other["title"])
        for one, other in itertools.combinations(placed, 2)
        if all(
            one["gridPos"][at] < other["gridPos"][at] + other["gridPos"][size]
            and other["gridPos"][at] < one["gridPos"][at] + one["gridPos"][size]
            for at, size in (("x", "w"), ("y", "h"))
        )
    ]


def test_panels_stand_beside_each_other_within_24_columns() -> None:
    placed = panels()
    assert overlaps(placed) == []
    assert overlaps([*placed, placed[1]]) != []
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in placed)
    assert len({panel["id"] for panel in placed}) == len(placed)
    titles = [panel["title"] for panel in placed if panel["type"] != "row"]
    assert len(set(titles)) == len(titles)


def test_each_query_goes_to_a_data_source_that_can_be_chosen() -> None:
    variables = dashboard()["templating"]["list"]
    sources = {f"${{{v['name']}}}": v["query"] for v in variables if v["type"] == "datasource"}
    asking = [
        *(target["datasource"] for panel in panels() for target in panel.get("targets", [])),
        *(panel["datasource"] for panel in panels() if panel["type"] != "row"),
        *(variable["datasource"] for variable in variables if variable["type"] == "query"),
    ]
    assert {source["type"] for source in asking} == {"prometheus", "loki"}
    assert all(sources[source["uid"]] == source["type"] for source in asking)


def compiles(panels_and_all: str) -> subprocess.CompletedProcess[str]:
    """Let TypeScript hold a dashboard against the types that Grafana publishes."""
    with tempfile.TemporaryDirectory(dir=MODULES.parent) as folder:
        shutil.copy(HOME / "types.ts", folder)
        code = 'import type { OptimizrDashboard } from "./types";\n'
        code += f"export const dashboard: OptimizrDashboard = {panels_and_all};\n"
        Path(folder, "dashboard.ts").write_text(code)
        return subprocess.run(
            [
                *(MODULES / ".bin/tsc", "--noEmit", "--strict", "--skipLibCheck"),
                *("--target", "es2022", "--module", "preserve", "--moduleResolution", "bundler"),
                "dashboard.ts",
            ],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )


@needs("typescript", "@grafana/schema")
def test_it_is_a_dashboard_by_the_types_of_grafana() -> None:
    done = compiles(to_text())
    assert done.returncode == 0, done.stdout


@needs("typescript", "@grafana/schema")
@pytest.mark.parametrize(
    ("good", "bad", "said"),
    [
        ('"graphTooltip": 1', '"graphTooltip": "shared"', "Type 'string' is not assignable"),
        ('"colorMode": "value"', '"colorMode": "values"', "'\"values\"' is not assignable"),
        ('"showPoints": "auto"', '"showPoint": "auto"', "'\"showPoint\"' does not exist"),
    ],
)
def test_what_is_no_dashboard_would_be_found(good: str, bad: str, said: str) -> None:
    assert good in to_text()
    done = compiles(to_text().replace(good, bad))
    assert done.returncode != 0
    assert said in done.stdout


def broken(queries: list[str]) -> list[str]:
    """List the queries that Grafana's grammar of LogQL does not take."""
    done = subprocess.run(
        ["node", HOME / "logql.cjs"],
        env=os.environ | {"NODE_PATH": str(MODULES)},
        input=json.dumps(queries),
        capture_output=True,
        text=True,
        check=True,
    )
    listed: list[str] = json.loads(done.stdout)
    return listed


@needs("@grafana/lezer-logql", "@lezer/common", "@lezer/lr")
def test_grafanas_grammar_takes_all_logql() -> None:
    wrong = ["sum by (x)", '{app="optimizr"} |', '{app="optimizr"} | json | unwrap']
    right = [query.expr for query in asked("loki")] + [query.logql for query in QUERIES]
    assert broken(right + wrong) == wrong
