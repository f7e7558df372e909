"""From a summary to text: pure functions, one file a form. None of them measures anything."""

from __future__ import annotations

import json

from optimizr.report.figures import figures
from optimizr.summary import Summary


def to_json(summary: Summary) -> str:
    """Write the figures as `summary.json` has them, and the state that they are drawn from.

    From the state `optimizr report` puts the summaries of shards together.
    """
    written = {**figures(summary), "state": summary.to_state()}
    return json.dumps(written, indent=2, ensure_ascii=False) + "\n"


def prepare_page() -> None:
    """Load what draws `report.html`, before memory is shared out.

    Not at a run's end: the program may have been replaced by another version, or be out of reach.
    """
    from optimizr.report.html import prepare  # what it draws with is not for every run

    prepare()
