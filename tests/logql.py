"""Reads LogQL as far as the queries here go, and tells whether one finds a line."""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

_TOKEN = re.compile(
    r"""(?P<space>\s+)|(?P<text>`[^`]*`|"(?:[^"\\]|\\.)*")|(?P<word>[A-Za-z_]\w*)"""
    r"""|(?P<number>\d[\w.]*)|(?P<sign>\|=|\|~|!=|!~|=~|==|>=|<=|[{}()\[\],=<>|+*/-])"""
)
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "==": operator.eq,
    "!=": operator.ne,
    "=~": lambda value, pattern: re.fullmatch(pattern, value) is not None,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}


@dataclass(slots=True)
class Selection:
    """One stream selector with its pipeline."""

    matchers: list[tuple[str, str, str]] = field(default_factory=list)
    contains: list[str] = field(default_factory=list)
    """Texts that the line has."""
    parsed: dict[str, str] | None = None
    """Fields named after `| json`; None if it takes all."""
    conditions: list[tuple[str, str, str]] = field(default_factory=list)
    fields: set[str] = field(default_factory=set)
    """All that is read of the line."""

    def finds(self, line: str, labels: Mapping[str, str]) -> bool:
        """Tell whether it finds a line of a stream."""
        if not all(_COMPARE[op](labels.get(k, ""), v) for k, op, v in self.matchers):
            return False
        if not all(text in line for text in self.contains):
            return False
        record = json.loads(line)
        if self.parsed is not None:
            record = {name: record.get(path) for name, path in self.parsed.items()}
        return all(_holds(record.get(name), op, value) for name, op, value in self.conditions)


def _holds(value: Any, op: str, wanted: str) -> bool:
    if value is None:
        return False
    if re.fullmatch(r"\d+(\.\d+)?", wanted):
        return _COMPARE[op](float(value), float(wanted))
    return _COMPARE[op](str(value), wanted)


@dataclass(slots=True)
class Parsed:
    """A query's selections, and the labels that it groups by."""

    selections: list[Selection]
    grouped: set[str]

    def finds(self, line: str, labels: Mapping[str, str]) -> bool:
        """Tell whether each of its selections finds a line."""
        return all(selection.finds(line, labels) for selection in self.selections)


def parse(query: str) -> Parsed:
    """Read a query. Raises ValueError for what is not known here."""
    reader = _Reader(_tokens(query))
    parsed = Parsed([], set())
    while reader.peek():
        token = reader.take()
        if token == "{":
            parsed.selections.append(reader.selection())
        elif token == "by":
            reader.take("(")
            parsed.grouped |= set(reader.until(")")) - {","}
    return parsed


def _tokens(query: str) -> list[str]:
    found, at = [], 0
    while at < len(query):
        match = _TOKEN.match(query, at)
        if match is None:
            raise ValueError(f"expected a token, got {query[at : at + 20]!r}")
        if match.lastgroup != "space":
            found.append(match[0])
        at = match.end()
    return [*found, ""]


def _text(token: str) -> str:
    if token.startswith("`"):
        return token.strip("`")
    return str(json.loads(token)) if token.startswith('"') else token


class _Reader:
    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens
        self._at = 0

    def peek(self) -> str:
        return self._tokens[self._at]

    def take(self, *wanted: str) -> str:
        token = self.peek()
        if token not in (wanted or self._tokens[:-1]):
            raise ValueError(f"expected one of {wanted}, got {token!r}")
        self._at += 1
        return token

    def until(self, end: str) -> list[str]:
        taken = []
        while self.peek() not in (end, ""):
            taken.append(self.take())
        self.take(end)
        return taken

    def selection(self) -> Selection:
        found = Selection()
        while self.peek() != "}":
            found.matchers.append((self.take(), self.take(*_COMPARE), _text(self.take())))
            if self.peek() == ",":
                self.take()
        self.take("}")
        while self.peek() in ("|", "|="):
            if self.take() == "|=":
                found.contains.append(_text(self.take()))
            else:
                self._stage(found)
        return found

    def _stage(self, found: Selection) -> None:
        match self.take():
            case "json":
                self._json(found)
            case "line_format":
                found.fields |= set(re.findall(r"\{\{\.(\w+)\}\}", self.take()))
            case "unwrap":
                found.fields.add(self.take())
            case name:
                found.conditions.append((name, self.take(*_COMPARE), _text(self.take())))
                found.fields.add(name)

    def _json(self, found: Selection) -> None:
        while self.peek() not in ("|", "[", ")", ""):
            found.parsed = found.parsed or {}
            name, _, path = self.take(), self.take("="), _text(self.take())
            found.parsed[name] = path
            found.fields.add(path)
            if self.peek() == ",":
                self.take()
