"""`webp.effort auto`: CPU time goes where it saves most bytes.

Each step to a higher effort costs CPU time, in proportion to a picture's pixels, and saves bytes,
in proportion to those of its WebP. Of the steps of all pictures seen lately those that save most
for each second are taken until the budget is spent; what the last of them saves for a second is the
price, which each new picture's steps must be worth.

What a step costs and saves is much the same for all pictures, but for two factors that are learned
on the way: the seconds for a pixel, and a WebP's bytes for each byte of its original, by format.
CPU time is counted as the time that a picture holds its CPU slot.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict, deque
from dataclasses import dataclass
from typing import NamedTuple

from optimizr import counting
from optimizr.config import Settings
from optimizr.convert import Header
from optimizr.errors import ConfigError
from optimizr.events import Event, ImageConverted
from optimizr.limits import Limits
from optimizr.live import Live
from optimizr.queue.address import is_queue

_SEEN = 256
"""Pictures by which the price is found."""
_EACH = 8
"""Pictures after which it is found anew."""
_KEPT = 0.99
"""Of what was learned, with each picture."""
_SECONDS, _PRIOR_PIXELS = 60e-9, 1e5
"""For a pixel at effort 4, until more is known."""
_SHARE, _PRIOR = 0.3, 1e4
"""A WebP's bytes for one of its original, until more is known."""
_REPAID = 256
"""Pictures in which what was spent too much or too little is made up for."""
_SAFE = 0.95
"""Of the time that is left until the deadline, what is given away."""


class Table(NamedTuple):
    """What efforts 0 to 6 cost and make, relative to effort 4.

    Between wallpapers (`python -m benchmarks.looks_constants efforts`) and small JPEGs (`python -m
    benchmarks.spending`), which differ most in what effort 6 takes.
    """

    cpu: tuple[float, ...]
    """Of decoding and encoding."""
    size: tuple[float, ...]


LOSSY = Table((0.34, 0.38, 0.46, 0.99, 1.0, 1.07, 1.43), (1.3, 1.22, 1.04, 1.0, 1.0, 0.98, 0.96))
LOSSLESS = Table((0.16, 0.38, 0.49, 0.56, 1.0, 1.7, 1.7), (1.26, 1.05, 1.03, 1.01, 1.0, 0.99, 0.98))


class Step(NamedTuple):
    """From one effort to a higher one; those between are not worth it."""

    effort: int
    cpu: float
    """How much more it takes, relative to effort 4."""
    size: float
    """How much less it makes, relative to effort 4."""


def steps(table: Table) -> list[Step]:
    """Give the steps from effort 0 on: each saves less for its CPU time than the one before."""
    found: list[Step] = []
    at = 0
    while at < 6:
        ahead = [
            Step(effort, table.cpu[effort] - table.cpu[at], table.size[at] - table.size[effort])
            for effort in range(at + 1, 7)
        ]
        best = max(ahead, key=lambda step: step.size / step.cpu)
        if best.size <= 0:
            break
        found.append(best)
        at = best.effort
    return found


class Work(NamedTuple):
    """What a picture is to the budget."""

    seconds: float
    """That it takes at effort 4."""
    size: float
    """Bytes that its WebP has at effort 4."""


def price(works: list[Work], table: Table, seconds: float) -> float:
    """Give what a second must save, in bytes, so that the pictures take `seconds` on average.

    Infinite if even effort 0 takes more, 0 if all effort takes no more.
    """
    left = seconds * len(works) - sum(table.cpu[0] * work.seconds for work in works)
    ahead = sorted(
        ((worth(work, step), step.cpu * work.seconds) for work in works for step in steps(table)),
        reverse=True,
    )
    for gain, cost in ahead:
        if cost > left:
            return gain if left > 0 else float("inf")
        left -= cost
    return 0.0


def worth(work: Work, step: Step) -> float:
    """Tell how many bytes a step saves for each second."""
    return step.size * work.size / max(1e-9, step.cpu * work.seconds)


