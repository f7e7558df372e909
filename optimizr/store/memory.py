"""A bucket in memory, under a name: for tests of what stands on a store.

    run(Settings(input="memory://pictures", output="memory://webps"))

It is what other buckets promise to be, without a server, a credential or a cloud's library.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from optimizr.errors import PictureError, Reason, Stage
from optimizr.keys import to_text
from optimizr.store import CHUNK, OWN_FOLDER, Chunks, Head, Label, Object, Standing, changed
from optimizr.store.addresses import path_of
from optimizr.store.place import Place


class _Kept(NamedTuple):
    data: bytes
    mtime_ns: int
    label: Label | None

    @property
    def head(self) -> Head:
        return Head(len(self.data), hashlib.md5(self.data, usedforsecurity=False).hexdigest())


class MemoryStore:
    """A place in the bucket of a name, which lasts as long as the process."""

    keeps_labels = True
    buckets: dict[str, dict[bytes, _Kept]] = {}  # noqa: RUF012 - shared by all of a name
    _lock = threading.Lock()

    def __init__(self, place: Place, leave_out: Iterable[Place] = ()) -> None:
        """Take up the bucket, or begin it; `leave_out` is as `BucketStore` has it."""
        self.place = place
        self._prefix = place.beginning.encode()
        self._left_out = place.beginnings(leave_out)
        self._objects = self.buckets.setdefault(place.bucket, {})

    def check(self, setting: str) -> None:
        """Do nothing: it can be listed."""

    def prepare(self) -> None:
        """Do nothing: it can be written to."""

    def sweep(self) -> None:
        """Do nothing: nothing is ever half written."""

    def trouble(self, writing: bool = False) -> None:
        """Tell of no trouble."""

    def objects(self) -> Iterator[Object]:
        """List everything below the place, in the order of keys."""
        for whole in sorted(self._objects):
            key = whole.removeprefix(self._prefix)
            kept = self._objects.get(whole)
            if kept is None or not whole.startswith(self._prefix) or not self.contains(key):
                continue
            found = Object(key, *kept.head, kept.mtime_ns)
            try:
                path_of(key, Stage.LIST)
            except PictureError as problem:
                found = found._replace(problem=problem)
            yield found

    def contains(self, key: bytes) -> bool:
        """Tell whether a key is one that a listing would have, if something stands there."""
        return bool(key) and not self._is_left_out(key)

    def _is_left_out(self, key: bytes) -> bool:
        is_own = OWN_FOLDER in key.split(b"/")[:-1]
        return is_own or key.startswith(self._left_out)

    def head(self, key: bytes) -> Head:
        """Ask for size and version. Raises PictureError."""
        return self._kept(key, Stage.LIST).head

    def find(self, key: bytes) -> Standing | None:
        """Tell what stands at a key, and its label. Raises PictureError."""
        path_of(key, Stage.STORE)
        kept = self._objects.get(self._prefix + key)
        if kept is None:
            return None
        return Standing(len(kept.data), kept.mtime_ns, kept.label, kept.head.version)

    def get(self, key: bytes, version: str = "") -> tuple[bytes, Head]:
        """Read the whole object, if it is of that version. Raises PictureError."""
        kept = self._kept(key, Stage.FETCH)
        if version and kept.head.version != version:
            raise changed()
        return kept.data, kept.head

    def put(
        self, key: bytes, data: bytes, label: Label | None = None, new: bool = False
    ) -> str | None:
        """Write the whole object; with `new` only if nothing stands there. Raises PictureError."""
        path_of(key, Stage.STORE)
        whole = self._prefix + key
        with self._lock:
            if new and whole in self._objects:
                return None
            kept = self._objects[whole] = _Kept(bytes(data), time.time_ns(), label)
        return kept.head.version

    def clone(
        self,
        key: bytes,
        original: bytes,
        version: str,
        label: Label | None = None,
        new: bool = False,
    ) -> str | None:
        """Write what stands at another key as `put` does. Raises PictureError."""
        return self.put(key, self.get(original, version)[0], label, new)

    def get_chunks(self, key: bytes) -> Chunks:
        """Open what is read piece by piece. Raises PictureError."""
        data = self._kept(key, Stage.FETCH).data

        def since(start: int) -> Iterator[bytes]:
            for at in range(start, len(data), CHUNK):
                if self._kept(key, Stage.FETCH).data != data:
                    raise changed()
                yield data[at : at + CHUNK]

        return Chunks(len(data), since)

    def put_chunks(self, key: bytes, chunks: Callable[[], Iterable[bytes]]) -> None:
        """Write the chunks as one object. Raises PictureError."""
        self.put(key, b"".join(chunks()))

    def remove(self, key: bytes) -> None:
        """Remove an object, if it is there. Raises PictureError."""
        path_of(key, Stage.STORE)
        self._objects.pop(self._prefix + key, None)

    def identity(self, key: bytes) -> tuple[str, str, bytes]:
        """Tell apart the object at a key, whether it is there or not."""
        return self.place.scheme, self.place.bucket, self._prefix + key

    def full_path(self, key: bytes) -> str:
        """Give the URL, as text that `optimizr.keys` reads back."""
        return f"{to_text(self.place.url.encode())}/{to_text(key)}"

    def _kept(self, key: bytes, stage: Stage) -> _Kept:
        path_of(key, stage)
        try:
            return self._objects[self._prefix + key]
        except KeyError:
            raise PictureError(
                stage,
                Reason.NOT_FOUND,
                "expected the object that was listed, got none: it is gone since; bring it back",
            ) from None
