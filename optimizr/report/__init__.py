"""From a summary to text: pure functions, one file a form. None of them measures anything."""

from __future__ import annotations

import json

from optimizr.report.figures import figures
from optimizr.summary import Summary


def to_json(summary: Summary) -> str:
    """Write the figures as `summary.json` has them."""
    return json.dumps(figures(summary), indent=2, ensure_ascii=False) + "\n"
