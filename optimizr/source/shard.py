"""Which of several runs does a picture: the one that a hash of its key says, whatever the order."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Shard:
    """One of `count` parts."""

    index: int = 0
    count: int = 1

    def has(self, key: bytes) -> bool:
        """Tell whether a key belongs to this part.

        Letter case and extension do not count: a.jpg and a.png can have the same output, now or
        once one is renamed, and a shard knows its own outputs only. BLAKE2b of what is left is the
        same on every machine.
        """
        if self.count == 1:
            return True
        stem = os.path.splitext(key)[0].decode("utf-8", "surrogateescape").casefold()
        digest = hashlib.blake2b(stem.encode("utf-8", "surrogateescape"), digest_size=8).digest()
        return int.from_bytes(digest) % self.count == self.index


WHOLE = Shard()
