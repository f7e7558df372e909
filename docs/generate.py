"""Writes the pages that are drawn from the code: `python -m docs.generate`.

A test fails when one of them has drifted.
"""

from __future__ import annotations

import argparse
import ast
import inspect
from pathlib import Path
from types import ModuleType
from typing import Any

from docs import grafana, observability
from optimizr import errors, events
from optimizr.cli import USAGE, compare, enqueue, presign, probe, prune, report, run, schema, tune
from optimizr.cli.settings import SHORT_FLAGS, setting_names
from optimizr.config import Settings
from optimizr.events import image
from optimizr.events import run as run_events
from optimizr.report.figures import FIGURES
from optimizr.telemetry.metrics import METRICS
from optimizr.telemetry.spans import ATTRIBUTES, IMAGE, RUN, RUN_ID, SPANS

ROOT = Path(__file__).parents[1]
_FLAGS = ["argument", "meaning"]
_SETTING = ["setting", "short flag", "default", "meaning"]
_WATCHED = (
    *("log.format", "log.level", "log.images", "log.file", "monitor.interval"),
    *("telemetry.http", "telemetry.stall_after", "telemetry.textfile", "telemetry.pushgateway"),
)
"""Settings of those who watch runs."""
_NOTE = "<!-- Made by `python -m docs.generate`; do not edit. -->\n"


_ENVELOPE = (
    "One JSON object a line, on stdout where that is no terminal and in `log.file`. Each has "
    "`timestamp` (RFC 3339, UTC), `level`, `event`, `run_id`, `seq` (rising from 1) and "
    f"`schema` ({events.SCHEMA}), then its own fields; null ones are left out. Those of a "
    "shard have `shard`, as `3-of-10`; where `run_id` is set, and so may be that of many "
    "processes, `attempt_id` is that of one, in which `seq` rises. With "
    "`telemetry.otlp` those of the run, and of pictures that are traced, have `trace_id` and "
    "`span_id`. `log.level` and "
    "`log.images` thin these lines; `optimizr report` needs `run.finished` or the last "
    "`run.progress` among them, which are of level `info`.\n\n"
    "`failed.jsonl` has a line for each `image.failed`, with `key`, `source`, `reason`, `message`, "
    "`stage`, `size` (bytes), `attempts`, `run_id` and `time`; `optimizr run --input "
    "@OUTPUT/failed.jsonl` tries just these again.\n"
)


def render() -> dict[str, str]:
    """Give each generated file's text by its path from the root."""
    return {
        "config/schema.json": schema.to_text(),
        "docs/cli.md": _cli(),
        "docs/settings.md": _settings(),
        "docs/summary.md": _summary(),
        "docs/events.md": _events(),
        "docs/observability.md": _observability(),
        "config/grafana/optimizr.json": grafana.to_text(),
    }


def _cli() -> str:
    page = [f"{_NOTE}\n# Commands and flags\n\n```text\n{USAGE.rstrip()}\n```\n"]
    commands = {
        "run": run.command().parser,
        "prune": prune.command().parser,
        "enqueue": enqueue.command().parser,
        "presign": presign.command().parser,
        "report": report.parser(),
        "compare": compare.parser(),
        "tune": tune.command().parser,
        "probe": probe.parser(),
    }
    without_settings = ("report", "compare", "probe")
    for title, parser in commands.items():
        rows = [
            f"| `{', '.join(action.option_strings) or action.metavar}` | {_one_line(action.help)} |"
            for action in parser._actions
            if action.help != argparse.SUPPRESS and action.dest not in (*setting_names(), "help")
        ]
        more = (
            "" if title in without_settings else "\nEvery [setting](settings.md) is a flag too.\n"
        )
        page.append(_table(f"## optimizr {title}\n\n{parser.description}\n", _FLAGS, rows) + more)
    return "\n".join([*page, _exit_codes()])


def _exit_codes() -> str:
    documented = _docs(errors)["ExitCode"]
    rows = [f"| {code.value} | {documented[code.name]} |" for code in errors.ExitCode]
    return _table("## Exit codes\n", ["code", "meaning"], rows)


def _settings() -> str:
    rows = [_setting(name) for name in setting_names()]
    intro = (
        "Each setting can be given in a config file (YAML, TOML or JSON), as an environment "
        "variable and as a flag; later wins. `webp.quality` is\n\n"
        "- `webp: {quality: 70}` in the file,\n"
        "- `OPTIMIZR_WEBP__QUALITY=70` in the environment,\n"
        "- `--webp.quality 70` on the command line (dashes or underscores), or its short form.\n\n"
        "Sizes read as `512MB` (10^6), `512MiB` or `512Mi` (2^20); durations as `30s`, `5m`, "
        "`1h30m`. `config/schema.json` is the JSON Schema, for editors.\n"
    )
    return _table(f"{_NOTE}\n# Settings\n\n{intro}", _SETTING, rows)


def _some_settings(*names: str) -> str:
    return _table("", _SETTING, [_setting(name) for name in names])


