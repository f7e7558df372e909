"""What becomes of the run itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from optimizr.events.base import Event


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
class RunSampled(Event):
    """The process looked at itself. Times and counts are those since the sample before."""

    name: ClassVar[str] = "run.sampled"

    rss_bytes: int
    """Resident memory of the process."""
    peak_rss_bytes: int
    """The kernel's high-water mark of the process so far."""
    system_bytes: int
    """What the cgroup is charged, page cache included; without one, virtual memory."""
    interval_ms: float = 0.0
    """Time since the sample before."""
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
