"""From what `input` names to the store that pictures are read from, and the stream of them."""

from __future__ import annotations

import os

from optimizr.config import Settings
from optimizr.errors import ConfigError, PictureError, Reason
from optimizr.lists import open_list, root_of
from optimizr.queue.address import is_queue
from optimizr.redaction import mask
from optimizr.source import Source
from optimizr.source.bucket import Bucket
from optimizr.source.listed import Listed, OfBucket, OfFolder
from optimizr.source.names import extensions, is_picture
from optimizr.source.retry import FailedList, Retry
from optimizr.source.root import Root
from optimizr.source.shard import WHOLE, Shard
from optimizr.source.tree import Tree
from optimizr.store.local import LocalStore
from optimizr.store.open import Remote, open_place
from optimizr.store.place import WEB, Place, parse


def open_input(settings: Settings) -> tuple[LocalStore | Remote, Source]:
    """Give the store that pictures are read from, and the stream of them.

    Raises ConfigError if `input` is nothing that can be read, EnvironmentStop if a bucket does not
    answer.
    """
    if is_queue(settings.input):
        raise ConfigError(
            "input: expected pictures that can be listed, got a queue; `optimizr run` takes "
            "messages, without --dry-run"
        )
    if settings.input.startswith("@"):
        return _open_list(settings, settings.input[1:])
    if settings.root is not None:
        raise ConfigError(
            f"root: expected none, since {mask(settings.input)!r} is neither a list nor a queue; "
            "it is what the keys of these are below"
        )
    place = parse("input", settings.input)
    if place is not None:
        return _open_bucket(settings, place)
    path = settings.input
    _check_readable(path)
    folder, only = os.path.abspath(path), None
    if not os.path.isdir(path):
        if not os.path.isfile(path):
            raise ConfigError(
                f"input: expected a directory or a file, got {path!r}, which is a device or a pipe"
            )
        folder, name = os.path.split(folder)
        only = os.fsencode(name)
    store = open_folder(settings, folder)
    return store, _tree(settings, store, only)


def _open_list(settings: Settings, name: str) -> tuple[LocalStore | Remote, Source]:
    listed = open_list(settings, name)
    shard = _shard(settings)
    if isinstance(listed, FailedList):
        folder = os.fsdecode(listed.root)
        place = parse("input", folder)
        if place is not None:
            bucket = open_remote(settings, place)
            among = OfBucket(Root.given(folder), bucket.contains)
            return bucket, Retry(listed, among, lambda _key: False, shard)
        _check_readable(folder)
        store = open_folder(settings, folder)
        return store, Retry(listed, _tree(settings, store), store.is_folder, shard)
    root, endings = root_of(settings, listed), extensions(settings.picture.formats)
    if shard.count > 1 and not settings.ledger and parse("output", settings.output):
        # Each shard reads a part of the list. One with a ledger knows its pictures by their keys.
        listed, shard = listed.of(shard), WHOLE
    place = parse("root", root.address)
    if place is not None:
        bucket = open_remote(settings, place)
        return bucket, Listed(listed, root, OfBucket(root, bucket.contains), endings, shard)
    store = open_folder(settings, checked_root(root.address))
    return store, Listed(listed, root, _named(settings, store), endings, shard)


def checked_root(path: str) -> str:
    """Give back `root`, if it is a directory. Raises ConfigError."""
    if not os.path.isdir(path):
        raise ConfigError(
            f"root: expected a directory, or a bucket's URL, got {path!r}, which is no directory; "
            "check the spelling, or that the volume is mounted"
        )
    return path


def _named(settings: Settings, store: LocalStore) -> Tree | OfFolder:
    """Name a list's outputs as a tree does only if it is asked for: a list shows no siblings."""
    policy = settings.policy
    if "naming" in policy.model_fields_set and policy.naming == "replace":
        return _tree(settings, store)
    _check_copies(settings)
    return OfFolder(store)


def _open_bucket(settings: Settings, place: Place) -> tuple[Remote, Source]:
    """Open a place in a bucket, or the one picture that a URL names."""
    formats = settings.picture.formats
    around, name = place.parent()
    only: bytes | None = None
    if place.scheme in WEB or is_picture(name.encode(), extensions(formats)):
        store = open_remote(settings, around)
        if place.scheme in WEB or _is_there(store, name.encode()):
            only = name.encode()
    if only is None:
        store = open_remote(settings, place)
        store.check("input")
    return store, Bucket(store, formats, only, _shard(settings))


def open_remote(settings: Settings, place: Place) -> Remote:
    """Give a place in a bucket to read from; nothing is asked of it yet. Raises ConfigError."""
    check_names(settings)
    _keep_places_apart(settings, place)
    ours = [parse("output", path) for path in (settings.output, settings.dead_letter) if path]
    leave_out = [other for other in ours if other is not None]
    return open_place(place, settings.store, settings.publish, leave_out)


def _is_there(store: Remote, key: bytes) -> bool:
    store.check("input")
    try:
        store.head(key)
    except PictureError as error:
        return error.reason is not Reason.NOT_FOUND
    return True


def open_folder(settings: Settings, folder: str) -> LocalStore:
    """Give a directory to read from. Raises ConfigError if it is the output, with webp read."""
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
            f"input: expected a directory or a file, got {mask(path)!r}, which does not exist; "
            "check the spelling, or that the volume is mounted"
        )
    if not os.access(path, os.R_OK):
        raise ConfigError(f"input: expected to read {path!r}, got: permission denied")


def check_names(settings: Settings) -> None:
    """Refuse what two pictures of a bucket could come into conflict by: siblings are not seen."""
    policy = settings.policy
    if "naming" in policy.model_fields_set and policy.naming == "replace":
        raise ConfigError(
            "policy.naming: expected append for pictures of a bucket, got replace; a.jpg and a.png "
            "would both become a.webp"
        )
    _check_copies(settings)


def _check_copies(settings: Settings) -> None:
    if settings.policy.if_larger == "copy" and "webp" in settings.picture.formats:
        raise ConfigError(
            "policy.if_larger: expected keep or skip for pictures of a bucket or a list with webp "
            "among picture.formats, got copy; the copy of a.jpg.webp would have the name of the "
            "WebP of a.jpg"
        )


def _keep_apart(settings: Settings, folder: str) -> None:
    """Refuse what would turn outputs into sources: each run would encode them once more.

    An output below the input is left out of the walk; here the two are one.
    """
    same = os.path.realpath(settings.output) == os.path.realpath(folder)
    if same and "webp" in settings.picture.formats:
        raise _one_place("directory", settings.output)


def _keep_places_apart(settings: Settings, place: Place) -> None:
    if parse("output", settings.output) == place and "webp" in settings.picture.formats:
        raise _one_place("place", place.url)


def _one_place(what: str, name: str) -> ConfigError:
    return ConfigError(
        f"output: expected another {what} than the input, got {name!r}; with webp among "
        "picture.formats, the WebPs in it would be sources of the next run"
    )
