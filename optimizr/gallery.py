"""Pictures for the report's page: picked while the run lasts, fetched and cut at its end.

Which pictures look worst, save the most, the least, and as much as most do, is known only at the
end. Until then a few are kept of the worst looks and for each percent of saving, which bounds the
memory however many there are.
"""

from __future__ import annotations

import math
import threading
import time
from bisect import insort
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from operator import attrgetter
from typing import Any, NamedTuple

from optimizr import convert
from optimizr.budget import OverBudget
from optimizr.convert import Crop, Options
from optimizr.errors import Cancelled, EnvironmentStop, PictureError
from optimizr.events import Event, ImageConverted
from optimizr.keys import from_text
from optimizr.limits import Limits
from optimizr.measures import saved_percent
from optimizr.pool import Pool, Stop
from optimizr.report.gallery import Kind, Pair
from optimizr.store import Store

WIDTH, HEIGHT = 288, 216
"""Pixels of a part, at most."""
_MOST_SECONDS = 30.0
"""How long all parts together may take; what is not cut by then is left out."""
_CANCEL_SECONDS = 2.0
"""How long what is cancelled may take to notice; libvips looks ten times a second."""
_SHARE = 8
"""Part of the memory budget that all parts may have: the page is made of several copies of them."""


class _Pick(NamedTuple):
    """A picture that may be shown, in the order of keys."""

    key: str
    output: str
    format: str
    input_bytes: int
    output_bytes: int
    look: float | None
    psnr_db: float | None

    def look_worst(self) -> tuple[float, float, str]:
        """Sort by look, and behind these, by PSNR, those of which no look is known."""
        unknown = math.inf
        look = unknown if self.look is None else self.look
        return look, unknown if self.psnr_db is None else self.psnr_db, self.key


def _keep(kept: list[_Pick], pick: _Pick, most: int, order: Callable[[_Pick], Any]) -> None:
    """Put a picture in its place among the first so many."""
    if len(kept) < most or (kept and order(pick) < order(kept[-1])):
        insort(kept, pick, key=order)
        del kept[most:]


