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
import stat
from collections.abc import Callable, Iterable, Iterator

from optimizr import keys
from optimizr.errors import (
    WORLD_ERRORS,
    ConfigError,
    EnvironmentStop,
    PictureError,
    Stage,
)
from optimizr.store import OWN_FOLDER, Chunks, Folder, Head, Label, Standing, changed
from optimizr.store.clone import clone
from optimizr.store.files import (
    discard,
    head_of,
    is_moved,
    new_name,
    read_whole,
    stat_of,
    sweep,
    version_of,
    write,
    write_across,
    write_chunks,
)
from optimizr.store.oserrors import strerror, unreadable, unwritable
from optimizr.store.pieces import chunks_of, opened_at
from optimizr.store.sync import Sync, each_file
from optimizr.store.walk import walk


class LocalStore:
    """A directory. `root` is made absolute; keys are paths below it."""

    keeps_labels = False

    def __init__(
        self,
        root: str,
        leave_out: Iterable[str] = (),
        own: bytes = OWN_FOLDER,
        sync: Sync = each_file,
    ) -> None:
        """Name the directory; it need not be there.

        Listing passes over the directories `leave_out`, unless one is the root. `own` is the
        folder below the root that holds what is not for users; `sync` makes sure that a file is on
        the disk.
        """
        self._root = os.path.abspath(os.fsencode(root))
        self._prefix = os.path.join(self._root, b"")
        self._leave_out = [os.fsencode(path) for path in leave_out]
        self.own = os.path.join(self._root, own)
        self._tmp = os.path.join(self.own, b"tmp")
        self._sync = sync

    def prepare(self) -> None:
        """Make the directory fit for writing.

        Raises ConfigError if it cannot be a directory of ours, EnvironmentStop if the file
        system cannot take it now.
        """
        try:
            os.makedirs(self._tmp, exist_ok=True)
            probe = new_name(self._tmp)
            write(probe, b"", each_file)
            os.unlink(probe)
            if not os.access(self._root, os.W_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        except OSError as error:
            root = keys.to_text(self._root)
            if error.errno in WORLD_ERRORS:
                raise self._lost(error) from None
            raise ConfigError(
                f"output: expected a directory that can be written to, got {root!r} "
                f"({strerror(error)}); name another, or mend its permissions"
            ) from None

    def sweep(self) -> None:
        """Remove the temporary files of a killed run. The caller makes sure that none is alive."""
        try:
            sweep(self._tmp)
        except OSError as error:
            raise self._lost(error) from None

    def trouble(self, writing: bool = False) -> str | None:
        """Tell what keeps the directory from being read just now, or written to."""
        try:
            os.scandir(self._root).close()
            if writing and not os.access(self._tmp, os.W_OK | os.X_OK):
                raise PermissionError(errno.EACCES, "it cannot be written to")
        except OSError as error:
            return f"{keys.to_text(self._root)!r}: {strerror(error)}"
        return None

    def folders(self, below: bytes = b"") -> Iterator[Folder]:
        """List depth first, each directory sorted by bytes; see `store.walk`."""
        return walk(self._root, self._leave_out, below)

    def is_folder(self, key: bytes) -> bool:
        """Tell whether a directory is at a key."""
        return os.path.isdir(self.path(key))

    def head(self, key: bytes) -> Head:
        """Ask for size and version. Raises PictureError."""
        try:
            return head_of(stat_of(self.path(key)))
        except OSError as error:
            raise unreadable(error, Stage.LIST, self.path(key)) from None

    def find(self, key: bytes) -> Standing | None:
        """Tell what file stands at a key, if one does. Raises PictureError or EnvironmentStop."""
        try:
            status = stat_of(self.path(key))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise self._put_error(error, key) from None
        if stat.S_ISDIR(status.st_mode):
            return None  # what is put there says so
        return Standing(status.st_size, status.st_mtime_ns)

    def remove(self, key: bytes) -> None:
        """Remove a file, if it is there. Raises PictureError or EnvironmentStop."""
        try:
            discard(self.path(key))
        except OSError as error:
            raise self._put_error(error, key) from None

    def get(self, key: bytes, version: str = "") -> tuple[bytes, Head]:
        """Read the whole file, and its version as it was after reading. Raises PictureError."""
        try:
            return read_whole(self.path(key), version)
        except OSError as error:
            raise unreadable(error, Stage.FETCH, self.path(key)) from None

    def get_chunks(self, key: bytes) -> Chunks:
        """Open what is read piece by piece; what is appended later does not count.

        Raises PictureError.
        """
        return chunks_of(self.path(key))

    def put(
        self,
        key: bytes,
        data: bytes,
        label: Label | None = None,  # noqa: ARG002 - files have none
        new: bool = False,  # noqa: ARG002 - an output has one writer, and a ledger
    ) -> str:
        """Write the whole file or nothing, and give its version.

        Raises PictureError where the fault is this file's (its name, something in its way), and
        EnvironmentStop where no file could be written.
        """
        return self._put(key, lambda path: write(path, data, self._sync))

    def clone(
        self,
        key: bytes,
        original: bytes,
        version: str,
        label: Label | None = None,  # noqa: ARG002 - as `put` has it
        new: bool = False,  # noqa: ARG002
    ) -> str:
        """Write what stands at the key `original` as `put` writes bytes; see `store.clone`.

        Raises what `get` does, if that is not there or of another version, and what `put` does.
        """
        path = self.path(original)
        opened = opened_at(path)
        if version_of(opened.status) != version:
            raise changed()
        return self._put(key, lambda target: clone(opened, path, target, self._sync))

    def put_file(self, key: bytes, source: bytes) -> None:
        """Copy the whole file at the path `source` or nothing; raises what `get` and `put` do.

        A file of that size that is there already is left, and so is the very same file.
        """
        try:
            if self._has_copy(key, source):
                return
        except OSError as error:
            raise unreadable(error, Stage.FETCH, source) from None
        self.put_chunks(key, chunks_of(source))

    def put_chunks(self, key: bytes, chunks: Callable[[], Iterable[bytes]]) -> None:
        """Write what does not fit into memory, whole or not at all; raises what `put` does.

        `chunks` gives it from its beginning; it may be asked more than once.
        """
        self._put(key, lambda path: write_chunks(path, chunks, self._sync))

    def _has_copy(self, key: bytes, source: bytes) -> bool:
        original, standing = os.stat(source), self.find(key)
        if standing is None:
            return False
        same = os.path.samestat(original, os.stat(self.path(key)))
        return same or standing.size == original.st_size

    def identity(self, key: bytes) -> tuple[int, int] | None:
        """Tell apart the file at a key from all others; None if there is none."""
        try:
            status = os.stat(self.path(key))
        except OSError:
            return None
        return status.st_dev, status.st_ino

    def contains(self, key: bytes) -> bool:
        """Tell whether a key leads to what is below the root, links followed, and is not ours."""
        root, path = os.path.realpath(self._root), os.path.realpath(self.path(key))
        if OWN_FOLDER in key.split(b"/") or not _is_within(path, root):
            return False
        outside = map(os.path.realpath, self._leave_out)
        return not any(_is_within(path, other) for other in outside if other != root)

    def _put(self, key: bytes, fill: Callable[[bytes], str]) -> str:
        target = self.path(key)
        tmp = new_name(self._tmp)
        try:
            try:
                version = fill(tmp)
            except OSError as error:
                raise self._lost(error) from None
            self._make_folder(os.path.dirname(target))
            if is_moved(tmp, target):
                return version
            os.unlink(tmp)
            return write_across(tmp, target, fill)
        except OSError as error:
            raise self._put_error(error, key) from None
        finally:
            with contextlib.suppress(OSError):  # the first error is the one to tell
                discard(tmp)

    def full_path(self, key: bytes) -> str:
        """Give the absolute path, as text that `optimizr.keys` reads back."""
        return keys.to_text(self.path(key))

    def path(self, key: bytes) -> bytes:
        """Give the absolute path, for what is written line by line and not put whole."""
        return self._prefix + key

    def _make_folder(self, path: bytes) -> None:
        """Make a folder and those above it, but not the root: one that has gone stays gone."""
        if path == self._root or os.path.isdir(path):
            return
        self._make_folder(os.path.dirname(path))
        with contextlib.suppress(FileExistsError):
            os.mkdir(path)

    def _put_error(self, error: OSError, key: bytes) -> PictureError | EnvironmentStop:
        if error.errno in WORLD_ERRORS or not os.path.isdir(self._tmp):
            return self._lost(error)
        return unwritable(error, self.full_path(key))

    def _lost(self, error: OSError) -> EnvironmentStop:
        other = ("output_gone", "the output directory is gone; bring it back and run it again")
        if os.path.isdir(self._tmp):
            other = ("output_unwritable", f"{strerror(error)}; mend its permissions and run again")
        cause, advice = WORLD_ERRORS.get(error.errno or 0, other)
        return EnvironmentStop(cause, f"output {keys.to_text(self._root)!r}: {advice}")


def _is_within(path: bytes, folder: bytes) -> bool:
    return os.path.commonpath([folder, path]) == folder
