"""The walk of a directory tree: lazy, in a stable order, and safe from links.

Symlinks are followed where they stay below the root and do not lead back to a directory that the
walk is in. Inside a folder that was entered through a link, links to folders are not followed:
folders that link to each other would multiply without bound, and what is there is found on its own
way too.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from optimizr.errors import PictureError, Reason, Stage
from optimizr.store import OWN_FOLDER, Folder
from optimizr.store.retry import retried


def walk(root: bytes, leave_out: Iterable[bytes] = (), below: bytes = b"") -> Iterator[Folder]:
    """Yield each directory, depth first and sorted by bytes; one is in memory at once.

    The directories `leave_out` are passed over with all below them, unless one is the root. With
    `below`, the walk begins at that key.
    """
    real_root = os.path.realpath(root)
    left_out = {_identity(path) for path in leave_out if os.path.isdir(path)}
    pending = [_Place(below, _above(root, below), False)]
    while pending:
        place = pending.pop()
        path = os.path.join(root, place.key)
        try:
            here = _identity(path)
            if here in left_out and place.key:
                continue
            place = place._replace(above=place.above | {here})
            found = _scan(path, real_root, place)
        except OSError as error:
            yield Folder(place.key, [], problem=_folder_error(error))
            continue
        webp_folders = [name for name, _ in found.folders if name.lower().endswith(b".webp")]
        yield Folder(place.key, found.files, webp_folders, found.ignored)
        prefix = place.key + b"/" if place.key else b""
        pending += [
            _Place(prefix + name, place.above, place.linked or linked)
            for name, linked in reversed(found.folders)
        ]


def _above(root: bytes, key: bytes) -> frozenset[tuple[int, int]]:
    """Tell apart the directories from the root down to the one that holds `key`."""
    parts = key.split(b"/")[:-1] if key else []
    paths = [os.path.join(root, *parts[:depth]) for depth in range(len(parts) + 1)] if key else []
    return frozenset(_identity(path) for path in paths if os.path.isdir(path))


def _identity(path: bytes) -> tuple[int, int]:
    status = os.stat(path)
    return status.st_dev, status.st_ino


class _Place(NamedTuple):
    """Where the walk is: a folder, those above it by (device, inode), and how it was entered."""

    key: bytes
    above: frozenset[tuple[int, int]]
    linked: bool


class _Found(NamedTuple):
    files: list[bytes]
    folders: list[tuple[bytes, bool]]
    """Name, and whether it is a link."""
    ignored: int


@retried
def _scan(path: bytes, real_root: bytes, place: _Place) -> _Found:
    """Sort a directory's entries into files, subdirectories, and a count of what is neither."""
    files: list[bytes] = []
    folders: list[tuple[bytes, bool]] = []
    ignored = 0
    with os.scandir(path) as entries:
        for entry in entries:
            linked = entry.is_symlink()
            if linked and not _may_follow(entry, real_root, place):
                ignored += 1
            elif _is_folder(entry):
                if entry.name != OWN_FOLDER:
                    folders.append((entry.name, linked))
            elif linked or entry.is_file():
                files.append(entry.name)  # also a link to nothing: reading it says so
            else:
                ignored += 1
    return _Found(sorted(files), sorted(folders), ignored)


def _is_folder(entry: os.DirEntry[bytes]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link into what may not be looked at
        return False


def _may_follow(entry: os.DirEntry[bytes], real_root: bytes, place: _Place) -> bool:
    """Tell whether a symlink stays below the root, is no second one, and does not lead back up."""
    target = os.path.realpath(entry.path)
    if os.path.commonpath([target, real_root]) != real_root:
        return False
    try:
        status = os.stat(target)
    except OSError as error:
        return error.errno != errno.ELOOP
    if not stat.S_ISDIR(status.st_mode):
        return True
    return not place.linked and (status.st_dev, status.st_ino) not in place.above


def _folder_error(error: OSError) -> PictureError:
    if error.errno == errno.ENOENT:
        return PictureError(
            Stage.LIST,
            Reason.NOT_FOUND,
            "expected a folder that was listed, got none: it is gone since; bring it back",
        )
    return PictureError(
        Stage.LIST,
        Reason.FOLDER_UNREADABLE,
        f"expected a folder that can be listed, got: {error.strerror}; mend its permissions or "
        "its disk, its pictures are not done",
    )
