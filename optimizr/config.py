"""Settings: everything that can be set, with its default, its range and what it is for.

With its sections, in `sections.py` and `picture_sections.py`, the only place where a default is
written. The flags, the environment variables, the JSON Schema and docs/settings.md are all derived
from the models. Later wins: config file, then environment, then flags. Below all of them is what
Kubernetes tells a pod.
"""

from __future__ import annotations

import os
from typing import Any

from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from optimizr.errors import ConfigError
from optimizr.picture_sections import PictureSettings, WebpSettings
from optimizr.redaction import redact
from optimizr.sections import (
    LimitSettings,
    LogSettings,
    MonitorSettings,
    PolicySettings,
    PoolSettings,
    PublishSettings,
    QueueSettings,
    ReportSettings,
    ShardSettings,
    StoreSettings,
    TelemetrySettings,
)
from optimizr.values import Path, RunId

ENV_PREFIX = "OPTIMIZR_"
ENV_DELIMITER = "__"
COMPLETION_INDEX = "JOB_COMPLETION_INDEX"
"""What Kubernetes tells each pod of an Indexed Job: its place, from 0."""


class CompletionIndex(InitSettingsSource):
    """Gives `shard.index` in a pod of an Indexed Job, unless somebody else does.

    Only where the pictures are shared out, by `shard.count`: the index alone says nothing.
    """

    def __init__(self, settings_cls: type[BaseSettings]) -> None:
        super().__init__(settings_cls, {})

    def __call__(self) -> dict[str, Any]:
        """Give what is told to this process. Raises ConfigError if it is no number."""
        index, shard = os.environ.get(COMPLETION_INDEX), self.current_state.get("shard", {})
        count = shard.get("count", 1) if isinstance(shard, dict) else 1
        if not index or str(count).strip() == "1" or "index" in shard:
            return {}
        if not (index.isascii() and index.isdecimal() and len(index) < 10):
            raise ConfigError(
                f"environment: expected {COMPLETION_INDEX} to be a number from 0, as Kubernetes "
                f"sets it, got {index!r}; unset it, or set shard.index"
            )
        return {"shard": {"index": int(index)}}


class Settings(BaseSettings):
    """All settings of a run; frozen once made.

    Made in code, it reads the environment too (`OPTIMIZR_WEBP__QUALITY=70`); what is given in
    code wins. Raises pydantic.ValidationError for a wrong value; the command line program turns
    that into one sentence.
    """

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX,
        env_nested_delimiter=ENV_DELIMITER,
        env_ignore_empty=True,
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
        title="optimizr settings",
    )

    input: Path
    """Where the pictures are: a directory, one file, a URL such as `s3://BUCKET/PREFIX` (also
    `gs://`, `az://`; `https://` for one picture), or `@LIST`, path or URL of a list: of paths or
    URLs, of an S3 Inventory, or of a `failed.jsonl` to try those again that failed."""
    output: Path
    """The directory that the WebPs go to, made if it is not there; or `s3://`, `gs://`, `az://`."""
    root: Path | None = None
    """What the keys of a list or of messages are below: a directory or a bucket's URL. Needed for a
    queue; a list's own lines may tell it."""
    ledger: Path | None = None
    """A directory on this machine for the ledger of an output in a bucket; without one, what is up
    to date is read from the outputs themselves."""
    dead_letter: Path | None = None
    """A directory, or a place in a bucket, that the originals of failed pictures are copied to."""
    run_id: RunId | None = None
    """What the run is called in events and reports: one name for all its shards, and for a pod that
    is started again, which then counts once. Unset, each run gets a name of its own; workers of a
    queue do so in any case, and theirs begin with this."""
    webp: WebpSettings = WebpSettings()
    picture: PictureSettings = PictureSettings()
    policy: PolicySettings = PolicySettings()
    pool: PoolSettings = PoolSettings()
    limits: LimitSettings = LimitSettings()
    store: StoreSettings = StoreSettings()
    queue: QueueSettings = QueueSettings()
    publish: PublishSettings = PublishSettings()
    shard: ShardSettings = ShardSettings()
    monitor: MonitorSettings = MonitorSettings()
    log: LogSettings = LogSettings()
    report: ReportSettings = ReportSettings()
    telemetry: TelemetrySettings = TelemetrySettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Leave out .env files and secret directories: nothing is read that was not named."""
        return init_settings, env_settings, CompletionIndex(settings_cls)

    def redacted(self) -> dict[str, Any]:
        """Dump the settings for events and reports, without userinfo and queries of URLs."""
        dumped: dict[str, Any] = redact(self.model_dump(mode="json"))
        return dumped
