"""From what `input` and `output` name to the source and the store that serve it.

The one place that knows every backend; the stages know only their protocols.
"""

from __future__ import annotations

import errno
import os

from optimizr.config import Settings
from optimizr.dead_letters import DeadLetters
from optimizr.errors import ConfigError
from optimizr.redaction import redact_url
from optimizr.source import Source
from optimizr.source.retry import FailedList, Retry
from optimizr.source.shard import Shard
from optimizr.source.tree import Tree
from optimizr.store.local import LocalStore
from optimizr.store.sync import by_name
from optimizr.store.walk import OWN_FOLDER


def open_input(settings: Settings) -> tuple[LocalStore, Source]:
    """Give the store that pictures are read from, and the stream of them.

    Raises ConfigError if `input` is not a directory, a file or a failed.jsonl that can be read.
    """
    if settings.input.startswith("@"):
        return _open_list(settings, settings.input[1:])
    path = _local("input", settings.input)
    _check_readable(path)
    folder, only = os.path.abspath(path), None
    if not os.path.isdir(path):
        if not os.path.isfile(path):
            raise ConfigError(
                f"input: expected a directory or a file, got {path!r}, which is a device or a pipe"
            )
        folder, name = os.path.split(folder)
        only = os.fsencode(name)
    store = _open_source(settings, folder)
    return store, _tree(settings, store, only)


def _open_list(settings: Settings, path: str) -> tuple[LocalStore, Source]:
    failed = FailedList(path)
    folder = os.fsdecode(failed.root or os.path.dirname(os.path.abspath(os.fsencode(path))))
    _check_readable(folder)
    store = _open_source(settings, folder)
    return store, Retry(failed, _tree(settings, store), store, _shard(settings))


def _open_source(settings: Settings, folder: str) -> LocalStore:
    _keep_apart(settings, folder)
    ours = (settings.output, settings.dead_letter)
    return LocalStore(folder, leave_out=[path for path in ours if path is not None])


def _tree(settings: Settings, store: LocalStore, only: bytes | None = None) -> Tree:
    return Tree(
        store,
        settings.policy.naming,
        settings.picture.formats,
        copies=settings.policy.if_larger == "copy",
        only=only,
        shard=_shard(settings),
    )


def _shard(settings: Settings) -> Shard:
    return Shard(settings.shard.index, settings.shard.count)


def _check_readable(path: str) -> None:
    if not os.path.exists(path):
        raise ConfigError(
            f"input: expected a directory or a file, got {path!r}, which does not exist; "
            "check the spelling, or that the volume is mounted"
        )
    if not os.access(path, os.R_OK):
        raise ConfigError(f"input: expected to read {path!r}, got: permission denied")


def open_output(settings: Settings) -> LocalStore:
    """Give the store that WebPs are written to; nothing is made or touched yet.

    Raises ConfigError if `output` is not a directory and could not become one.
    """
    path = _local("output", settings.output)
    if os.path.lexists(path) and not os.path.isdir(path):
        raise ConfigError(
            f"output: expected a directory, got {path!r}, which is a file; name another"
        )
    own = os.path.join(OWN_FOLDER, os.fsencode(settings.shard.name)).rstrip(b"/")
    return LocalStore(path, own=own, sync=by_name(settings.store.fsync))


def open_dead_letters(
    settings: Settings, source: LocalStore, output: LocalStore
) -> DeadLetters | None:
    """Give what copies the originals of failed pictures, if it is asked for.

    Raises ConfigError if it cannot be written to, or if it is the input.
    """
    if settings.dead_letter is None:
        return None
    path = _local("dead_letter", settings.dead_letter)
    for taken, whose in ((source.path(b""), "input"), (output.path(b""), "output")):
        if os.path.realpath(os.fsencode(path)) == os.path.realpath(taken):
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
    # What a killed run leaves half written is swept where the output's temporary files are.
    return DeadLetters(source, LocalStore(path, own=output.own))


def _keep_apart(settings: Settings, folder: str) -> None:
    """Refuse what would turn outputs into sources: each run would encode them once more.

    An output below the input is left out of the walk; here the two are one.
    """
    same = os.path.realpath(settings.output) == os.path.realpath(folder)
    if same and "webp" in settings.picture.formats:
        raise ConfigError(
            f"output: expected another directory than the input, got {settings.output!r}; with "
            "webp among picture.formats, the WebPs in it would be sources of the next run"
        )


def _local(setting: str, value: str) -> str:
    if "://" in value or value.startswith("@"):
        raise ConfigError(
            f"{setting}: expected a path on this machine, got {redact_url(value)!r}; "
            "this version reads and writes no buckets, queues or lists yet"
        )
    return value
