"""Where bytes are listed, read and written: one file a backend, all behind `Store`.

A store gives whole objects and takes whole objects: a reader sees the old one or the new one,
never a part. Foreign errors end here: what concerns one object is raised as PictureError, what
concerns the store as a whole (full, gone, read-only) as EnvironmentStop.

    local.py      a directory: has folders; what is done in it stands in a ledger beside it
    bucket.py     a bucket of S3, Google Cloud or Azure, through obstore; objects carry labels
    memory.py     a bucket in memory, for tests of what stands on a store
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from optimizr.errors import PictureError, Reason, Stage

OWN_FOLDER = b".optimizr"
"""Holds what optimizr keeps for itself in an output; never a source of pictures."""


class Head(NamedTuple):
    """What a store knows of an object without reading it."""

    size: int
    """Bytes."""
    version: str
    """Changes whenever the content does: for files, size and modification time."""


class Label(NamedTuple):
    """What an output says of itself, where the store keeps words with its objects."""

    source: str
    """The version of the source that it was made from."""
    making: str
    """What it was made with; see `optimizr.ledger.makings`."""
    attempt: str = ""
    """Who made it, as `RUN/SHARD/ATTEMPT`; empty if the run had no `run_id`."""


class Standing(NamedTuple):
    """What stands at a key that is to be written."""

    size: int
    """Bytes."""
    mtime_ns: int
    """When it was last written, in nanoseconds by the store's clock."""
    label: Label | None = None
    """None if optimizr did not make it, if the store keeps no labels, or if it was only listed."""
    version: str = ""
    """As `Head` has it, in a store that keeps labels."""


@dataclass(frozen=True, slots=True)
class Chunks:
    """An object that is read piece by piece, as often as it is called."""

    size: int
    """Bytes."""
    since: Callable[[int], Iterator[bytes]]
    """Gives what follows from a byte on, by its number from 0."""

    def __call__(self, start: int = 0) -> Iterator[bytes]:
        """Read, from the beginning or from a byte on."""
        return self.since(start)


CHUNK = 4 << 20
"""Bytes of a large object that are read at once."""

UNSURE = Standing(-1, 0)
"""Something may stand there: only the store itself can tell."""


class Object(NamedTuple):
    """An object of a store without folders, as its listing tells of it."""

    key: bytes
    size: int = 0
    """Bytes."""
    version: str = ""
    """As `Head` has it."""
    mtime_ns: int = 0
    """When it was last written, in nanoseconds by the store's clock."""
    problem: PictureError | None = None
    """Why it cannot be had, though it is listed."""


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

    @property
    def keeps_labels(self) -> bool:
        """Whether objects carry the labels that they are put with."""

    def find(self, key: bytes) -> Standing | None:
        """Tell what stands at a key, if anything does. Raises PictureError or EnvironmentStop."""

    def put(
        self, key: bytes, data: bytes, label: Label | None = None, new: bool = False
    ) -> str | None:
        """Write the whole object or nothing. Raises PictureError or EnvironmentStop.

        Gives its version, empty if it is not known. With `new`, a store that keeps labels writes
        only where nothing stands; None if something does.
        """

    def clone(
        self,
        key: bytes,
        original: bytes,
        version: str,
        label: Label | None = None,
        new: bool = False,
    ) -> str | None:
        """Write what stands at the key `original`, if it is of `version` still, as `put` does.

        Raises PictureError of the stage `fetch` if it is not, and what `put` raises.
        """

    def remove(self, key: bytes) -> None:
        """Remove an object, if it is there. Raises PictureError or EnvironmentStop."""

    def identity(self, key: bytes) -> object:
        """Tell apart the object at a key from those of all stores.

        None if there is none, in a store that knows that without asking.
        """

    def full_path(self, key: bytes) -> str:
        """Name the object for people, as text that `optimizr.keys` reads back."""


class Store(Writer, Protocol):
    """What the pipeline asks of a store."""

    def prepare(self) -> None:
        """Make it fit for writing, or raise ConfigError or EnvironmentStop."""

    def sweep(self) -> None:
        """Remove what a killed run left half written. Raises EnvironmentStop."""

    def trouble(self, writing: bool = False) -> str | None:
        """Tell what keeps all of it from being read just now, or written to; None if nothing."""

    def contains(self, key: bytes) -> bool:
        """Tell whether a key that somebody wrote is one that a listing may have, links followed."""

    def head(self, key: bytes) -> Head:
        """Ask for size and version. Raises PictureError or EnvironmentStop."""

    def get(self, key: bytes, version: str = "") -> tuple[bytes, Head]:
        """Read the whole object, as far as it is of `version`, if one is given.

        Raises PictureError or EnvironmentStop.
        """

    def get_chunks(self, key: bytes) -> Chunks:
        """Open what does not fit into memory, as it is now.

        Raises PictureError or EnvironmentStop, then and while it is read: also if it is written to
        meanwhile, unless what is read is still what was there.
        """

    def put_chunks(self, key: bytes, chunks: Callable[[], Iterable[bytes]]) -> None:
        """Write what does not fit into memory, whole or not at all; raises what `put` does.

        `chunks` gives it from its beginning; it may be asked more than once.
        """


class Folders(Store, Protocol):
    """A store that has folders, so that it can be walked."""

    def folders(self, below: bytes = b"") -> Iterator[Folder]:
        """List everything, or what is at or below a folder, lazily, in a stable order."""

    def is_folder(self, key: bytes) -> bool:
        """Tell whether there is a folder at a key."""


class Flat(Store, Protocol):
    """A store that has keys only."""

    def objects(self) -> Iterator[Object]:
        """List everything, lazily, in the order of keys as far as the store keeps one.

        Raises EnvironmentStop.
        """


def changed() -> PictureError:
    """Tell of a source that is not the one that was listed."""
    return PictureError(
        Stage.FETCH,
        Reason.CHANGED,
        "expected the bytes that were listed, but the source was written to since; run again once "
        "it is at rest",
    )


def only_of(version: str) -> Callable[[Head], None]:
    """Give what raises PictureError for a head of another version, if one is given."""

    def check(head: Head) -> None:
        if version and head.version != version:
            raise changed()

    return check
