"""The store in a bucket: bytes go from there to memory and back, and never by way of a disk.

A picture is put in one request, so whoever looks sees the whole of it or none, and a run that is
killed leaves no parts behind. Words with each output say what it was made from and with what.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from functools import cached_property
from typing import TypeVar

from optimizr.errors import PictureError, Reason, Stage
from optimizr.keys import to_text
from optimizr.patience import Patience
from optimizr.sections import PublishSettings, StoreSettings
from optimizr.store import CHUNK, OWN_FOLDER, Chunks, Head, Label, Object, Standing, only_of
from optimizr.store.addresses import path_of
from optimizr.store.cloud.backend import Backend
from optimizr.store.cloud.refusals import Refusal
from optimizr.store.place import WEB, Place
from optimizr.store.verdicts import about_object, about_store, unusable
from optimizr.store.words import label_of, words_of

R = TypeVar("R")

_PAGE = 1000
"""Keys a listing asks for at once: the most that S3 gives."""
_ONE_PUT = 16 << 20
"""Bytes of a report's file that are put in one request; a longer one in several."""
_GIVE_UP_SECONDS, _LAST_SECONDS = 5.0, 6.0
"""Once a run is to end: how long to wait for a store that does not answer, and for any request."""
_PROBE = OWN_FOLDER + b"/probe"


