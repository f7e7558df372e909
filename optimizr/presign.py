"""Signed URLs of outputs that are there already, without a run: for `optimizr presign`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import NamedTuple

from optimizr import inputs, outputs
from optimizr.books import named
from optimizr.config import Settings
from optimizr.errors import Cancelled, ConfigError
from optimizr.keys import to_text
from optimizr.pool import Pool, Stop
from optimizr.publish import MANIFEST_NAME, Manifest
from optimizr.source import Item, Source
from optimizr.store import UNSURE, Standing
from optimizr.store.bucket import BucketStore

DEFAULT = timedelta(days=7)
"""For how long, unless `publish.presign` says so: as long as S3 and Google Cloud allow."""
_AT_ONCE = 16
"""Outputs that are asked for at once, where listings do not tell."""


class Signed(NamedTuple):
    """What came of it."""

    path: str
    """Where the manifest is."""
    outputs: int
    """How many URLs it has."""
    missing: int
    """Pictures that have no output."""


class _Output(NamedTuple):
    """What stands for a picture."""

    key: bytes
    output: bytes
    size: int
    """Bytes."""


def presign(settings: Settings, stop: Stop) -> Signed:
    """Sign the output of each picture of the input that has one.

    Raises ConfigError if the output is in no bucket, EnvironmentStop and PictureError if a store
    does not do its part, Cancelled if `stop` is requested: then no manifest is written.
    """
    store, source = inputs.open_input(settings)
    output = outputs.open_output(settings)
    if not isinstance(output, BucketStore):
        raise ConfigError(
            f"output: expected a bucket (s3://, gs:// or az://), got {settings.output!r}; only "
            "what is in one has signed URLs"
        )
    output.check("output")
    has_copies = settings.policy.if_larger == "copy" and store.identity(b"") != output.identity(b"")

    def keys_of(item: Item) -> list[bytes]:
        if not item.output:
            return []  # a line of a list that cannot be used
        return [item.key, item.output] if has_copies else [item.output]

    with Manifest(store, output, settings.publish.presign or DEFAULT) as manifest:
        find = outputs.lookup(source, output)
        missing = _gather(manifest, source, find, keys_of, output, stop)
        path = manifest.write(named(MANIFEST_NAME, settings.shard.name), settings.publish.manifest)
        return Signed(path, manifest.count, missing)


def _gather(
    manifest: Manifest,
    source: Source,
    find: Callable[[bytes], Standing | None],
    keys_of: Callable[[Item], list[bytes]],
    output: BucketStore,
    stop: Stop,
) -> int:
    """Gather the outputs that there are; give how many there are not."""
    # Looked up by one worker at a time, as listings are.
    listed = ((item, [(key, find(key)) for key in keys_of(item)]) for item in source)

    def standing_of(found: tuple[Item, list[tuple[bytes, Standing | None]]]) -> _Output | None:
        item, maybe = found
        for key, standing in maybe:
            standing = output.find(key) if standing is UNSURE else standing
            if standing is not None:
                return _Output(item.key, key, standing.size)
        return None

    missing = 0
    for results in Pool(standing_of, _AT_ONCE).run(listed, stop, 0.0):
        for result in results:
            if isinstance(result, Exception):
                stop.halt(result)
                continue
            if result is None:
                missing += 1
            else:
                manifest.add(to_text(result.key), to_text(result.output), result.size)
    if stop.requested:
        raise stop.error or Cancelled
    return missing
