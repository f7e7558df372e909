"""From the URL of a queue to the pictures that its messages tell of."""

from __future__ import annotations

import os

from optimizr.config import Settings
from optimizr.errors import ConfigError
from optimizr.inputs import check_names, checked_root, open_folder, open_remote
from optimizr.pool import Stop
from optimizr.queue.address import is_queue
from optimizr.queue.open import open_queue
from optimizr.queue.patient import PatientQueue
from optimizr.source.queue import Queued
from optimizr.source.root import Root
from optimizr.store.local import LocalStore
from optimizr.store.open import Remote
from optimizr.store.place import parse


def open_queued(settings: Settings, stop: Stop) -> tuple[LocalStore | Remote, Queued]:
    """Give the store that messages are about, and the stream of pictures.

    Raises ConfigError if `input` is no queue that can be used, `root` nothing that can be read, or
    other settings do not go with a queue; EnvironmentStop if a service does not answer, and
    Cancelled if `stop` is requested while it is waited for.
    """
    if settings.root is None:
        raise ConfigError(
            "root: expected a directory or a bucket's URL, such as s3://BUCKET, that all pictures "
            "are in that messages tell of, got none"
        )
    if settings.shard.count > 1:
        raise ConfigError(
            f"shard.count: expected 1 with a queue, got {settings.shard.count}; workers of a queue "
            "share its messages as they come"
        )
    check_names(settings)
    store = _open_root(settings, settings.root)
    queue = open_patient("input", settings.input, settings, stop)
    dead_letter, dead_letters = settings.queue.dead_letter, None
    if dead_letter is not None:
        dead_letters = open_patient("queue.dead_letter", dead_letter, settings, stop)
    root = Root.given(settings.root)
    source = Queued(*(queue, dead_letters, root, store, settings.picture.formats, settings.queue))
    return store, source


def _open_root(settings: Settings, root: str) -> LocalStore | Remote:
    place = parse("root", root)
    if place is None:
        return open_folder(settings, os.path.abspath(checked_root(root)))
    store = open_remote(settings, place)
    store.check("root")
    return store


def open_patient(setting: str, url: str, settings: Settings, stop: Stop) -> PatientQueue:
    """Give a queue that is there. Raises ConfigError, EnvironmentStop if it does not answer.

    Raises Cancelled if `stop` is requested meanwhile.
    """
    if not is_queue(url):
        raise ConfigError(f"{setting}: expected the URL of a queue; see docs/queues.md")
    give_up = settings.queue.give_up_after.total_seconds()
    queue = PatientQueue(open_queue(setting, url, settings.queue), give_up)
    queue.check(setting, lambda: stop.requested)
    return queue
