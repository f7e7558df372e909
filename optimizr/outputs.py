"""From what `output` names to the store that WebPs are written to, and what vouches for them."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import NamedTuple

from optimizr.config import Settings
from optimizr.errors import ConfigError
from optimizr.seals import Seals
from optimizr.source import Source
from optimizr.source.bucket import Bucket
from optimizr.source.queue import Queued
from optimizr.store import OWN_FOLDER, UNSURE, Standing
from optimizr.store.alongside import Alongside
from optimizr.store.local import LocalStore
from optimizr.store.open import Remote, open_place
from optimizr.store.place import BUCKETS, WEB, parse
from optimizr.store.sync import by_name


def open_output(settings: Settings) -> LocalStore | Remote:
    """Give the store that WebPs are written to; nothing is made or touched yet.

    Raises ConfigError if `output` is not a directory and could not become one, nor a bucket.
    """
    place = parse("output", settings.output)
    if place is not None:
        if place.scheme in WEB:
            raise ConfigError(
                f"output: expected a directory or a bucket, got {place.url!r}; a web server is "
                "only read from"
            )
        if settings.publish.presign is not None and place.scheme not in BUCKETS:
            raise ConfigError(
                f"publish.presign: expected an output in a bucket of a cloud, got {place.url!r}"
            )
        return open_place(place, settings.store, settings.publish)
    for_buckets = {"ledger": settings.ledger, "publish.presign": settings.publish.presign}
    for setting, value in for_buckets.items():
        if value is not None:
            raise ConfigError(
                f"{setting}: expected none, since {settings.output!r} is a directory; it is for "
                "outputs in a bucket"
            )
    path = settings.output
    if path.startswith("@"):
        raise ConfigError(f"output: expected a directory or a bucket, got the list {path!r}")
    if os.path.lexists(path) and not os.path.isdir(path):
        raise ConfigError(
            f"output: expected a directory, got {path!r}, which is a file; name another"
        )
    own = os.path.join(OWN_FOLDER, os.fsencode(settings.shard.name)).rstrip(b"/")
    return LocalStore(path, own=own, sync=by_name(settings.store.fsync))


class Shelf(NamedTuple):
    """Where ledgers are, on this machine."""

    top: bytes
    """Of all shards."""
    own: bytes
    """Of this one."""


def shelf_of(settings: Settings, output: LocalStore | Remote) -> Shelf | None:
    """Tell where the ledger of an output is; None if it has none. Raises ConfigError."""
    if isinstance(output, LocalStore):
        return Shelf(output.path(OWN_FOLDER), output.own)
    if settings.ledger is None:
        return None
    top = os.path.abspath(os.fsencode(settings.ledger))
    return Shelf(top, os.path.join(top, os.fsencode(settings.shard.name)).rstrip(b"/"))


def lookup(source: Source, output: LocalStore | Remote) -> Callable[[bytes], Standing | None]:
    """Give what tells, without waiting, what stands in an output: UNSURE where it would have to.

    Of two buckets the listings are compared. An output that is empty has nothing to tell, unless
    pictures may come again.
    """
    if isinstance(output, LocalStore):
        return output.find
    if isinstance(source, Bucket) and source.is_whole:
        return Alongside(output.objects()).find
    if not isinstance(source, Queued) and next(output.objects(), None) is None:
        return lambda _key: None
    return lambda _key: UNSURE


def open_seals(settings: Settings, source: Source, output: LocalStore | Remote) -> Seals | None:
    """Give what vouches for outputs of two buckets without a ledger; None for all else.

    Raises EnvironmentStop.
    """
    are_listed = isinstance(source, Bucket) and source.is_whole
    if isinstance(output, LocalStore) or settings.ledger is not None or not are_listed:
        return None
    return Seals(output, settings)
