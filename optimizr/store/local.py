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
import fcntl
import os
import secrets
import stat
from collections.abc import Iterator
from io import FileIO

from optimizr import keys
from optimizr.errors import ConfigError, EnvironmentStop, PictureError, Reason, Stage
from optimizr.store import Folder, Head
from optimizr.store.walk import OWN_FOLDER, walk

_TMP_PREFIX = b"tmp-"
_PROBE = b"tmp-probe"

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

    def __init__(self, root: str, leave_out: str | None = None) -> None:
        """With `leave_out`, listing passes over that directory, unless it is the root."""
        self._root = os.path.abspath(os.fsencode(root))
        self._leave_out = None if leave_out is None else os.fsencode(leave_out)
        self._tmp = os.path.join(self._root, OWN_FOLDER, b"tmp")
        self._lock: int | None = None

    def prepare(self) -> None:
        """Make the directory fit for writing until `close`, and sweep what a killed run left.

        Raises ConfigError if it cannot be a directory of ours, EnvironmentStop if the file
        system cannot take it now.
        """
        try:
            os.makedirs(self._tmp, exist_ok=True)
            if self._is_alone():
                self._sweep()
            if not os.access(self._root, os.W_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            self.put(OWN_FOLDER + b"/tmp/" + _PROBE, b"")
            os.unlink(os.path.join(self._tmp, _PROBE))
        except OSError as error:
            root = keys.to_text(self._root)
            if error.errno in _STORE_IS_LOST:
                raise self._lost(error) from None
            raise ConfigError(
                f"output: expected a directory that can be written to, got {root!r} "
                f"({_strerror(error)}); name another, or mend its permissions"
            ) from None

    def close(self) -> None:
        """Let others sweep again; the store can still be used."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def folders(self) -> Iterator[Folder]:
        """List depth first, each directory sorted by bytes; see `store.walk`."""
        return walk(self._root, self._leave_out)

    def head(self, key: bytes) -> Head:
        """Ask for size and version. Raises PictureError."""
        try:
            return _head(os.stat(self.path(key)))
        except OSError as error:
            raise _file_error(error, Stage.LIST, self.path(key)) from None

    def get(self, key: bytes) -> tuple[bytes, Head]:
        """Read the whole file, and its version as it was after reading. Raises PictureError."""
        try:
            # O_NONBLOCK: opening a pipe that nobody writes to must not hang.
            number = os.open(self.path(key), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            with open(number, "rb", buffering=0) as file:
                before = os.fstat(number)
                if not stat.S_ISREG(before.st_mode):
                    raise OSError(errno.EINVAL, "it is a device or a pipe")
                # No more than was there: a file that grows is told by its version.
                data = _read(file, before.st_size)
                return data, _head(os.fstat(number))
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
            try:
                _write(tmp, data)
            except OSError as error:
                raise self._lost(error) from None
            self._move(tmp, target, data)
        except OSError as error:
            raise self._put_error(error, key) from None
        finally:
            with contextlib.suppress(OSError):  # the first error is the one to tell
                _discard(tmp)

    def full_path(self, key: bytes) -> str:
        """Give the absolute path, as text that `optimizr.keys` reads back."""
        return keys.to_text(self.path(key))

    def path(self, key: bytes) -> bytes:
        """Give the absolute path, for what is written line by line and not put whole."""
        return os.path.join(self._root, key)

    def _move(self, tmp: bytes, target: bytes, data: bytes) -> None:
        self._make_folder(os.path.dirname(target))
        try:
            os.replace(tmp, target)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            os.unlink(tmp)
            _write_across(tmp, target, data)

    def _make_folder(self, path: bytes) -> None:
        """Make a folder and those above it, but not the root: one that has gone stays gone."""
        if path == self._root or os.path.isdir(path):
            return
        self._make_folder(os.path.dirname(path))
        with contextlib.suppress(FileExistsError):
            os.mkdir(path)

    def _is_alone(self) -> bool:
        """Tell whether no other run writes here, and let others know of this one.

        Each run holds a shared lock on the folder until `close`; only who could have it alone may
        sweep, for of another run that is alive the temporary files are not leftovers.
        """
        self.close()
        self._lock = os.open(self._tmp, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            alone = False
        except OSError:  # a file system without locks
            return True
        else:
            alone = True
        fcntl.flock(self._lock, fcntl.LOCK_SH)
        return alone

    def _sweep(self) -> None:
        """Remove the temporary files of runs that were killed."""
        with os.scandir(self._tmp) as entries:
            for entry in entries:
                if not entry.name.startswith(_TMP_PREFIX):
                    continue
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
        other = ("output_gone", "the output directory is gone; bring it back and run it again")
        if os.path.isdir(self._tmp):
            other = ("output_unwritable", f"{_strerror(error)}; mend its permissions and run again")
        cause, advice = _STORE_IS_LOST.get(error.errno or 0, other)
        return EnvironmentStop(cause, f"output {keys.to_text(self._root)!r}: {advice}")


def _head(status: os.stat_result) -> Head:
    return Head(status.st_size, f"{status.st_size}-{status.st_mtime_ns}")


def _read(file: FileIO, size: int) -> bytes:
    parts = []
    while size and (part := file.read(size)):
        parts.append(part)
        size -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


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
