"""The store on a local (or mounted) file system.

A file is written under a short random name in `.optimizr/tmp/`, synced, and renamed into place,
so whoever looks sees the whole file or none, also after power fails. The folder is not synced:
should the rename be lost, the next run finds no output and makes it again.

Where part of the output lies on another file system, a rename cannot reach it. Then the temporary
file is made in the target's own folder, and a symlink in `.optimizr/tmp/` remembers it, so that
the next start sweeps it wherever it is.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Iterator

from optimizr import keys
from optimizr.errors import ConfigError, EnvironmentStop, PictureError, Reason, Stage
from optimizr.store import Folder, Head

OWN_FOLDER = b".optimizr"
"""Holds what optimizr keeps for itself in an output; never a source of pictures."""

_TMP_PREFIX = b"tmp-"

_STORE_IS_LOST = {
    errno.ENOSPC: ("disk_full", "the disk is full; make room and run the same command again"),
    errno.EDQUOT: ("disk_full", "the disk quota is used up; make room and run it again"),
    errno.EROFS: ("output_read_only", "the file system is read-only; mend it and run it again"),
    errno.EIO: ("output_io_error", "the device reports I/O errors; mend it and run it again"),
    errno.EMFILE: ("too_many_open_files", "too many files are open; raise `ulimit -n`"),
    errno.ENFILE: ("too_many_open_files", "the system has too many files open"),
}


class LocalStore:
    """A directory. `root` is made absolute; keys are paths below it."""

    def __init__(self, root: str) -> None:
        self._root = os.path.abspath(os.fsencode(root))
        self._tmp = os.path.join(self._root, OWN_FOLDER, b"tmp")

    def prepare(self) -> None:
        """Make the directory fit for writing, and sweep what a killed run left behind.

        Raises ConfigError if it cannot be a directory of ours, EnvironmentStop if the file
        system cannot take it now.
        """
        try:
            os.makedirs(self._tmp, exist_ok=True)
            self._sweep()
        except OSError as error:
            root = keys.to_text(self._root)
            if error.errno in _STORE_IS_LOST:
                raise self._lost(error) from None
            raise ConfigError(
                f"output: expected a directory that can be written to, got {root!r} "
                f"({_strerror(error)}); name another, or mend its permissions"
            ) from None

    def folders(self) -> Iterator[Folder]:
        """List depth first, each directory sorted by bytes; one directory is in memory at once.

        Symlinks are followed where they stay below the root and do not lead back to a directory
        that the walk is in.
        """
        real_root = os.path.realpath(self._root)
        pending: list[tuple[bytes, frozenset[tuple[int, int]]]] = [(b"", frozenset())]
        while pending:
            key, above = pending.pop()
            path = os.path.join(self._root, key)
            try:
                status = os.stat(path)
                here = above | {(status.st_dev, status.st_ino)}
                names, subdirectories, ignored = _scan(path, real_root, here)
            except OSError as error:
                yield Folder(key, [], problem=_folder_error(error))
                continue
            yield Folder(key, names, ignored)
            prefix = key + b"/" if key else b""
            pending += [(prefix + name, here) for name in reversed(subdirectories)]

    def head(self, key: bytes) -> Head:
        """Ask for size and version. Raises PictureError."""
        try:
            return _head(os.stat(self.path(key)))
        except OSError as error:
            raise _file_error(error, Stage.LIST, self.path(key)) from None

    def get(self, key: bytes) -> tuple[bytes, Head]:
        """Read the whole file, and its version as it was after reading. Raises PictureError."""
        try:
            with open(self.path(key), "rb", buffering=0) as file:
                return file.readall(), _head(os.fstat(file.fileno()))
        except OSError as error:
            raise _file_error(error, Stage.FETCH, self.path(key)) from None

    def put(self, key: bytes, data: bytes) -> None:
        """Write the whole file or nothing.

        Raises PictureError where the fault is this file's (its name, something in its way), and
        EnvironmentStop where no file could be written.
        """
        target = self.path(key)
        tmp = os.path.join(self._tmp, _TMP_PREFIX + secrets.token_hex(6).encode())
        try:
            self._write_and_rename(tmp, target, data)
        except OSError as error:
            with contextlib.suppress(OSError):  # the first error is the one to tell
                _discard(tmp)
            raise self._put_error(error, key) from None

    def full_path(self, key: bytes) -> str:
        """Give the absolute path, as text that `optimizr.keys` reads back."""
        return keys.to_text(self.path(key))

    def path(self, key: bytes) -> bytes:
        """Give the absolute path, for what is written line by line and not put whole."""
        return os.path.join(self._root, key)

    def _write_and_rename(self, tmp: bytes, target: bytes, data: bytes) -> None:
        _write(tmp, data)
        # After the write: a root that has gone must fail there, not be made anew here.
        os.makedirs(os.path.dirname(target), exist_ok=True)
        try:
            os.replace(tmp, target)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            os.unlink(tmp)
            _write_across(tmp, target, data)

    def _sweep(self) -> None:
        """Remove the temporary files of runs that were killed."""
        with os.scandir(self._tmp) as entries:
            for entry in entries:
                if entry.is_symlink():
                    elsewhere = os.readlink(entry.path)
                    if os.path.basename(elsewhere).startswith(b"." + _TMP_PREFIX):
                        _discard(elsewhere)
                _discard(entry.path)

    def _put_error(self, error: OSError, key: bytes) -> PictureError | EnvironmentStop:
        if error.errno in _STORE_IS_LOST or not os.path.isdir(self._tmp):
            return self._lost(error)
        path = self.full_path(key)
        if error.errno == errno.ENAMETOOLONG:
            return PictureError(
                Stage.STORE,
                Reason.NAME_TOO_LONG,
                f"expected a name that the output's file system can hold, got {path!r}; "
                "shorten the picture's name",
            )
        return PictureError(
            Stage.STORE,
            Reason.OUTPUT_BLOCKED,
            f"expected to write {path!r}, got: {_strerror(error)}; "
            "move away what stands there, or mend its permissions",
        )

    def _lost(self, error: OSError) -> EnvironmentStop:
        gone = ("output_gone", "the output directory is gone; bring it back and run it again")
        cause, advice = _STORE_IS_LOST.get(error.errno or 0, gone)
        return EnvironmentStop(cause, f"output {keys.to_text(self._root)!r}: {advice}")


def _scan(
    path: bytes, real_root: bytes, above: frozenset[tuple[int, int]]
) -> tuple[list[bytes], list[bytes], int]:
    """Sort a directory's entries into files, subdirectories, and a count of what is neither."""
    files: list[bytes] = []
    directories: list[bytes] = []
    ignored = 0
    with os.scandir(path) as entries:
        for entry in entries:
            if entry.is_symlink() and not _may_follow(entry, real_root, above):
                ignored += 1
            elif _is_folder(entry):
                if entry.name != OWN_FOLDER:
                    directories.append(entry.name)
            elif entry.is_symlink() or entry.is_file():
                files.append(entry.name)  # also a link to nothing: reading it says so
            else:
                ignored += 1
    return sorted(files), sorted(directories), ignored


