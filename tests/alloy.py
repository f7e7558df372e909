"""Reads Grafana Alloy's configuration: as much of its syntax as the files here use."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any, NamedTuple

_TOKEN = re.compile(
    r'(?P<space>\s+|//[^\n]*)|(?P<text>"(?:[^"\\\n]|\\.)*")|(?P<name>[A-Za-z_][\w.]*)'
    r"|(?P<number>\d+)|(?P<sign>[{}\[\](),=+])"
)


class Reference(NamedTuple):
    """What another component exports, or a constant."""

    name: str


class Call(NamedTuple):
    function: str
    arguments: list[Any]


class Sum(NamedTuple):
    terms: list[Any]


@dataclass(slots=True)
class Block:
    name: str
    label: str = ""
    attributes: dict[str, Any] = field(default_factory=dict)
    blocks: list[Block] = field(default_factory=list)

    def references(self) -> list[str]:
        """List what the block and those in it take from other components."""
        own = [name for value in self.attributes.values() for name in _references(value)]
        return own + [name for block in self.blocks for name in block.references()]


def parse(text: str) -> list[Block]:
    """Give the blocks of a file. Raises ValueError where it cannot be read."""
    reader = _Reader(_tokens(text))
    top = Block("")
    reader.body(top, "")
    if top.attributes:
        raise ValueError(f"expected only blocks at the top, got {sorted(top.attributes)}")
    return top.blocks


def _tokens(text: str) -> list[str]:
    found, at = [], 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise ValueError(f"expected a token, got {text[at : at + 20]!r}")
        if match.lastgroup != "space":
            found.append(match[0])
        at = match.end()
    return [*found, ""]


def _references(value: Any) -> list[str]:
    match value:
        case Reference(name):
            return [name]
        case Call(_, parts) | Sum(parts) | list(parts):
            return [name for part in parts for name in _references(part)]
        case dict():
            return [name for part in value.values() for name in _references(part)]
    return []


class _Reader:
    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens
        self._at = 0

    def _take(self, *wanted: str) -> str:
        token = self._tokens[self._at]
        if wanted and token not in wanted:
            raise ValueError(f"expected one of {wanted}, got {token!r}")
        self._at += 1
        return token

    def _peek(self) -> str:
        return self._tokens[self._at]

    def body(self, block: Block, end: str) -> None:
        while self._peek() != end:
            name = self._take()
            if not re.fullmatch(r"[A-Za-z_][\w.]*", name):
                raise ValueError(f"expected a name in {block.name!r}, got {name!r}")
            if self._peek() == "=":
                self._take()
                if name in block.attributes:
                    raise ValueError(f"expected {name!r} once in {block.name!r}, got it twice")
                block.attributes[name] = self._sum()
                continue
            label = json.loads(self._take()) if self._peek().startswith('"') else ""
            inner = Block(name, label)
            self._take("{")
            self.body(inner, "}")
            self._take("}")
            block.blocks.append(inner)

    def _sum(self) -> Any:
        terms = [self._term()]
        while self._peek() == "+":
            self._take()
            terms.append(self._term())
        return terms[0] if len(terms) == 1 else Sum(terms)

    def _term(self) -> Any:
        token = self._take()
        if token.startswith('"') or token.isdigit() or token in ("true", "false"):
            return json.loads(token)
        if token == "[":
            return self._items("]")
        if token == "{":
            return dict(self._items("}"))
        if not re.fullmatch(r"[A-Za-z_][\w.]*", token):
            raise ValueError(f"expected a value, got {token!r}")
        if self._peek() == "(":
            self._take()
            return Call(token, self._items(")"))
        return Reference(token)

    def _items(self, end: str) -> list[Any]:
        items = []
        while self._peek() != end:
            if end == "}":
                key = self._take().strip('"')
                self._take("=")
                items.append((key, self._sum()))
            else:
                items.append(self._sum())
            if self._take(",", end) == end:
                return items
        self._take(end)
        return items
