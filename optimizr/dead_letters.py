"""The originals of pictures that failed, copied to where somebody will look at them."""

from __future__ import annotations

from optimizr.errors import PictureError, Reason, Stage
from optimizr.source import Item
from optimizr.store.local import LocalStore

_CANNOT_BE_READ = (Reason.UNREADABLE, Reason.NOT_FOUND)


class DeadLetters:
    """Copies from one store to another, each original under its own key."""

    def __init__(self, source: LocalStore, target: LocalStore) -> None:
        self._source = source
        self._target = target

    def __call__(self, item: Item, error: PictureError) -> PictureError:
        """Copy an original, if it is the one to blame and can be read.

        Gives the error, which says so if the copy fails. Raises EnvironmentStop.
        """
        if error.stage in (Stage.LIST, Stage.STORE) or error.reason in _CANNOT_BE_READ:
            return error
        try:
            self._target.put_file(item.key, self._source.path(item.key))
        except PictureError as lost:
            message = f"{error.message}; not copied to dead_letter: {lost.message}"
            return PictureError(error.stage, error.reason, message)
        return error
