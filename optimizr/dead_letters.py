"""The originals of pictures that failed, copied to where somebody will look at them."""

from __future__ import annotations

import errno
import os

from optimizr.budget import Budget, OverBudget
from optimizr.config import Settings
from optimizr.errors import ConfigError, PictureError, Reason, Stage
from optimizr.source import Item
from optimizr.store.local import LocalStore
from optimizr.store.open import Remote, open_place
from optimizr.store.place import WEB, parse
from optimizr.units import format_size

_CANNOT_BE_READ = (Reason.UNREADABLE, Reason.NOT_FOUND)


class DeadLetters:
    """Copies from one store to another, each original under its own key."""

    def __init__(
        self, source: LocalStore | Remote, target: LocalStore | Remote, fetched: Budget
    ) -> None:
        """Draw on `fetched` for what has to go through memory."""
        self._source = source
        self._target = target
        self._fetched = fetched

    def __call__(self, item: Item, error: PictureError) -> PictureError:
        """Copy an original, if it is the one to blame and can be read.

        Gives the error, which says so if the copy fails. Raises EnvironmentStop.
        """
        if error.stage in (Stage.LIST, Stage.STORE) or error.reason in _CANNOT_BE_READ:
            return error
        try:
            self._copy(item)
        except (PictureError, OverBudget) as lost:
            message = f"{error.message}; not copied to dead_letter: {_why(lost, item)}"
            return PictureError(error.stage, error.reason, message)
        return error

    def _copy(self, item: Item) -> None:
        source, target = self._source, self._target
        if isinstance(source, LocalStore) and isinstance(target, LocalStore):
            target.put_file(item.key, source.path(item.key))
            return
        with self._fetched.hold(item.size):
            data, _ = source.get(item.key, item.version)
            target.put(item.key, data)


def _why(lost: PictureError | OverBudget, item: Item) -> str:
    if isinstance(lost, PictureError):
        return lost.message
    return f"its {format_size(item.size)} go through memory, which has {format_size(lost.total)}"


def open_dead_letters(
    settings: Settings, source: LocalStore | Remote, output: LocalStore | Remote, fetched: Budget
) -> DeadLetters | None:
    """Give what copies the originals of failed pictures, if it is asked for.

    Raises ConfigError if it cannot be written to, or if it is the input or the output.
    """
    if settings.dead_letter is None:
        return None
    place = parse("dead_letter", settings.dead_letter)
    if place is None:
        return DeadLetters(source, _folder(settings.dead_letter, source, output), fetched)
    taken = [store.place for store in (source, output) if not isinstance(store, LocalStore)]
    if place.scheme in WEB or any(place.contains(other) for other in taken):
        raise ConfigError(
            "dead_letter: expected a place in a bucket that neither is nor holds the input or the "
            f"output, since a copy there could replace a picture, got {place.url!r}; name another"
        )
    target = open_place(place, settings.store, settings.publish)
    target.prepare()
    return DeadLetters(source, target, fetched)


def _folder(path: str, source: LocalStore | Remote, output: LocalStore | Remote) -> LocalStore:
    for store, whose in ((source, "input"), (output, "output")):
        if isinstance(store, LocalStore) and _are_same(path, store.path(b"")):
            raise ConfigError(
                f"dead_letter: expected another directory than the {whose}, got {path!r}; "
                "name another"
            )
    try:
        os.makedirs(path, exist_ok=True)
        if not os.access(path, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise ConfigError(
            f"dead_letter: expected a directory that can be written to, got {path!r} "
            f"({error.strerror}); name another"
        ) from None
    if isinstance(output, LocalStore):
        # What a killed run leaves half written is swept where the output's temporary files are.
        return LocalStore(path, own=output.own)
    folder = LocalStore(path)
    folder.prepare()
    folder.sweep()
    return folder


def _are_same(path: str, taken: bytes) -> bool:
    return os.path.realpath(os.fsencode(path)) == os.path.realpath(taken)