def _is_folder(entry: os.DirEntry[bytes]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link into what may not be looked at
        return False


def _may_follow(
    entry: os.DirEntry[bytes], real_root: bytes, above: frozenset[tuple[int, int]]
) -> bool:
    """Tell whether a symlink stays below the root and does not lead back up."""
    target = os.path.realpath(entry.path)
    if os.path.commonpath([target, real_root]) != real_root:
        return False
    try:
        status = os.stat(target)
    except OSError as error:
        return error.errno != errno.ELOOP
    return not stat.S_ISDIR(status.st_mode) or (status.st_dev, status.st_ino) not in above


def _head(status: os.stat_result) -> Head:
    return Head(status.st_size, f"{status.st_size}-{status.st_mtime_ns}")


def _write(path: bytes, data: bytes) -> None:
    with open(path, "xb", buffering=0) as file:
        view = memoryview(data)
        while view:
            view = view[file.write(view) :]
        os.fsync(file.fileno())


def _write_across(note: bytes, target: bytes, data: bytes) -> None:
    """Write by way of the target's own folder, with a symlink that remembers the file."""
    tmp = os.path.join(os.path.dirname(target), b"." + os.path.basename(note))
    os.symlink(tmp, note)
    try:
        _write(tmp, data)
        os.replace(tmp, target)
    except OSError:
        with contextlib.suppress(OSError):
            _discard(tmp)
        raise
    os.unlink(note)


def _discard(path: bytes) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        return


def _folder_error(error: OSError) -> PictureError:
    return PictureError(
        Stage.LIST,
        Reason.FOLDER_UNREADABLE,
        f"expected a folder that can be listed, got: {_strerror(error)}; mend its permissions or "
        "its disk, its pictures are not done",
    )


def _file_error(error: OSError, stage: Stage, path: bytes) -> PictureError:
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        came = "a link that leads nowhere" if os.path.islink(path) else "none: it is gone since"
        return PictureError(
            stage, Reason.NOT_FOUND, f"expected the file that was listed, got {came}; bring it back"
        )
    return PictureError(
        stage,
        Reason.UNREADABLE,
        f"expected a file that can be read, got: {_strerror(error)}; "
        "mend its permissions or its disk",
    )


def _strerror(error: OSError) -> str:
    return error.strerror or type(error).__name__