class Gallery:
    """A reader of events that keeps a choice of pictures, and shows them at the end."""

    def __init__(
        self, store: Store, output: Store, options: Options, limits: Limits, count: int
    ) -> None:
        """Show at most `count` pictures, as many of each kind; 0 for none."""
        self.pairs: list[Pair] = []
        """What `make` has made."""
        self._store = store
        self._output = output
        self._options = options
        self._limits = limits
        self._count = count
        self._most_looks = count // 4
        self._most = self._most_looks + -(-(count - self._most_looks) // 3)
        """Of each percent: those that the looks may take, and as many as one kind may show."""
        self._bytes = 0
        self._cancelled = threading.Event()
        self._seen: Counter[int] = Counter()
        self._kept: dict[int, list[_Pick]] = {}
        """By percent saved: the first few by key."""
        self._worst_looks: list[_Pick] = []

    def __call__(self, event: Event) -> None:
        """Keep a picture, if it is among the first few that save as much, or the worst looks."""
        if not self._count or not isinstance(event, ImageConverted):
            return
        sizes = event.input_bytes, event.output_bytes
        looks = event.look, event.psnr_db
        pick = _Pick(event.key, event.output, event.format, *sizes, *looks)
        percent = saved_percent(*sizes)
        self._seen[percent] += 1
        if event.duplicate_of is not None:
            return  # one that looks the same is enough
        _keep(self._kept.setdefault(percent, []), pick, self._most, attrgetter("key"))
        if looks != (None, None):
            _keep(self._worst_looks, pick, self._most_looks, _Pick.look_worst)

    def make(self, stop: Stop) -> None:
        """Cut a part of each chosen picture and of its WebP, as many at once as there are slots.

        What has changed since, or cannot be had, is left out: the page is the better for a picture,
        and the run no worse without.
        """
        chosen = list(self._chosen())
        if not chosen or stop.requested or self._is_held():
            return
        convert.start(("webp",))
        for result in self._results(chosen, stop):
            if isinstance(result, Exception):
                stop.halt(result)
            elif result is not None:
                self._take(result)
        order = [pick.key for _, pick in chosen]
        self.pairs.sort(key=lambda pair: order.index(pair.key))

    def _is_held(self) -> bool:
        """Tell whether a picture that could not be stopped keeps what the others would wait for."""
        limits = self._limits
        return any(budget.held for budget in (limits.fetched, limits.peak, limits.slots))

    def _results(
        self, chosen: list[tuple[Kind, _Pick]], stop: Stop
    ) -> Iterator[Pair | Exception | None]:
        """Cut the parts in threads; cancel what is left once time is up, or the run is to stop."""
        end = time.monotonic() + _MOST_SECONDS
        own = Stop()
        pool = Pool(self._pair, min(len(chosen), self._limits.slots.total))
        for results in pool.run(chosen, own, _CANCEL_SECONDS):
            yield from results
            if stop.requested or time.monotonic() > end:
                own.halt(Cancelled())
                self._cancelled.set()

    def _take(self, pair: Pair) -> None:
        """Keep a pair, if the page has room for it."""
        size = len(pair.original) + len(pair.made)
        if self._bytes + size <= self._limits.budget // _SHARE:
            self._bytes += size
            self.pairs.append(pair)

    def _chosen(self) -> Iterator[tuple[Kind, _Pick]]:
        """Give the worst looks, and the best, the median and the worst savings, none twice."""
        looks = self._worst_looks[: min(self._count, self._seen.total()) // 4]
        shown = {pick.key for pick in looks}
        by_saving = [
            (percent, pick)
            for percent in sorted(self._kept)
            for pick in self._kept[percent]
            if pick.key not in shown
        ]
        third, rest = divmod(min(self._count - len(looks), len(by_saving)), 3)
        worst = [by_saving.pop(0) for _ in range(third + (rest > 1))]
        best = [by_saving.pop() for _ in range(third + (rest > 0))]
        middle = self._median()
        by_saving.sort(key=lambda saving: (abs(saving[0] - middle), saving[1].key))
        kinds: tuple[tuple[Kind, list[tuple[int, _Pick]]], ...] = (
            ("best", best),
            ("median", by_saving[:third]),
            ("worst", worst),
        )
        for pick in looks:
            yield "look", pick
        for kind, savings in kinds:
            for _, pick in savings:
                yield kind, pick

    def _median(self) -> int:
        half = self._seen.total() / 2
        for percent in sorted(self._seen):
            half -= self._seen[percent]
            if half <= 0:
                return percent
        return 0

    def _pair(self, chosen: tuple[Kind, _Pick]) -> Pair | None:
        kind, pick = chosen
        as_made = replace(self._options, formats=("webp",), max_width=None, max_height=None)
        try:
            original = self._part(self._store, pick.key, pick.input_bytes, self._options)
            made = self._part(self._output, pick.output, pick.output_bytes, as_made)
        except (PictureError, EnvironmentStop, OverBudget, Cancelled):
            return None
        if original is None or made is None or original[1:] != made[1:]:
            return None
        return Pair(kind, *pick, original.width, original.height, original.data, made.data)

    def _part(self, store: Store, key: str, size: int, options: Options) -> Crop | None:
        """Fetch a picture and cut its part; None if it is not the one that was converted."""
        limits = self._limits
        if store.head(from_text(key)).size != size:
            return None
        with limits.fetched.hold(size):
            data, _ = store.get(from_text(key))
            picture = convert.probe(data, options)
            options, peak = convert.fit(picture, options, limits.peak.total)
            with limits.peak.hold(peak), limits.slots.hold(1):
                return convert.crop(picture, options, WIDTH, HEIGHT, self._cancelled)
