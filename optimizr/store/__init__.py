"""Where bytes are listed, read and written: one file a backend, all behind `Store`.

A store gives whole objects and takes whole objects: a reader sees the old one or the new one,
never a part. Foreign errors end here: what concerns one object is raised as PictureError, what
concerns the store as a whole (full, gone, read-only) as EnvironmentStop.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

from optimizr.errors import PictureError


class Head(NamedTuple):
    """What a store knows of an object without reading it."""

    size: int
    """Bytes."""
    version: str
    """Changes whenever the content does: for files, size and modification time."""


class Standing(NamedTuple):
    """What stands at a key that is to be written."""

    size: int
    """Bytes."""
    mtime_ns: int
    """When it was last written, in nanoseconds by the store's clock."""


class Folder(NamedTuple):
    """One directory's files, sorted; what is below it comes in folders of its own."""

    key: bytes
    """The directory's own key: empty for the root, else without a trailing slash."""
    names: list[bytes]
    webp_folders: Sequence[bytes] = ()
    """Subfolders whose names end as outputs do, so that no output may have them."""
    ignored: int = 0
    """Entries that are neither files nor directories, and links that are not followed."""
    problem: PictureError | None = None
    """Why the directory could not be listed."""

    @property
    def prefix(self) -> bytes:
        """What stands before a name in its key: nothing in the root."""
        return self.key + b"/" if self.key else b""


class Writer(Protocol):
    """Where outputs go. Keys are bytes, parts divided by `/`."""

    def find(self, key: bytes) -> Standing | None:
        """Tell what stands at a key, if anything does. Raises PictureError or EnvironmentStop."""

    def put(self, key: bytes, data: bytes) -> None:
        """Write the whole object or nothing. Raises PictureError or EnvironmentStop."""

    def remove(self, key: bytes) -> None:
        """Remove an object, if it is there. Raises PictureError or EnvironmentStop."""

    def identity(self, key: bytes) -> object:
        """Tell apart the object at a key from those of all stores; None if there is none."""

    def full_path(self, key: bytes) -> str:
        """Name the object for people, as text that `optimizr.keys` reads back."""


class Store(Writer, Protocol):
    """What the pipeline asks of a store."""

    def trouble(self, writing: bool = False) -> str | None:
        """Tell what keeps all of it from being read just now, or written to; None if nothing."""

    def folders(self, below: bytes = b"") -> Iterator[Folder]:
        """List everything, or what is at or below a folder, lazily, in a stable order."""

    def contains(self, key: bytes) -> bool:
        """Tell whether a key that somebody wrote leads to what is in this store, links followed."""

    def is_folder(self, key: bytes) -> bool:
        """Tell whether there is a folder at a key."""

    def head(self, key: bytes) -> Head:
        """Ask for size and version. Raises PictureError."""

    def get(self, key: bytes) -> tuple[bytes, Head]:
        """Read the whole object. Raises PictureError."""
