"""What happened, as frozen records: the one truth of a run.

Log, progress bar, metrics, `failed.jsonl` and the summary are all drawn from these, so they
cannot disagree. Workers make the records; the main thread alone stamps them with `run_id`, a
rising `seq` and the time, so nothing downstream needs a lock.

Each field has its unit in its name. Durations are milliseconds with three decimals, so that they
are whole microseconds and sums of them are exact.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, ClassVar

SCHEMA = 1
"""Version of the records; raised when a field changes its meaning or goes."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What all events share: whose it is, its place in the run's order, and when it happened."""

    name: ClassVar[str]
    level: ClassVar[str] = "info"

    run_id: str = ""
    seq: int = 0
    timestamp: datetime = _EPOCH
    trace_id: str | None = None
    """Of the OpenTelemetry trace that tells of the same; null without `telemetry.otlp`."""
    span_id: str | None = None
    """Of the span in it."""


def trace(event: Event, trace_id: str, span_id: str) -> None:
    """Name the span that tells of the same. In place, as `stamp`."""
    object.__setattr__(event, "trace_id", trace_id)
    object.__setattr__(event, "span_id", span_id)


def stamp(event: Event, run_id: str, seq: int, timestamp: datetime) -> Event:
    """Give an event its place in a run, before anybody but its maker has seen it.

    In place: `dataclasses.replace` takes longer than all else that is done to fold an event.
    """
    object.__setattr__(event, "run_id", run_id)
    object.__setattr__(event, "seq", seq)
    object.__setattr__(event, "timestamp", timestamp)
    return event


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted(Event):
    """The run begins: what it is and what it may use."""

    name: ClassVar[str] = "run.started"

    version: str
    """Of optimizr."""
    libvips_version: str
    """Of libvips."""
    encoder: str = ""
    """What encodes: `libwebp 1.6.0`, called directly, or libvips' `webpsave 8.18.7`."""
    encoder_why: str = ""
    """How it came to be chosen."""
    python_version: str
    """Of Python."""
    host: str
    """The machine's name; in a pod, the pod's."""
    pid: int
    """The process."""
    settings: dict[str, Any]
    """All settings, redacted."""
    workers: int
    """Pictures in flight at once; with `pool.workers auto`, at the start."""
    cpu_slots: int
    """Pictures decoded and encoded at once."""
    memory_bytes: int
    """Ceiling of the whole process."""
    memory_budget_bytes: int
    """What pictures may take of it: the ceiling less the RSS after start-up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageConverted(Event):
    """One picture has its WebP."""

    name: ClassVar[str] = "image.converted"

    key: str
    """The picture's key in the input, as text (see `optimizr.keys`)."""
    output: str
    """The WebP's key in the output."""
    format: str
    """What the picture was, by content: `jpeg`, `png`."""
    width: int
    """Pixels of the original, as stored: not turned, not resized."""
    height: int
    """Of one frame."""
    mode: str
    """How the WebP was encoded: `lossy`, `lossless`, `near_lossless`."""
    animation_dropped: bool | None = None
    """True for an animated PNG, of which the default image was converted."""
    low_memory: bool | None = None
    """True where libwebp had to do with less memory, which takes up to twice the CPU time."""
    input_bytes: int
    """Of the original's file."""
    output_bytes: int
    """Of the WebP."""
    fetch_ms: float
    """Reading."""
    convert_ms: float
    """Reading the header, decoding and encoding."""
    store_ms: float
    """Writing, syncing and renaming."""
    duration_ms: float
    """Fetch, convert and store together; waiting for memory or a CPU slot is not counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSkipped(Event):
    """One picture was left as it is, on purpose."""

    name: ClassVar[str] = "image.skipped"

    key: str
    """The picture's key in the input."""
    reason: str
    """A stable code: `up_to_date`, `output_exists`, `larger_skipped`, `larger_copied`,
    `webp_copied`."""
    input_bytes: int
    """Of the original's file."""
    output: str | None = None
    """The key in the output of what stands for it: its WebP, or a copy of the original."""
    output_bytes: int = 0
    """Of the WebP that is up to date; 0 with other reasons."""
    webp_bytes: int | None = None
    """Of the WebP that was made and not kept, since it is not smaller."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFailed(Event):
    """One picture could not be done; the others go on."""

    name: ClassVar[str] = "image.failed"
    level: ClassVar[str] = "error"

    key: str
    """The picture's key in the input; of a folder that cannot be listed, the folder's."""
    source: str
    """The picture's full path."""
    reason: str
    """A stable code, see `optimizr.errors.Reason`."""
    message: str
    """What was expected, what came, and what to do where that is known."""
    stage: str
    """Where it failed: `list`, `fetch`, `probe`, `reserve`, `convert`, `store`."""
    input_bytes: int
    """Of the file as listed; 0 where that is not known."""
    duration_ms: float
    """Spent on it until it failed, without waiting."""
    attempts: int = 1
    """How many runs have tried this version of it, this one counted."""
    traceback: str | None = None
    """Only with `internal_error`, which is a mistake in optimizr."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSampled(Event):
    """The process looked at itself. Times and counts are those since the sample before."""

    name: ClassVar[str] = "run.sampled"

    rss_bytes: int
    """Resident memory of the process."""
    peak_rss_bytes: int
    """The kernel's high-water mark of the process so far."""
    system_bytes: int
    """What the cgroup is charged, page cache included; without one, virtual memory."""
    cpu_user_ms: float
    """CPU time of the process in user mode."""
    cpu_system_ms: float
    """CPU time of the process in the kernel."""
    gc_runs: int
    """Collections of Python's garbage collector."""
    gc_pause_ms: float
    """All their pauses together."""
    gc_pause_max_ms: float
    """The longest of them."""
    worker_ms: float = 0.0
    """Time of all workers together."""
    source_wait_ms: float
    """Workers' time spent waiting for the next picture, summed over workers."""
    memory_wait_ms: float
    """Workers' time spent waiting for bytes of the memory budget."""
    slot_wait_ms: float
    """Workers' time spent waiting for a CPU slot."""
    ignored_files: int
    """Files that are not pictures by their name, and links that are not followed."""
    in_flight: int
    """Pictures being worked on just now."""
    workers: int = 0
    """Pictures that may be worked on at once just now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunProgress(Event):
    """How far the run is, with its whole mergeable state."""

    name: ClassVar[str] = "run.progress"

    total_files: int
    """Pictures that came to an end so far."""
    failed_files: int
    """Those that failed."""
    input_bytes: int
    """Of the pictures converted."""
    output_bytes: int
    """Of their WebPs."""
    state: dict[str, Any] = field(default_factory=dict)
    """The summary so far; see `optimizr.summary`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFinished(Event):
    """The run ends, with its whole mergeable state."""

    name: ClassVar[str] = "run.finished"

    exit_code: int
    """What the process ends with."""
    interrupted: bool
    """Ended before all pictures were done."""
    cause: str | None = None
    """Why it ended early: `SIGINT`, `SIGTERM`, `disk_full` ...; null if it did not."""
    message: str | None = None
    """The same as a sentence that says what to do."""
    abandoned_files: int
    """Pictures in flight when patience (`limits.drain`) ended; they are left undone."""
    state: dict[str, Any] = field(default_factory=dict)
    """The summary of the whole run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunWarned(Event):
    """Something that a library or Python had to say; the run goes on."""

    name: ClassVar[str] = "run.warned"
    level: ClassVar[str] = "warning"

    origin: str
    """Whose word it is, by the name of its logger: `pyvips` speaks for libvips."""
    message: str
    """As it was said first; later ones may differ in their numbers."""
    repeated: int = 1
    """How often the like was said since it was told last."""
    traceback: str | None = None
    """Of the error that it is about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCrashed(Event):
    """A mistake in optimizr, or in a reader of its events, ended the run or a thread of it."""

    name: ClassVar[str] = "run.crashed"
    level: ClassVar[str] = "critical"

    message: str
    """The error, and that it should be reported."""
    traceback: str
    """Where it happened."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPlanned(Event):
    """What a run would do; the only event of `--dry-run`."""

    name: ClassVar[str] = "run.planned"

    total_files: int
    """Pictures by their names."""
    skipped_files: int
    """Of these, those that are up to date or to be left as they are."""
    ignored_files: int
    """Files that are not pictures by their name, and links that are not followed."""
    input_bytes: int
    """Of the pictures that would be converted."""
    sampled_files: int
    """Pictures converted for the estimate, into nothing."""
    sampled_failures: int
    """Of these, those that failed."""
    estimated_output_bytes: int
    """Of all WebPs, by the sample's ratio."""
    estimated_seconds: float
    """Of the whole run, by the sample's time a byte."""
    interrupted: bool
    """Stopped before all pictures were counted."""


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


def new_run_id() -> str:
    """Name a run by its start in UTC, and six hex digits in case two start together."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"


def milliseconds(seconds: float) -> float:
    """Round to whole microseconds, in milliseconds."""
    return round(seconds * 1000, 3)


def microseconds(ms: float) -> int:
    """Give back the whole microseconds of what `milliseconds` made."""
    return round(ms * 1000)
