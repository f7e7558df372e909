"""Pictures of equal bytes: the first of them is encoded, the others get what came of it.

Settings are the same for all pictures of a run, so equal bytes give an equal WebP. They are told by
a hash that nobody can craft a second picture for: files come from strangers.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from blake3 import blake3

from optimizr.outcomes import Facts

_ENTRY_BYTES = 780
"""What a picture takes that is remembered, beside its names and the version of its output."""


def digest_of(data: bytes) -> bytes:
    """Hash a picture's bytes: 32 bytes of BLAKE3, so that a clash would take 2^128 tries."""
    return blake3(data).digest()


class Twin(NamedTuple):
    """A picture that was encoded, for those of equal bytes."""

    key: bytes
    output: bytes
    version: str
    """Of the output as it was put; empty if `policy.if_larger` had it not put."""
    facts: Facts

    @property
    def memory(self) -> int:
        """Bytes that it takes to remember."""
        why = self.facts.why or ""
        return _ENTRY_BYTES + len(self.key) + len(self.output) + len(self.version) + len(why)


class Turn:
    """A picture that is at its bytes, alone unless it has waited for another one in vain."""

    def __init__(self, twin: Twin | None) -> None:
        """Begin with what is known of an equal picture."""
        self.twin = twin
        """What others of equal bytes are to go by; to be set once the picture is encoded."""
        self.thread = threading.get_ident()
        self.over = threading.Event()
        self.is_given_up = False


class Twins:
    """The pictures that were encoded lately: a bounded map from digests, least used first out.

    Also who is at which bytes just now: others of equal bytes wait for it. A turn at bytes is had
    between the bytes fetched and the peak (see `limits`), so no circle can come of it: who waits
    for one has its bytes and nothing else, and who is waited for needs no more of these.
    """

    def __init__(self, most_bytes: int) -> None:
        """Remember as many pictures as fit into so much memory."""
        self._most_bytes = most_bytes
        self._bytes = 0
        self._lock = threading.Lock()
        self._known: OrderedDict[bytes, Twin] = OrderedDict()
        self._turns: dict[bytes, Turn] = {}
        self._is_over = False

    def __len__(self) -> int:
        """Count the pictures that are remembered."""
        return len(self._known)

    @contextmanager
    def turn(self, digest: bytes) -> Iterator[Turn]:
        """Have a turn at these bytes, after whoever is at them; its `twin` is remembered.

        Who finds still others at them after that goes on all the same: the first has failed, and
        if each waited for the next one to fail, their timeouts would add up.
        """
        turn = self._begin(digest)
        try:
            yield turn
        finally:
            self._end(digest, turn)

    def give_up(self, thread: int) -> None:
        """Let nobody wait for a thread any longer: what it is at will not end."""
        with self._lock:
            for digest, turn in list(self._turns.items()):
                if turn.thread == thread:
                    turn.is_given_up = True
                    del self._turns[digest]
                    turn.over.set()

    def stop(self) -> None:
        """Let nobody wait for anybody from now on."""
        with self._lock:
            self._is_over = True
            for turn in self._turns.values():
                turn.over.set()

    def _begin(self, digest: bytes) -> Turn:
        with self._lock:
            first = self._turns.get(digest)
            if first is None or self._is_over:
                return self._enter(digest)
        first.over.wait()
        with self._lock:
            return self._enter(digest)

    def _enter(self, digest: bytes) -> Turn:
        twin = self._known.get(digest)
        turn = Turn(twin)
        if twin is not None:
            self._known.move_to_end(digest)
        elif digest not in self._turns:
            self._turns[digest] = turn
        return turn

    def _end(self, digest: bytes, turn: Turn) -> None:
        with self._lock:
            if self._turns.get(digest) is turn:
                del self._turns[digest]
            if turn.twin is not None and not turn.is_given_up:
                self._remember(digest, turn.twin)
        turn.over.set()

    def _remember(self, digest: bytes, twin: Twin) -> None:
        before = self._known.pop(digest, None)
        self._known[digest] = twin
        self._bytes += twin.memory - (before.memory if before is not None else 0)
        while self._bytes > self._most_bytes:
            _, gone = self._known.popitem(last=False)
            self._bytes -= gone.memory
