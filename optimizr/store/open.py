"""From a URL to the store in a bucket; what it needs is imported only now."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from importlib import import_module

from optimizr.errors import ConfigError
from optimizr.sections import PublishSettings, StoreSettings
from optimizr.store.bucket import BucketStore
from optimizr.store.memory import MemoryStore
from optimizr.store.place import MEMORY, Place

Remote = BucketStore | MemoryStore

_MODULES = {
    "s3": ("s3", "s3"),
    "gs": ("gcs", "gcs"),
    "az": ("azure", "azure"),
    "http": ("web", "cloud"),
    "https": ("web", "cloud"),
}
"""By scheme: the module, and the extra that brings what it imports."""


def open_place(
    place: Place,
    settings: StoreSettings,
    publish: PublishSettings,
    leave_out: Iterable[Place] = (),
) -> Remote:
    """Give the store at a place; nothing is asked of it yet.

    Raises ConfigError if what it needs is not installed.
    """
    if place.scheme == MEMORY:
        return MemoryStore(place, leave_out)
    module, extra = _MODULES[place.scheme]
    try:
        connect = import_module(f"optimizr.store.cloud.{module}").connect
    except ImportError as error:
        raise ConfigError(
            f"expected what {place.url} needs to be installed, got: {error}; "
            f"pip install 'optimizr[{extra}]'"
        ) from None
    return BucketStore(place, partial(connect, place, settings), settings, publish, leave_out)
