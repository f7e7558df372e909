"""What differs from cloud to cloud: how one is reached, how it lists, and how it signs.

obstore moves the bytes of all of them. It cannot list a bucket that has a key which is no path in
its sense (`a//b.jpg`, `d/./x`): such a key makes it give up the whole listing. So listing is done
by each cloud's own SDK, which knows keys as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from optimizr.store import Object

if TYPE_CHECKING:
    from optimizr.store.cloud.objects import Objects


class Page(NamedTuple):
    """Some of a listing."""

    objects: Sequence[Object]
    """With whole keys, as the bucket has them."""
    next: str | None
    """What to ask for the next page with; None after the last."""


@dataclass(frozen=True)
class Backend:
    """A bucket that is reached."""

    objects: Objects
    """Reading and writing, each once."""
    page: Callable[[str, str | None, int], Page]
    """Gives a page of at most so many keys with a prefix. Raises Refusal."""
    sign: Callable[[Sequence[str], timedelta], Sequence[str]]
    """Gives a URL each that anybody may read the object by, for so long. Raises Refusal."""
    ends_before: Callable[[timedelta], bool] = lambda _span: False
    """Tells whether the credentials that sign may end sooner than in so long."""
