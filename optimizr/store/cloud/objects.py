"""What is done with one object of a bucket, through obstore: its errors become Refusal here.

Nothing is tried again here, and nothing is decided: see `patience` and `bucket`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from io import BytesIO
from typing import TYPE_CHECKING, NamedTuple

import obstore
from obstore.store import S3Store

from optimizr.store import Head
from optimizr.store.cloud.refusals import Refusal, refusal_of

if TYPE_CHECKING:
    from obstore.store import ObjectStore

_CHUNK = 1 << 20
"""Bytes that are read at once."""


class Found(NamedTuple):
    """What an object's headers say."""

    head: Head
    mtime_ns: int
    words: Mapping[str, str]
    """Content type and the like, and what it was labelled with."""


class Objects:
    """The objects of one bucket. `version_of` says which of its properties tells its versions."""

    def __init__(self, store: ObjectStore, version_of: str = "e_tag") -> None:
        self._store = store
        self._version_of = version_of

    def head(self, path: str) -> Found:
        """Ask for an object's headers. Raises Refusal."""
        with _translated():
            # `obstore.head` leaves the words out.
            return self._found(obstore.get(self._store, path, options={"head": True}))

    def read(
        self, path: str, check: Callable[[Head], None], part: tuple[int, int] | None = None
    ) -> tuple[bytes, Head]:
        """Read the whole object, or the part from one offset up to another. Raises Refusal.

        `check` sees the whole object's head first, and may raise.
        """
        with _translated():
            response = obstore.get(self._store, path, options={"range": part} if part else None)
            head = self._found(response).head
            check(head)
            data = BytesIO()  # whose value is no copy
            for chunk in response.stream(min_chunk_size=_CHUNK):
                data.write(chunk)
        start, end = part or (0, head.size)
        if data.tell() != end - start:
            raise Refusal(None, "a cut answer")
        return data.getvalue(), head

    def put(
        self, path: str, data: bytes | Iterable[bytes], words: dict[str, str], new: bool = False
    ) -> str:
        """Write an object: bytes in one request, an iterable in parts. Raises Refusal.

        Gives its version, empty if the store does not tell it.
        """
        with _translated():
            put = obstore.put(
                self._store,
                path,
                data,
                attributes=words,
                mode="create" if new else "overwrite",
                use_multipart=not isinstance(data, bytes),
            )
        return str(put[self._version_of] or "")  # type: ignore[literal-required]

    def delete(self, path: str) -> None:
        """Remove an object. Raises Refusal."""
        with _translated():
            obstore.delete(self._store, path)

    def sign(self, paths: Sequence[str], span: timedelta) -> Sequence[str]:
        """Give a URL each, of S3, that anybody may read the object by. Raises Refusal."""
        with _translated():
            assert isinstance(self._store, S3Store)
            return obstore.sign(self._store, "GET", paths, span)

    def _found(self, response: obstore.GetResult) -> Found:
        meta = response.meta
        version = str(meta[self._version_of] or meta["last_modified"].timestamp())  # type: ignore[literal-required]
        return Found(
            Head(meta["size"], version),
            int(meta["last_modified"].timestamp() * 1e9),
            response.attributes,
        )


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (obstore.exceptions.BaseError, OSError, ValueError) as error:
        raise refusal_of(error) from None
