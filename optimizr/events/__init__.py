"""What happened, as frozen records: the one truth of a run.

Log, progress bar, metrics, `failed.jsonl` and the summary are all drawn from these, so they
cannot disagree. Workers make the records; the main thread alone stamps them with `run_id`, a
rising `seq` and the time, so nothing downstream needs a lock.

Each field has its unit in its name. Durations are milliseconds with three decimals, so that they
are whole microseconds and sums of them are exact.
"""

from __future__ import annotations

from optimizr.events.base import (
    Event,
    Identity,
    locate,
    microseconds,
    milliseconds,
    new_run_id,
    stamp,
    trace,
)
from optimizr.events.image import ImageConverted, ImageFailed, ImageSkipped
from optimizr.events.run import (
    RunCrashed,
    RunFinished,
    RunPlanned,
    RunProgress,
    RunSampled,
    RunStarted,
    RunWarned,
)

__all__ = [
    "EVENTS",
    "SCHEMA",
    "Event",
    "Identity",
    "ImageConverted",
    "ImageFailed",
    "ImageSkipped",
    "RunCrashed",
    "RunFinished",
    "RunPlanned",
    "RunProgress",
    "RunSampled",
    "RunStarted",
    "RunWarned",
    "locate",
    "microseconds",
    "milliseconds",
    "new_run_id",
    "stamp",
    "trace",
]

SCHEMA = 1
"""Version of the records; raised when a field changes its meaning or goes."""

EVENTS: dict[str, type[Event]] = {
    cls.name: cls
    for cls in (
        RunStarted,
        ImageConverted,
        ImageSkipped,
        ImageFailed,
        RunSampled,
        RunProgress,
        RunFinished,
        RunWarned,
        RunCrashed,
        RunPlanned,
    )
}
