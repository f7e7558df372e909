"""The sections of the settings: each setting's name, default, range, and what it is for."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Self

from pydantic import (
    BaseModel,
    ByteSize,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from optimizr.units import Duration, MaxFailed, Size
from optimizr.values import (
    Address,
    Auto,
    Fsync,
    HeaderValue,
    IfLarger,
    LogFormat,
    LogImages,
    LogLevel,
    Naming,
    Overwrite,
    Path,
    Url,
)


class Section(BaseModel):
    """A group of settings; unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    @field_validator("*", mode="before")
    @classmethod
    def _tell_numbers_from_booleans(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuse `quality: true`, which Python would read as 1."""
        kind = cls.model_fields[info.field_name or ""].annotation
        if isinstance(value, bool) and kind is not bool:
            raise ValueError("a value other than true or false")
        return value


class PolicySettings(Section):
    """What is done in the cases where people differ."""

    naming: Naming = "replace"
    """`replace` turns a.jpg into a.webp (a.jpg.webp where that would clash), `append` into
    a.jpg.webp always."""
    if_larger: IfLarger = "keep"
    """What becomes of a WebP that is not smaller than its original: `keep` writes it anyway, `skip`
    leaves no output, `copy` puts the original under its own name."""
    overwrite: Overwrite = "changed"
    """What becomes of a file that stands at an output's name: `changed` replaces it if optimizr
    made it and its picture or the settings have changed, and fails if somebody else made it;
    `always` replaces that too; `never` leaves whatever stands there, and counts the picture as
    skipped."""
    max_failed: MaxFailed = 0
    """How many pictures may fail before the exit code says so: a count, or a percentage of all
    pictures such as `1%`."""

    def tolerates(self, failed: int, total: int) -> bool:
        """Tell whether `failed` pictures of `total` are no more than `max_failed` allows."""
        if isinstance(self.max_failed, str):
            return failed * 100 <= float(self.max_failed.removesuffix("%")) * total
        return failed <= self.max_failed


class PoolSettings(Section):
    """How much is done at once."""

    workers: Annotated[int, Field(ge=1, le=1024)] | Auto = "auto"
    """Pictures in flight at once; `auto` begins with as many as CPU slots, adds while they stand
    idle for want of pictures that are read, and takes back what does not help."""
    cpus: Annotated[int, Field(ge=1, le=1024)] | Auto = "auto"
    """CPU slots: pictures decoded and encoded at once; `auto` is the CPUs that the affinity mask
    and the cgroup quota leave."""
    memory: Size | Auto = "auto"
    """Ceiling for the memory of the whole process, such as 512MB or 512MiB; `auto` is 85% of the
    cgroup's limit, else 70% of what is available."""


class LimitSettings(Section):
    """Where patience ends."""

    max_pixels: int = Field(default=16383 * 16383, ge=1)
    """Pixels of a picture, all frames together; larger ones are refused by their header."""
    max_file_size: Size = ByteSize(1 << 30)
    """Bytes of a picture's file; larger ones are not read."""
    timeout: Duration = Field(default=timedelta(minutes=5), gt=timedelta())
    """How long decoding and encoding one picture may take."""
    drain: Duration = timedelta(seconds=20)
    """How long pictures in flight may take to finish after the first SIGINT or SIGTERM."""


class StoreSettings(Section):
    """How pictures are read and outputs are written."""

    fsync: Fsync = "file"
    """When an output is safe from a power cut: `file` syncs each before it gets its name; `batch`
    promises the same and syncs the whole file system once for all workers that wait, which slow
    disks like; `none` leaves it to the system: after a power cut outputs may be torn."""
    endpoint: Url | None = None
    """Where a store that speaks S3 is reached, such as `https://minio.example:9000`; for `s3://`.
    Buckets then stand in the path."""
    timeout: Duration = Field(default=timedelta(seconds=30), ge=timedelta(milliseconds=100))
    """How long a bucket may be silent within a request until it is asked again."""
    give_up_after: Duration = Field(default=timedelta(minutes=5), gt=timedelta())
    """How long a bucket may answer nothing at all until the run ends, to be taken up later."""


class QueueSettings(Section):
    """How messages are taken from a queue, if `input` is one."""

    lease: Duration = Field(
        default=timedelta(seconds=60), ge=timedelta(seconds=2), le=timedelta(minutes=10)
    )
    """How long a message is kept from other workers once this one is gone; while it lives it
    extends that. RabbitMQ sees for itself that a worker is gone."""
    idle_exit: Duration | None = Field(default=None, gt=timedelta())
    """How long the queue may be empty until the run ends; unset, it waits on for more."""
    retry_after: Duration = Field(default=timedelta(seconds=30), le=timedelta(minutes=10))
    """When a picture comes again that failed in passing, as by a store that is busy."""
    max_deliveries: int = Field(default=5, ge=1)
    """How often a message may come until a failure in passing is one for good."""
    dead_letter: Path | None = None
    """A queue for messages that cannot be read, or of which a picture fails for good, by a URL of
    the same forms as `input`; without one they are in `failed.jsonl` only."""
    give_up_after: Duration = Field(default=timedelta(minutes=5), gt=timedelta())
    """How long the queue's service may answer nothing at all until the run ends."""


class PublishSettings(Section):
    """How outputs are given to those who look at them."""

    cache_control: HeaderValue | None = None
    """The `Cache-Control` of outputs in a bucket, such as `public, max-age=31536000`."""
    base_url: Url | None = None
    """What the output is served as; with it, events name each output's `output_url`."""
    presign: Duration | None = Field(default=None, gt=timedelta(), le=timedelta(days=7))
    """For how long signed URLs of all outputs are valid, at most `7d`, in `manifest.jsonl`; none
    are made unless it is set. They are credentials."""
    manifest: Path | None = None
    """A file on this machine for them, readable by its owner alone; by default they go to
    `manifest.jsonl` in the output."""


class ShardSettings(Section):
    """Which part of the pictures this run does; the shards of one `count` share an output."""

    index: int = Field(default=0, ge=0)
    """This run's place among the shards, from 0; in a pod of a Kubernetes Indexed Job it is the
    pod's, by `JOB_COMPLETION_INDEX`, unless it is set."""
    count: int = Field(default=1, ge=1, le=99_999)
    """How many runs share the pictures; a hash of its key says whose each is."""

    @model_validator(mode="after")
    def _check_index(self) -> Self:
        if self.index >= self.count:
            raise ValueError(f"an index below the count of {self.count}")
        return self

    @property
    def name(self) -> str:
        """Of this shard's files, as `3-of-10`; empty if there is but one."""
        return f"{self.index}-of-{self.count}" if self.count > 1 else ""


class MonitorSettings(Section):
    """How closely the process watches itself."""

    interval: Duration = Field(default=timedelta(seconds=30), ge=timedelta(milliseconds=100))
    """Time, 100ms or more, between two samples of memory, CPU and garbage collection; the first
    minute has some more, and one is taken at the end."""


class LogSettings(Section):
    """What is told while it runs."""

    format: LogFormat = "auto"
    """`json` writes events to stdout, one JSON object a line; `console` shows a progress bar and a
    report; `auto` is console on a terminal, else json."""
    level: LogLevel = "info"
    """The least important event that is logged."""
    images: LogImages = "all"
    """Which pictures get a log line each: `all`, `failed` or `none`; failures always do."""
    file: Path | None = None
    """A file that the events are appended to as well, one JSON object a line."""


class ReportSettings(Section):
    """The report that a run leaves in its output."""

    html: bool = True
    """Whether `report.html` is written beside `summary.json`: one page that needs no network."""
    gallery: int = Field(default=12, ge=0, le=48)
    """How many pictures the page shows beside their WebPs: of the worst looks (with
    `webp.target_look`, else by PSNR), and of the best, the median and the worst savings; 0 for
    none."""


class TelemetrySettings(Section):
    """What is told to those who watch."""

    http: Address | None = None
    """Where `/metrics`, `/health` and `/ready` are served, such as `0.0.0.0:9464`."""
    stall_after: Duration = Field(default=timedelta(minutes=10), gt=timedelta())
    """How long nothing may come to an end, though pictures are in work, until `/health` says that
    the run stalls; more than `limits.timeout`."""
    textfile: Path | None = None
    """A file that the metrics are written to at the end, for node_exporter's textfile collector."""
    pushgateway: Url | None = None
    """A Prometheus Pushgateway that the metrics are sent to at the end."""
    otlp: bool = False
    """Whether traces are sent by OTLP, as the standard `OTEL_` variables say (extra `otel`)."""
    trace_sample: float = Field(default=1.0, ge=0, le=1)
    """Which share of the pictures is traced, from 0 to 1."""
