"""docs/observability.md: what operators need, with queries and the lines that these find."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, StrictUndefined

from docs.lines import examples
from docs.queries import QUERIES, Query

_TEMPLATE = Path(__file__).parent / "templates/observability.md"


def page(**tables: str) -> str:
    """Fill the template in; `tables` are its tables that are drawn from the code, by name."""
    lines = examples()
    # Markdown, and trusted: there is nothing to escape.
    template = Environment(undefined=StrictUndefined, autoescape=False, keep_trailing_newline=True)  # noqa: S701
    return template.from_string(_TEMPLATE.read_text()).render(
        queries="\n\n".join(_query(query, lines[query.event]) for query in QUERIES),
        converted_bytes=round(len(lines["image.converted"]), -1),
        **{name: table.strip() for name, table in tables.items()},
    )


def _query(query: Query, line: str) -> str:
    note = f"\n\n{query.note}" if query.note else ""
    return (
        f"### {query.title}{note}\n\n```logql\n{query.logql.strip()}\n```\n\n```json\n{line}\n```"
    )
