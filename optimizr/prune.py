"""WebPs that no picture has any more: their sources are gone, or have outputs of other names now.

Only what the ledger knows is looked at, so nothing that optimizr did not make is ever removed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from optimizr import inputs, outputs
from optimizr.books import lock_of
from optimizr.config import Settings
from optimizr.errors import ConfigError, EnvironmentStop, PictureError, Reason
from optimizr.ledger.ledger import Ledger
from optimizr.ledger.others import absorb, has_others
from optimizr.outputs import Shelf
from optimizr.pool import Stop
from optimizr.sections import ShardSettings
from optimizr.source import Source
from optimizr.store import Standing, Store
from optimizr.store.local import LocalStore
from optimizr.store.open import Remote


class Orphan(NamedTuple):
    """An output without a picture."""

    path: str
    """Full path, as text."""
    size: int
    """Bytes."""
    is_ours: bool
    """False if somebody has written to it since, or it cannot be removed; it is left alone then."""


def prune(settings: Settings, remove: bool, stop: Stop) -> Iterator[Orphan]:
    """Yield the outputs that have no picture, and with `remove` remove those that are ours.

    Raises ConfigError if the input has no picture at all, as when its volume is not mounted, if
    there is no ledger, or if a run is at work; EnvironmentStop if the world cannot go on.
    """
    whole = ShardSettings(index=0, count=1)  # what all of them made
    settings = settings.model_copy(update={"shard": whole})
    store, source = inputs.open_input(settings)
    output = outputs.open_output(settings)
    shelf = _check(settings, source, output)
    with (
        lock_of(shelf, stop) as lock,
        Ledger(shelf.own, settings, encoder="", died=lock.died) as ledger,
    ):
        absorb(ledger, shelf.top, 1, settings, source.shard.has, lambda: stop.requested)
        here = store.identity(b"")
        for made, key, size in ledger.outputs():
            if stop.requested:
                return
            if not _is_orphan(ledger, store, made, key):
                continue
            if not isinstance(store, LocalStore):
                store.check("input")  # what is missing in a bucket that has gone is no orphan
            if store.identity(b"") != here:
                raise EnvironmentStop(
                    "input_gone",
                    f"input {settings.input!r}: it is another directory than at the start, or "
                    "gone; bring it back and run the same command again",
                )
            standing = _standing(output, made)
            is_same = _is_same(output, standing, size)
            is_ours = is_same and output.identity(made) != store.identity(key)
            if remove and is_ours:
                is_ours = _remove(output, made)
            if remove and (is_ours or standing is None):
                ledger.forget_output(made, key)
            if standing is not None:
                yield Orphan(output.full_path(made), standing.size, is_ours)


def _check(settings: Settings, source: Source, output: LocalStore | Remote) -> Shelf:
    if not source.is_whole:
        raise ConfigError(
            f"input: expected the directory that the outputs were made from, got {settings.input!r}"
        )
    shelf = outputs.shelf_of(settings, output)
    if shelf is None:
        raise ConfigError(
            "ledger: expected the one of the runs that made the outputs, got none; pass --ledger"
        )
    if not has_others(shelf.top, None):
        raise ConfigError(
            f"output: expected a ledger in {settings.output!r}, got none; no run has been here"
        )
    if next(iter(source), None) is None:
        raise ConfigError(
            f"input: expected pictures in {settings.input!r}, got none; is its volume mounted? "
            "To be rid of all outputs, remove their directory"
        )
    return shelf


def _remove(output: LocalStore | Remote, made: bytes) -> bool:
    """Remove an output; False if it cannot be."""
    try:
        output.remove(made)
    except PictureError:
        return False
    return True


def _standing(output: LocalStore | Remote, made: bytes) -> Standing | None:
    try:
        return output.find(made)
    except PictureError:  # something that is no file, so it is none of ours
        return None


def _is_same(output: LocalStore | Remote, standing: Standing | None, size: int) -> bool:
    """Tell whether what stands there is what was made; somebody else's may be as large."""
    if standing is None or standing.size != size:
        return False
    return standing.label is not None or not output.keeps_labels


def _is_orphan(ledger: Ledger, store: Store, made: bytes, key: bytes) -> bool:
    known = ledger.find(key)
    if known is not None and known.attempts == 0 and known.output != made:
        return True
    try:
        store.head(key)
    except PictureError as error:
        return error.reason is Reason.NOT_FOUND
    return False
