"""What a person asks Loki about optimizr, in LogQL: for docs/observability.md."""

from __future__ import annotations

from typing import NamedTuple

LABELS = ("app", "level", "namespace", "job_name")
"""Of the streams, as config/loki makes them; all else is a field of the line."""


class Query(NamedTuple):
    """A question, and an event whose line answers it."""

    title: str
    event: str
    """Name of an event that it finds."""
    logql: str
    note: str = ""
    """What to know about it; a sentence or two."""


QUERIES = (
    Query(
        "Failures by reason",
        "image.failed",
        """
sum by (reason) (
  count_over_time({app="optimizr", level="error"} |= `"image.failed"` | json
    | event = `image.failed` [1h])
)
""",
    ),
    Query(
        "Failures as sentences",
        "image.failed",
        """
{app="optimizr", level="error"} |= `"image.failed"` | json | event = `image.failed`
  | line_format `{{.reason}} {{.source}}: {{.message}}`
""",
        "For one reason, add `| reason = ` and its name.",
    ),
    Query(
        "Slowest pictures",
        "image.converted",
        """
topk(20,
  max_over_time(
    {app="optimizr", level="info"} |= `"image.converted"` | json | event = `image.converted`
      | duration_ms > 1000 | unwrap duration_ms [1h]
  ) by (run_id, key)
)
""",
        "Each key is a series while Loki works, so leave the bound on `duration_ms` high enough.",
    ),
    Query(
        "Bytes saved over time",
        "image.converted",
        """
sum(sum_over_time({app="optimizr", level="info"} |= `"image.converted"` | json
  | event = `image.converted` | unwrap input_bytes [5m]))
-
sum(sum_over_time({app="optimizr", level="info"} |= `"image.converted"` | json
  | event = `image.converted` | unwrap output_bytes [5m]))
""",
        "Needs `log.images all`; without it the metrics tell the same.",
    ),
    Query(
        "How far it is",
        "run.progress",
        """
max_over_time({app="optimizr", level="info"} |= `"run.progress"`
  | json event="event", run_id="run_id", shard="shard", total_files="total_files"
  | event = `run.progress` | unwrap total_files [5m]) by (run_id, shard)
""",
        "The fields are named because the line holds the whole `state`, which a plain `| json` "
        "would take apart.",
    ),
    Query(
        "Memory of each pod",
        "run.sampled",
        """
max_over_time({app="optimizr", level="info"} |= `"run.sampled"` | json
  | event = `run.sampled` | unwrap rss_bytes [5m]) by (run_id, shard)
""",
        "`run_id` is a field of every event, and of shards, which may have one together, `shard` "
        "is; `host` in `run.started` says which pod a run is. The pipelines give the pod's name "
        "as structured metadata too, so `by (pod)` does as well.",
    ),
    Query(
        "Warnings",
        "run.warned",
        """
{app="optimizr", level="warning"} | json | event = `run.warned`
  | line_format `{{.origin}} ({{.repeated}}): {{.message}}`
""",
    ),
    Query(
        "How runs ended, if not well",
        "run.finished",
        """
{app="optimizr", level="info"} |= `"run.finished"`
  | json event="event", run_id="run_id", exit_code="exit_code", cause="cause", message="message"
  | event = `run.finished` | exit_code > 0
  | line_format `{{.run_id}} exit {{.exit_code}} {{.cause}} {{.message}}`
""",
        "A run without this line was killed, or still works.",
    ),
)