def effort(work: Work, table: Table, least: float) -> int:
    """Give the effort of the last step that is worth the price."""
    taken = 0
    for step in steps(table):
        if worth(work, step) <= least:
            break
        taken = step.effort
    return taken


@dataclass
class Learned:
    """A ratio of sums that forget: large pictures count for more, and old ones for less."""

    above: float
    below: float

    @property
    def ratio(self) -> float:
        """Give what is known."""
        return self.above / self.below

    def add(self, above: float, below: float) -> None:
        """Learn of one more."""
        self.above = self.above * _KEPT + above
        self.below = self.below * _KEPT + below


class Efforts:
    """Chooses efforts, and learns from what came of them. Called by workers."""

    def __init__(self, settings: Settings, live: Live, limits: Limits) -> None:
        """Have the pictures counted, if there is a deadline.

        Raises ConfigError if there is one for a queue, which has no end.
        """
        webp = settings.webp
        self._chooses = webp.effort == "auto"
        self._table = LOSSLESS if webp.mode in ("lossless", "near_lossless") else LOSSY
        self._each = None if webp.cpu_per_image is None else webp.cpu_per_image.total_seconds()
        self._slots = limits.slots.total
        self._live = live
        self._lock = threading.Lock()
        self._spent = Learned(_SECONDS * _PRIOR_PIXELS, _PRIOR_PIXELS)
        """Seconds by pixels, as if all had been encoded with effort 4."""
        self._made: dict[str, Learned] = defaultdict(lambda: Learned(_SHARE * _PRIOR, _PRIOR))
        """Bytes of WebPs by bytes of their originals, by format, likewise."""
        self._works: deque[Work] = deque(maxlen=_SEEN)
        self._taken = 0
        self._saved_up = 0.0
        self._price: float | None = None
        """None until it is known: then no effort is chosen."""
        if webp.deadline is not None:
            self._end = time.monotonic() + webp.deadline.total_seconds()
            if is_queue(settings.input):
                raise ConfigError(
                    "webp.deadline: expected an input that ends, got a queue; set "
                    "webp.cpu_per_image"
                )
            counting.begin(settings, live)

    def __call__(self, header: Header, size: int) -> int | None:
        """Choose for a picture whose file has so many bytes; None to leave it as it is set."""
        if not self._chooses:
            return None
        with self._lock:
            work = self._work(header.pixels, size, header.format)
            self._works.append(work)
            self._taken += 1
            if self._taken % _EACH == 1:
                self._find_price()
            return None if self._price is None else effort(work, self._table, self._price)

    def learn(self, event: Event, seconds: float) -> None:
        """See what a picture took of its CPU slot, whatever became of it, and what was made."""
        is_made = isinstance(event, ImageConverted)
        if not self._chooses or not (is_made or seconds):
            return
        with self._lock:
            if self._each is not None:
                self._saved_up += self._each - seconds
            if isinstance(event, ImageConverted) and event.duplicate_of is None:
                self._learn_of(event, seconds)

    def _learn_of(self, event: ImageConverted, seconds: float) -> None:
        at, pixels = event.effort or 0, event.width * event.height * (event.frames or 1)
        self._spent.add(seconds, pixels * self._table.cpu[at])
        self._made[event.format].add(event.output_bytes, event.input_bytes * self._table.size[at])

    def _work(self, pixels: int, size: int, format_: str) -> Work:
        return Work(self._spent.ratio * pixels, self._made[format_].ratio * size)

    def _find_price(self) -> None:
        seconds = self._affordable()
        if seconds is not None:
            self._price = price(list(self._works), self._table, seconds)

    def _affordable(self) -> float | None:
        """Give the CPU time that the next pictures may take each; None if nobody knows yet."""
        if self._each is not None:
            return self._each + self._saved_up / _REPAID
        total = self._live.source_images
        if total is None:
            return None
        left = max(1, total - self._live.summary.total_files)
        return max(0.0, self._end - time.monotonic()) * _SAFE * self._slots / left