def _setting(name: str) -> str:
    model: Any = Settings
    *sections, last = name.split(".")
    for section in sections:
        model = model.model_fields[section].annotation
    field = model.model_fields[last]
    default = "required"
    if not field.is_required():
        shown: Any = Settings(input="in", output="out").model_dump(mode="json")
        for part in name.split("."):
            shown = shown[part]
        default = "none" if shown is None else f"`{shown}`"
    flag = SHORT_FLAGS.get(name)
    short = f"`--{flag}`" if flag else ""
    return f"| `{name}` | {short} | {default} | {_one_line(field.description)} |"


def _summary() -> str:
    rows = [f"| `{figure.name}` | {figure.meaning} |" for figure in FIGURES]
    intro = (
        "What `summary.json` holds. `_mb` and `_gb` are 2^20 and 2^30 bytes. Null means that "
        "there was nothing to measure. `state`, which comes last, is what `optimizr report` puts "
        "the summaries of shards together from.\n"
    )
    return _table(f"{_NOTE}\n# Summary\n\n{intro}", ["figure", "meaning"], rows)


def _events() -> str:
    documented = _docs(image) | _docs(run_events)
    page = [
        f"{_NOTE}\n# Events\n",
        _ENVELOPE,
    ]
    for name, cls in events.EVENTS.items():
        fields = documented[cls.__name__]
        rows = [
            f"| `{field}` | {_type_name(cls.__annotations__[field])} | {fields[field]} |"
            for field in _fields(cls)
        ]
        title = f"## {name}\n\n{inspect.getdoc(cls)} Level `{cls.level}`.\n"
        page.append(_table(title, ["field", "type", "meaning"], rows))
    reasons = _docs(errors)["Reason"]
    rows = [f"| `{reason.value}` | {reasons[reason.name]} |" for reason in errors.Reason]
    page.append(_table("## Reasons of `image.failed`\n", ["reason", "meaning"], rows))
    return "\n".join(page)


def _observability() -> str:
    return f"{_NOTE}\n" + observability.page(
        settings=_some_settings(*_WATCHED),
        metrics=_metrics(),
        traces=_traces(),
        events=_event_names(),
    )


def _metrics() -> str:
    rows = [
        f"| `{metric.name}` | {metric.kind} | {', '.join(f'`{name}`' for name in metric.labels)} "
        f"| {metric.help} |"
        for metric in METRICS
    ]
    return _table("", ["metric", "type", "labels", "meaning"], rows)


def _traces() -> str:
    """Tell what traces there are, of which spans, and what these carry."""
    spans = [
        f"| `{span.name}` | {f'`{span.parent}`' if span.parent else ''} | {span.meaning} |"
        for span in SPANS
    ]
    carried = [
        f"| `{attribute.name}` | `{attribute.span}` | {attribute.meaning} |"
        for attribute in ATTRIBUTES
    ]
    carried.append(f"| `{RUN_ID}` | `{RUN}`, `{IMAGE}` | As in the events. |")
    return "\n".join(
        (
            _some_settings("telemetry.otlp", "telemetry.trace_sample"),
            _table("", ["span", "below", "meaning"], spans),
            _table("", ["attribute", "of", "meaning"], carried),
        )
    )


def _event_names() -> str:
    rows = [
        f"| [`{name}`](events.md#{name.replace('.', '')}) | `{cls.level}` "
        f"| {_one_line(inspect.getdoc(cls))} "
        f"| {', '.join(f'`{field}`' for field in _fields(cls))} |"
        for name, cls in events.EVENTS.items()
    ]
    return _table("", ["event", "level", "meaning", "fields"], rows)


def _fields(event: type[events.Event]) -> list[str]:
    return [field for field in event.__annotations__ if field not in ("name", "level")]


def _type_name(annotation: str) -> str:
    return annotation.replace("dict[str, Any]", "object").replace(" | ", " or ")


def _docs(module: ModuleType) -> dict[str, dict[str, str]]:
    """Give, of each class, the docstring below each attribute; empty where there is none."""
    found: dict[str, dict[str, str]] = {}
    for node in ast.parse(inspect.getsource(module)).body:
        if isinstance(node, ast.ClassDef):
            found[node.name] = dict(_attributes(node))
    return found


def _attributes(node: ast.ClassDef) -> list[tuple[str, str]]:
    pairs = []
    for place, statement in enumerate(node.body):
        target = _target(statement)
        if target is None:
            continue
        after = node.body[place + 1] if place + 1 < len(node.body) else None
        text = after.value if isinstance(after, ast.Expr) else None
        doc = text.value if isinstance(text, ast.Constant) and isinstance(text.value, str) else ""
        pairs.append((target, _one_line(doc)))
    return pairs


def _target(statement: ast.stmt) -> str | None:
    if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
        return statement.target.id
    if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
        return statement.targets[0].id
    return None


def _table(title: str, head: list[str], rows: list[str]) -> str:
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}", *rows]
    return f"{title}\n" + "\n".join(lines) + "\n"


def _one_line(text: str | None) -> str:
    return " ".join((text or "").split()).replace("|", "\\|")


if __name__ == "__main__":
    for path, text in render().items():
        (ROOT / path).write_text(text)
