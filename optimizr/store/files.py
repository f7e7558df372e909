"""What is done to one file, by its path: raises OSError, and tries again what fails in passing."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Callable, Iterable, Iterator
from io import FileIO

from optimizr.store import CHUNK, Head, changed
from optimizr.store.retry import retried
from optimizr.store.sync import Sync

_TMP_PREFIX = b"tmp-"


def head_of(status: os.stat_result) -> Head:
    """Give size and version."""
    return Head(status.st_size, version_of(status))


def version_of(status: os.stat_result) -> str:
    """Give what changes whenever the file does."""
    return f"{status.st_size}-{status.st_mtime_ns}"


_replace = retried(os.replace)


def _read(file: FileIO, size: int) -> bytes:
    parts = []
    while size and (part := file.read(size)):
        parts.append(part)
        size -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


@retried
def stat_of(path: bytes) -> os.stat_result:
    """Ask for what is known of a file, a link's target included."""
    return os.stat(path)


class Opened:
    """A regular file that is read piece by piece, as long as it was when it was opened.

    Others may put another in its place, or append to it: what is read is what was there.
    """

    def __init__(self, path: bytes) -> None:
        self._number = -1
        self._number = os.open(path, _TO_READ)
        self.status = os.fstat(self._number)
        """As it was when it was opened."""
        _check_regular(self.status)

    def __del__(self) -> None:
        if self._number >= 0:
            os.close(self._number)

    @property
    def size(self) -> int:
        """Bytes."""
        return self.status.st_size

    def fileno(self) -> int:
        """Give the number that the system knows it by."""
        return self._number

    def chunks(self, start: int = 0) -> Iterator[bytes]:
        """Read from a byte on; raises OSError, and PictureError if it was written over."""
        at, size = start, self.status.st_size
        while at < size:
            chunk = _read_at(self._number, min(CHUNK, size - at), at)
            if not chunk:
                raise changed()
            yield chunk
            at += len(chunk)
        now = os.fstat(self._number)
        if now.st_size == size and now.st_mtime_ns != self.status.st_mtime_ns:
            raise changed()


# O_NONBLOCK: opening a pipe that nobody writes to must not hang.
_TO_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
_read_at = retried(os.pread)


def _check_regular(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "it is a device or a pipe")


@retried
def read_whole(path: bytes, version: str) -> tuple[bytes, Head]:
    """Read a regular file, and its version as it is after reading.

    Raises PictureError, before any of it is read, if it is of another version than the one given.
    """
    number = os.open(path, _TO_READ)
    with open(number, "rb", buffering=0) as file:
        before = os.fstat(number)
        _check_regular(before)
        if version and head_of(before).version != version:
            raise changed()
        # No more than was there: a file that grows is told by its version.
        data = _read(file, before.st_size)
        return data, head_of(os.fstat(number))


@retried
def write(path: bytes, data: bytes, sync: Sync) -> str:
    """Write a file whole, have it on the disk, and give its version."""
    with open(path, "wb", buffering=0) as file:
        view = memoryview(data)
        while view:
            view = view[file.write(view) :]
        sync(file.fileno())
        return version_of(os.fstat(file.fileno()))


@retried
def write_chunks(path: bytes, chunks: Callable[[], Iterable[bytes]], sync: Sync) -> str:
    """Write a file of any size as `write` does; `chunks` begins anew with each try."""
    with open(path, "wb") as file:
        file.writelines(chunks())
        file.flush()
        sync(file.fileno())
        return version_of(os.fstat(file.fileno()))


def is_moved(tmp: bytes, target: bytes) -> bool:
    """Rename a file into place; False if that is on another file system.

    Where both are names of one file already, `tmp` stays.
    """
    try:
        _replace(tmp, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        return False
    return True


def write_across(note: bytes, target: bytes, write: Callable[[bytes], str]) -> str:
    """Write by way of the target's own folder, with a symlink that remembers the file."""
    tmp = os.path.join(os.path.dirname(target), b"." + os.path.basename(note))
    os.symlink(tmp, note)
    try:
        version = write(tmp)
        os.replace(tmp, target)
    except OSError:
        with contextlib.suppress(OSError):
            discard(tmp)
        raise
    os.unlink(note)
    return version


def discard(path: bytes) -> None:
    """Remove a file that may be gone already."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def new_name(folder: bytes) -> bytes:
    """Give a path for a file that is being written; `sweep` knows it by its name."""
    return os.path.join(folder, _TMP_PREFIX + secrets.token_hex(6).encode())


def sweep(folder: bytes) -> None:
    """Remove files that were never written to their end, and those that symlinks remember."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if not entry.name.startswith(_TMP_PREFIX):
                continue
            if entry.is_symlink():
                elsewhere = os.readlink(entry.path)
                if os.path.basename(elsewhere).startswith(b"." + _TMP_PREFIX):
                    discard(elsewhere)
            discard(entry.path)
