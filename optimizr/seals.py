"""What a finished run leaves for the next one, so that it need not ask each output about itself.

Listings tell the versions of pictures and of outputs, but not which output was made from which
version with which settings. A ledger would know; a bucket has none unless one is given. So a run
cuts the listing into stretches of about a thousand pictures, and of each writes down one number: a
sum over what is done in it, of a hash of the picture's key, its version, and its output's version.
The next run makes the same sum of what it finds listed. If it is the same, then every output that
stands in that stretch was made from its picture as it is now, and nothing needs to be asked; any
change to any of them makes another number, and then the outputs of that stretch are asked.

Cuts are made by what keys are, not by how many came before, so a new picture changes one stretch.
A sum says of some versions that they belong together. That stays true whatever happens, so it does
no harm if one is written too late, or twice, or is lost. 128 bits make a chance agreement of the
order of 1 in 10^38.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from optimizr.config import Settings
from optimizr.errors import PictureError
from optimizr.ledger.makings import names_of
from optimizr.source import Item
from optimizr.store import OWN_FOLDER, UNSURE, Standing, Store

_MEAN = 1024
"""Pictures of a stretch, about."""
_MOST = 4 * _MEAN
"""Pictures of a stretch, at most: they are kept in memory while it is read."""
_SUM = 1 << 128


class Found(NamedTuple):
    """A picture, with what is listed at its output's key."""

    item: Item
    standing: Standing | None
    may_be_copied: bool = False
    """Whether something stands at the picture's own key, if that matters."""
    is_sealed: bool = False
    """Whether what stands there is up to date."""


class Seals:
    """Those that runs before have left in an output, and those of this run."""

    def __init__(self, output: Store, settings: Settings) -> None:
        """Read what a run with the same settings has left. Raises EnvironmentStop.

        What an earlier attempt at this very run has left vouches for nothing: the outputs must be
        asked, to count those that it made.
        """
        self._output = output
        self._key = _key(settings)
        self._made_with = list(names_of(settings))
        self._run_id = settings.run_id
        self._is_resumed = False
        self._known = frozenset(self._left())
        self._sums: dict[int, int] = {}
        """By the number of the stretch."""
        self._lock = threading.Lock()

    def stretches(self, listed: Iterable[Found]) -> Iterator[Found]:
        """Yield what is listed, and say whether a stretch's seal vouches for it.

        Items are numbered by their stretches. Used by one thread at a time.
        """
        stretch: list[Found] = []
        number = 1
        for found in listed:
            stretch.append(found._replace(item=found.item._replace(stretch=number)))
            if _hash(found.item.key) % _MEAN == 0 or len(stretch) >= _MOST:
                yield from self._looked_at(stretch)
                stretch, number = [], number + 1
        yield from self._looked_at(stretch)

    def _looked_at(self, stretch: list[Found]) -> list[Found]:
        total = 0
        for item, standing, *_ in stretch:
            if standing is UNSURE:
                return stretch
            if standing is not None:
                total += _of(item, standing.version)
        if self._is_resumed or total % _SUM not in self._known:
            return stretch
        return [found._replace(is_sealed=found.standing is not None) for found in stretch]

    def add(self, item: Item, version: str) -> None:
        """Take note that the output of this version was made from the item, as this run would.

        From any thread.
        """
        if item.stretch and version:
            with self._lock:
                total = self._sums.get(item.stretch, 0) + _of(item, version)
                self._sums[item.stretch] = total % _SUM

    def save(self, is_whole: bool) -> None:
        """Leave them for the next run; if this did not come to its end, those before it too.

        Raises EnvironmentStop or PictureError.
        """
        with self._lock:
            sums = set(self._sums.values()) | (set() if is_whole else self._known)
        if sums != self._known:
            left = {
                "settings": self._made_with,
                "run_id": self._run_id,
                "sums": [f"{total:032x}" for total in sorted(sums)],
            }
            self._output.put(self._key, json.dumps(left).encode())

    def _left(self) -> Iterator[int]:
        try:
            data, _ = self._output.get(self._key)
            left = json.loads(data)
            if left["settings"] == self._made_with:
                self._is_resumed = self._run_id is not None and left.get("run_id") == self._run_id
                yield from [int(total, 16) for total in left["sums"]]
        except (PictureError, ValueError, TypeError, KeyError):
            return  # there are none, or none of ours: then outputs are asked


def _key(settings: Settings) -> bytes:
    shard = settings.shard.name
    return OWN_FOLDER + (f"/seals-{shard}.json" if shard else "/seals.json").encode()


def _hash(key: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(key, digest_size=8).digest())


def _of(item: Item, version: str) -> int:
    digest = hashlib.blake2b(digest_size=16)
    for part in (item.key, item.version.encode(), version.encode()):
        digest.update(len(part).to_bytes(8) + part)
    return int.from_bytes(digest.digest())
