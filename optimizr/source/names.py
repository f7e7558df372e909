"""Which files are pictures by name, and what their outputs are called.

The rule looks at one directory and nothing else, so it gives the same names in any order, on any
shard and on resume. Two sources never end in one output, on file systems that fold letter case
too.

In the rule's words a.jpg has the replaced name a.webp and the appended name a.jpg.webp. Both end
in .webp, so the code compares what stands before it: the stem and the whole name.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Container, Iterable

from optimizr.values import Naming

EXTENSIONS = {
    "jpeg": (b".jpg", b".jpeg", b".jpe", b".jfif"),
    "png": (b".png", b".apng"),
    "gif": (b".gif",),
    "webp": (b".webp",),
    "tiff": (b".tif", b".tiff"),
    "heif": (b".heic", b".heif", b".hif"),
    "avif": (b".avif",),
}
"""How names of each format end, in any letter case. What a file is, its content decides."""


def extensions(formats: Iterable[str]) -> frozenset[bytes]:
    """Give the endings of the names of these formats."""
    return frozenset(extension for name in formats for extension in EXTENSIONS[name])


_ALL = extensions(EXTENSIONS)
_HASH_DIGITS = 6


def is_picture(name: bytes, endings: Container[bytes] = _ALL) -> bool:
    """Tell whether a file is a picture by its name."""
    return _split(name)[1].lower() in endings


def _split(name: bytes) -> tuple[bytes, bytes]:
    """Do what os.path.splitext does to a name, in an eighth of the time: there are millions."""
    stem, dot, ending = name.rpartition(b".")
    return (stem, dot + ending) if stem.strip(b".") else (name, b"")


class OutputNames:
    """The names of the outputs of one directory's pictures.

    Keeps only what clashes: of a directory of a million files with no clash, nothing.
    """

    def __init__(
        self,
        prefix: bytes,
        names: Iterable[bytes],
        naming: Naming,
        copies: bool = False,
        folders: Iterable[bytes] = (),
    ) -> None:
        """Take the directory's key, with a slash at its end unless empty, and its pictures.

        With `copies`, a picture may also end under its own name (`if_larger: copy`). `folders` are
        subfolders called *.webp: a copy of them stands in the output, so their names are taken.
        """
        self._prefix = prefix
        self._naming = naming
        names = list(names)
        reserved = self._reserved = {_fold(_split(folder)[0]) for folder in folders}
        self._taken_stems = _clashing_stems(names) | reserved
        rivals = names if naming == "append" else self._rivals(names)
        self._taken_names = _repeated(map(_fold, rivals))
        self._taken_names |= reserved & {_fold(name) for name in rivals}
        if copies:
            # What a WebP called a.jpg.webp is copied to, a.jpg may not be appended to.
            own = {_split(name)[0] for name in names if _fold(name).endswith(".webp")}
            self._taken_names |= {_fold(name) for name in own} & {_fold(name) for name in rivals}
        self._hashed = self._hash_names(names) if self._taken_names else {}

    def of(self, name: bytes) -> bytes:
        """Give the output's name, without the directory."""
        if name in self._hashed:
            return self._hashed[name]
        stem = _split(name)[0]
        if self._naming == "replace" and not self._is_taken(stem):
            return stem + b".webp"
        return name + b".webp"

    def _is_taken(self, stem: bytes) -> bool:
        return bool(self._taken_stems) and _fold(stem) in self._taken_stems

    def _rivals(self, names: list[bytes]) -> list[bytes]:
        return [name for name in names if _fold(_split(name)[0]) in self._taken_stems]

    def _hash_names(self, names: list[bytes]) -> dict[bytes, bytes]:
        """Tell apart names that differ in letter case only, by hex digits of their key's hash.

        Six digits, and more in the case that a name made so is another file's.
        """
        taken = {_fold(name) for name in names} | {_fold(_split(n)[0]) for n in names}
        taken |= self._reserved
        hashed: dict[bytes, bytes] = {}
        for name in sorted(names):
            if _fold(name) not in self._taken_names:
                continue
            digest = hashlib.sha256(self._prefix + name).hexdigest().encode()
            made = next(
                made
                for digits in range(_HASH_DIGITS, len(digest) + 1)
                if _fold(made := name + b"." + digest[:digits]) not in taken
            )
            taken.add(_fold(made))
            hashed[name] = made + b".webp"
        return hashed


def _clashing_stems(names: list[bytes]) -> set[str]:
    """Give the stems that two files share, or that are another file's whole name."""
    stems = [_fold(_split(name)[0]) for name in names]
    clashing = _repeated(stems)
    # Only a stem that itself looks like a picture (a.jpg of a.jpg.png) can be a file's name.
    doubtful = {
        stem
        for stem in stems
        if "." in stem and is_picture(stem.encode("utf-8", "surrogateescape"))
    }
    if doubtful:
        clashing |= doubtful & {_fold(name) for name in names}
    return clashing


def _repeated(texts: Iterable[str]) -> set[str]:
    counts = Counter(texts)
    return {text for text, count in counts.items() if count > 1}


def _fold(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape").casefold()
