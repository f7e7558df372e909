"""What Alloy and Promtail do to targets and lines, by their manuals; the stages used here."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

Stage = tuple[str, Mapping[str, Any]]
_RFC3339_NANO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.ASCII)


class Entry(NamedTuple):
    """What goes to Loki."""

    time: datetime
    labels: dict[str, str]
    metadata: dict[str, str]
    line: str


def collect(stages: Iterable[Stage], target: Mapping[str, str], line: str) -> Entry:
    """Send a line of the container's log through a pipeline."""
    labels, metadata = dict(target), dict[str, str]()
    extracted: dict[str, Any] = dict(target)
    moment = datetime.max
    for name, config in stages:
        match name:
            case "cri":
                time, labels["stream"], _flags, line = line.split(" ", 3)
                moment = datetime.fromisoformat(time)
            case "json":
                extracted |= _fields(config["expressions"], line)
            case "timestamp":
                assert config["format"] == "RFC3339Nano"
                assert config["action_on_failure"] == "skip"  # the other would take a neighbour's
                text = extracted.get(config["source"])
                if isinstance(text, str) and _RFC3339_NANO.fullmatch(text):
                    moment = datetime.fromisoformat(text)
            case "labels":
                labels |= _present(config, extracted)
            case "structured_metadata":
                metadata |= _present(config, extracted)
                labels = {key: labels[key] for key in labels if key not in config.values()}
            case "keep":
                labels = {key: labels[key] for key in labels if key in config["values"]}
            case _:
                raise AssertionError(f"no such stage is known here: {name}")
    return Entry(moment, labels, metadata, line)


def _fields(expressions: Mapping[str, str], line: str) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except ValueError:
        return {}
    if not isinstance(record, dict):
        return {}
    return {key: record.get(path or key) for key, path in expressions.items()}


def _present(wanted: Mapping[str, str], extracted: Mapping[str, Any]) -> dict[str, str]:
    found = {key: extracted.get(source or key) for key, source in wanted.items()}
    return {key: value for key, value in found.items() if value is not None}


def relabel(rules: Iterable[Mapping[str, Any]], found: Mapping[str, str]) -> dict[str, str] | None:
    """Give the labels of a target that was discovered; None if it is not kept."""
    labels = dict(found)
    for rule in rules:
        names = rule.get("source_labels", [])
        value = rule.get("separator", ";").join(labels.get(name, "") for name in names)
        match = re.fullmatch(rule.get("regex", "(.*)"), value)
        if rule.get("action", "replace") == "keep":
            if match is None:
                return None
        elif match is not None:
            text = rule.get("replacement", "$1")
            labels[rule["target_label"]] = match.expand(re.sub(r"\$(\d)", r"\\\1", text))
    return {key: value for key, value in labels.items() if not key.startswith("__meta_")}
