"""What the keys of a list or of messages are below: a directory, or a place in a bucket."""

from __future__ import annotations

import os
from typing import NamedTuple

from optimizr.source.formats import BadLine, Entry
from optimizr.store.place import parse


class Root(NamedTuple):
    """Where keys begin."""

    base: str
    """As an entry has it: `/` of directories."""
    beginning: bytes
    """What follows it, down to the root, with a slash at its end unless empty."""
    relative: bytes | None
    """What follows it, down to where relative lines are; None if there can be none."""

    @classmethod
    def given(cls, root: str) -> Root:
        """Take the setting `root`. Raises ConfigError."""
        place = parse("root", root)
        if place is None:
            beginning = _beginning(os.path.abspath(os.fsencode(root)))
            return cls("/", beginning, beginning)
        beginning = place.beginning.encode("utf-8", "surrogateescape")
        return cls(place._replace(prefix="").url, beginning, beginning)

    @classmethod
    def of(cls, entry: Entry) -> Root:
        """Take what a list's own line tells."""
        here = _beginning(os.getcwdb())
        if entry.base == "":
            return cls("/", here, here)
        return cls(entry.base, b"", here if entry.base == "/" else None)

    @property
    def is_folder(self) -> bool:
        """Whether it is a directory."""
        return self.base == "/"

    @property
    def address(self) -> str:
        """Its path or URL."""
        if self.is_folder:
            return "/" + os.fsdecode(self.beginning.removesuffix(b"/"))
        return f"{self.base}/{os.fsdecode(self.beginning)}".removesuffix("/")

    def key_of(self, entry: Entry) -> bytes | None:
        """Give the key below the root; None for what is in the same bucket, but not below it.

        Raises BadLine for what is elsewhere, or leads there.
        """
        key = entry.key
        if entry.base == "":
            if self.relative is None:
                raise BadLine("no root for relative paths")
            key = self.relative + key
        elif entry.base != self.base:
            raise BadLine(f"a picture of {entry.base}")
        if self.is_folder:
            key = _normal(key)
        if key.startswith(self.beginning):
            return key[len(self.beginning) :]
        if self.is_folder:
            raise BadLine("a picture of another directory")
        return None


def _normal(path: bytes) -> bytes:
    """Write a path as a walk would; a bucket's keys are what they are. Raises BadLine."""
    parts = path.split(b"/")
    if b".." in parts or b"\0" in path:
        raise BadLine("a path that leads elsewhere")
    if b"" not in parts and b"." not in parts:
        return path
    return b"/".join(part for part in parts if part not in (b"", b"."))


def _beginning(folder: bytes) -> bytes:
    return folder.strip(b"/") + b"/" if folder.strip(b"/") else b""
