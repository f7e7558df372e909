"""The pictures of a directory tree, or the one picture of a tree of one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from optimizr.errors import PictureError, Reason, Stage
from optimizr.source import Item
from optimizr.source.names import OutputNames, extensions, is_picture
from optimizr.source.shard import WHOLE, Shard
from optimizr.store import Folder, Folders
from optimizr.values import Naming


class Tree:
    """Items of a store that has folders, in the order of its listing."""

    def __init__(
        self,
        store: Folders,
        naming: Naming,
        formats: Iterable[str],
        copies: bool = False,
        only: bytes | None = None,
        shard: Shard = WHOLE,
    ) -> None:
        """With `only`, the tree holds the one file of that name and nothing else.

        Of a `shard` only the items come by; names are those of the whole tree all the same.
        """
        self._store = store
        self._naming = naming
        self._endings = extensions(formats)
        self._copies = copies
        self._only = only
        self.shard = shard
        self.ignored = 0
        """Entries passed over so far: not pictures by name, or links that are not followed."""
        self._looked_at: _LookedAt | None = None
        """What `item` looked into last."""

    @property
    def is_whole(self) -> bool:
        """Whether all that the store has comes by."""
        return self._only is None

    def covers(self, key: bytes) -> bool:
        """Tell whether what failed at a key before has come by, or is there no more."""
        return self._only in (None, key)

    def __iter__(self) -> Iterator[Item]:
        """Walk; size and version are asked for only when an item's turn comes."""
        for folder in self._folders():
            yield from self._items(folder)

    def below(self, key: bytes) -> Iterator[Item]:
        """Give the items at or below a folder."""
        for folder in self._store.folders(key):
            yield from self._items(folder)

    def item(self, key: bytes) -> Item:
        """Give one item, with the output that it has as part of the tree."""
        parent, _, name = key.rpartition(b"/")
        if self._looked_at is None or self._looked_at.folder.key != parent:
            self._looked_at = self._look(parent)
        if self._looked_at is None or not self._store.contains(key):
            return Item(key, b"", problem=not_in_the_tree())
        folder, pictures, outputs = self._looked_at
        if name not in pictures:  # its format is not enabled now, or it is gone
            outputs = self._outputs(folder, sorted([*pictures, name]))
        return self._item(key, folder.prefix + outputs.of(name))

    def _look(self, key: bytes) -> _LookedAt | None:
        folder = next(iter(self._store.folders(key)), None)
        if folder is None:
            return None
        pictures = self._pictures(folder)
        return _LookedAt(folder, frozenset(pictures), self._outputs(folder, pictures))

    def count(self) -> int:
        """Count the pictures by name alone: a walk without asking for any file."""
        return sum(len(self._own(folder, self._pictures(folder))) for folder in self._folders())

    def _folders(self) -> Iterator[Folder]:
        if self._only is not None:
            return iter([Folder(b"", [self._only])])
        return self._store.folders()

    def _items(self, folder: Folder) -> Iterator[Item]:
        pictures = self._pictures(folder)
        if self.shard.has(folder.key):  # what concerns the folder is told by one shard
            if folder.problem is not None:
                yield Item(folder.key, b"", problem=folder.problem)
            self.ignored += folder.ignored + len(folder.names) - len(pictures)
        outputs, prefix = self._outputs(folder, pictures), folder.prefix
        for name in self._own(folder, pictures):
            yield self._item(prefix + name, prefix + outputs.of(name))

    def _own(self, folder: Folder, pictures: list[bytes]) -> list[bytes]:
        if self.shard.count == 1:
            return pictures
        return [name for name in pictures if self.shard.has(folder.prefix + name)]

    def _outputs(self, folder: Folder, pictures: list[bytes]) -> OutputNames:
        return OutputNames(folder.prefix, pictures, self._naming, self._copies, folder.webp_folders)

    def _pictures(self, folder: Folder) -> list[bytes]:
        if self._only is not None:
            return folder.names  # asked for by name, so it is a picture whatever its name
        return [name for name in folder.names if is_picture(name, self._endings)]

    def _item(self, key: bytes, output: bytes) -> Item:
        try:
            size, version = self._store.head(key)
        except PictureError as problem:
            return Item(key, output, problem=problem)
        return Item(key, output, size, version)


class _LookedAt(NamedTuple):
    """A folder, its pictures, and what their outputs are called."""

    folder: Folder
    pictures: frozenset[bytes]
    outputs: OutputNames


def not_in_the_tree() -> PictureError:
    """Say of a key on a list that it leads elsewhere."""
    return PictureError(
        Stage.LIST,
        Reason.BAD_LINE,
        "expected a picture of the place that the list is of, got one where outputs are, or a link "
        "that leads elsewhere; try it again by itself",
    )