class BucketStore:
    """A place in a bucket. Keys are those below it. Its methods may be called from any thread."""

    keeps_labels = True

    def __init__(
        self,
        place: Place,
        connect: Callable[[], Backend],
        settings: StoreSettings,
        publish: PublishSettings,
        leave_out: Iterable[Place] = (),
    ) -> None:
        """Name the place; it is reached when it is first asked for something.

        Listing passes over what is within the places `leave_out`, unless one is the place itself.
        """
        self.place = place
        self._connect = connect
        self._cache_control = publish.cache_control
        self._prefix = place.beginning
        self._left_out = place.beginnings(leave_out)
        give_up = settings.give_up_after.total_seconds()
        self._patiently = Patience(place.url, give_up, lambda: self.trouble() is None)
        # A store that is full, or of which only half is up, may be read and not written to.
        self._put_patiently = Patience(place.url, give_up, self._takes_any)

    @cached_property
    def _backend(self) -> Backend:
        return self._connect()

    def check(self, setting: str) -> None:
        """See that it can be listed, before anything is begun.

        Raises ConfigError, EnvironmentStop if it does not answer.
        """
        try:
            self._patiently(lambda: self._backend.page(self._prefix, None, 1))
        except Refusal as refusal:
            raise unusable(setting, self.place, "be listed", refusal) from None

    def prepare(self) -> None:
        """See that it can be written to. Raises ConfigError or EnvironmentStop."""
        path = self._path(_PROBE)
        try:
            self._put_patiently(lambda: self._backend.objects.put(path, b"", {}))
        except Refusal as refusal:
            raise unusable("output", self.place, "be written to", refusal) from None
        try:
            self._patiently(lambda: self._backend.objects.delete(path))
        except Refusal:
            return  # who may write may not always delete; the next run writes it again

    def hurry(self) -> None:
        """Wait no longer than some seconds from now on: the run is to end."""
        for ask in (self._patiently, self._put_patiently):
            ask.give_up_seconds = min(ask.give_up_seconds, _GIVE_UP_SECONDS)
            ask.last_seconds = _LAST_SECONDS

    def sweep(self) -> None:
        """Do nothing: what is not put whole is not there."""

    def trouble(self, writing: bool = False) -> str | None:  # noqa: ARG002 - see the protocol
        """Tell what keeps it from answering just now."""
        try:
            if self.place.scheme in WEB:
                self._backend.objects.head(self._path(_PROBE))
            else:
                self._backend.page(self._prefix, None, 1)
        except Refusal as refusal:
            if self.place.scheme not in WEB or refusal.status != 404:
                return f"{self.place.url}: {refusal}"
        return None

    def _takes_any(self) -> bool:
        path = self._path(_PROBE)
        try:
            self._backend.objects.put(path, b"", {})
            self._backend.objects.delete(path)
        except Refusal as refusal:
            return not refusal.is_passing
        return True

    def objects(self) -> Iterator[Object]:
        """List everything below the place, a page at a time. Raises EnvironmentStop."""
        token: str | None = None
        while True:
            try:
                page = self._patiently(lambda: self._backend.page(self._prefix, token, _PAGE))  # noqa: B023
            except Refusal as refusal:
                raise about_store(self.place, refusal) from None
            for found in page.objects:
                key = found.key[len(self._prefix.encode()) :]
                if self.contains(key):
                    yield self._checked(found._replace(key=key))
            token = page.next
            if token is None:
                return

    def _checked(self, found: Object) -> Object:
        try:
            self._path(found.key, Stage.LIST)
        except PictureError as problem:
            return found._replace(problem=problem)
        return found

    def contains(self, key: bytes) -> bool:
        """Tell whether a key is one that a listing would have, if something stands there."""
        return bool(key) and not self._is_left_out(key)

    def _is_left_out(self, key: bytes) -> bool:
        return key.startswith(self._left_out) or OWN_FOLDER in key.split(b"/")[:-1]

    def head(self, key: bytes) -> Head:
        """Ask for size and version. Raises PictureError or EnvironmentStop."""
        path = self._path(key, Stage.LIST)
        return self._ask(Stage.LIST, key, lambda: self._backend.objects.head(path)).head

    def find(self, key: bytes) -> Standing | None:
        """Tell what stands at a key, and its label. Raises PictureError or EnvironmentStop."""
        path = self._path(key)
        try:
            found = self._ask(Stage.STORE, key, lambda: self._backend.objects.head(path))
        except PictureError as error:
            if error.reason is Reason.NOT_FOUND:
                return None
            raise
        words = found.words
        return Standing(found.head.size, found.mtime_ns, label_of(words), found.head.version)

    def get(self, key: bytes, version: str = "") -> tuple[bytes, Head]:
        """Read the whole object, if it is of that version. Raises PictureError or EnvironmentStop.

        That an object was replaced is seen from its headers, before any of it is read.
        """
        path = self._path(key, Stage.FETCH)
        check = only_of(version)
        return self._ask(Stage.FETCH, key, lambda: self._backend.objects.read(path, check))

    def get_chunks(self, key: bytes) -> Chunks:
        """Open what is read piece by piece, each in a request of its own; raises what `get` does.

        Each answer's headers say whether it is a piece of the same version still.
        """
        path = self._path(key, Stage.FETCH)
        head = self._ask(Stage.FETCH, key, lambda: self._backend.objects.head(path)).head

        def chunk(at: int) -> bytes:
            # Not all web servers give parts; what is small needs none.
            part = None if head.size <= CHUNK else (at, min(at + CHUNK, head.size))
            read = self._backend.objects.read
            data = self._ask(Stage.FETCH, key, lambda: read(path, only_of(head.version), part))[0]
            return data if part else data[at:]

        return Chunks(head.size, lambda start: map(chunk, range(start, head.size, CHUNK)))

    def put(
        self, key: bytes, data: bytes, label: Label | None = None, new: bool = False
    ) -> str | None:
        """Write the whole object in one request; with `new` only if nothing stands there.

        Gives its version, None if something stands there. Raises PictureError or EnvironmentStop.
        """
        path = self._path(key)
        words = words_of(key, label, self._cache_control)
        try:
            return self._put_patiently(lambda: self._backend.objects.put(path, data, words, new))
        except Refusal as refusal:
            if new and refusal.status == 412:
                return None
            raise about_object(self.place, key, Stage.STORE, refusal) from None

    def clone(
        self,
        key: bytes,
        original: bytes,
        version: str,
        label: Label | None = None,
        new: bool = False,
    ) -> str | None:
        """Write what stands at the key `original` as `put` does; raises what `get` and `put` do.

        By way of memory: a copy made by the service has the words of the original, its label too,
        and but for S3 the versions of two sources that a label tells of are never the same.
        """
        return self.put(key, self.get(original, version)[0], label, new)

    def put_chunks(self, key: bytes, chunks: Callable[[], Iterable[bytes]]) -> None:
        """Write what does not fit into memory; raises what `put` does."""
        begun = bytearray()
        for chunk in chunks():
            begun += chunk
            if len(begun) > _ONE_PUT:
                break
        else:
            self.put(key, bytes(begun))
            return
        path, words = self._path(key), words_of(key, None, None)
        try:
            self._put_patiently(lambda: self._backend.objects.put(path, chunks(), words))
        except Refusal as refusal:
            raise about_object(self.place, key, Stage.STORE, refusal) from None

    def remove(self, key: bytes) -> None:
        """Remove an object, if it is there. Raises PictureError or EnvironmentStop."""
        path = self._path(key)
        try:
            self._ask(Stage.STORE, key, lambda: self._backend.objects.delete(path))
        except PictureError as error:
            if error.reason is not Reason.NOT_FOUND:
                raise

    def sign(self, keys: Sequence[bytes], span: timedelta) -> Sequence[str]:
        """Give a URL each that anybody may read the object by, for so long: a credential.

        Raises PictureError or EnvironmentStop.
        """
        paths = [self._path(key) for key in keys]
        return self._ask(Stage.STORE, b"", lambda: self._backend.sign(paths, span))

    def ends_before(self, span: timedelta) -> bool:
        """Tell whether the credentials that sign may end sooner than in so long."""
        return self._backend.ends_before(span)

    def identity(self, key: bytes) -> tuple[str, str, bytes]:
        """Tell apart the object at a key, whether it is there or not."""
        return self.place.scheme, self.place.bucket, self._prefix.encode() + key

    def full_path(self, key: bytes) -> str:
        """Give the URL, as text that `optimizr.keys` reads back."""
        return f"{to_text(self.place.url.encode())}/{to_text(key)}"

    def _path(self, key: bytes, stage: Stage = Stage.STORE) -> str:
        return path_of(self._prefix.encode() + key, stage)

    def _ask(self, stage: Stage, key: bytes, request: Callable[[], R]) -> R:
        try:
            return self._patiently(request)
        except Refusal as refusal:
            told = self._explained(refusal)
            raise about_object(self.place, key, stage, told) from None

    def _explained(self, refusal: Refusal) -> Refusal:
        """Learn why, where the answer had no body to say so: to HEAD it has none.

        S3 answers 400 if a token has expired, which is no fault of that one object.
        """
        if refusal.code or refusal.status not in (400, 403):
            return refusal
        try:
            self._backend.page(self._prefix, None, 1)
        except Refusal as told:
            return told if told.is_of_credentials else refusal
        return refusal
