"""What a worker does with one picture: fetch, convert, store, within the limits."""

from __future__ import annotations

import math
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from optimizr import convert
from optimizr.budget import Budget, Hold, OverBudget
from optimizr.config import Settings
from optimizr.convert import Converted, Header, Options, Probed, alone
from optimizr.errors import (
    Cancelled,
    EnvironmentStop,
    PictureError,
    Reason,
    Stage,
    mistake,
)
from optimizr.events import (
    ImageConverted,
    ImageFailed,
    ImageSkipped,
)
from optimizr.hooks import NOBODY, Hooks
from optimizr.labels import Labels
from optimizr.limits import Limits
from optimizr.options import options_of
from optimizr.outcomes import failed, returned
from optimizr.outlet import Outlet
from optimizr.source import Item
from optimizr.stopwatch import Stopwatch
from optimizr.store import Store, Writer, changed
from optimizr.twins import Twin, Twins, digest_of
from optimizr.units import format_size

Outcome = ImageConverted | ImageSkipped | ImageFailed

_GRACE_SECONDS = 5.0
"""How long after its timeout a picture may take to be stopped."""


class Job:
    """Turns an item into its outcome. Called from many threads at once."""

    def __init__(
        self,
        source: Store,
        output: Writer,
        settings: Settings,
        limits: Limits,
        hooks: Hooks = NOBODY,
        labels: Labels | None = None,
    ) -> None:
        """Take what a picture needs on its way."""
        self._source = source
        self._limits = limits
        self._hooks = hooks
        self.options = options_of(settings)
        """How pictures are read and encoded."""
        self._max_file_size = settings.limits.max_file_size
        self._outlet = Outlet(
            *(source, output, settings, self.options, hooks),
            *(labels or Labels(settings), self._check_wanted),
        )
        self._twins = Twins(limits.remembered)
        self._cancelled = threading.Event()
        self._converting: dict[int, tuple[Item, Stopwatch, float]] = {}
        """By thread: what is being converted, and when it must have been stopped."""
        self._taken: dict[int, Item] = {}  # by thread, as it was taken

    def __call__(self, item: Item) -> tuple[Item, Outcome]:
        """Do one picture; give it as it was found to be, too.

        Raises EnvironmentStop and, after `cancel`, Cancelled: any other error is this picture's.
        """
        watch = Stopwatch()
        self._taken[threading.get_ident()] = item
        item, outcome = self._outcome(item, watch)
        self._hooks.ended(outcome, watch)
        return item, outcome

    def _outcome(self, item: Item, watch: Stopwatch) -> tuple[Item, Outcome]:
        try:
            item, skipped = self._hooks.check(item)
            return item, skipped or self._convert(item, watch)
        except PictureError as error:
            if self._hooks.returns(item, error):
                return item, returned(item, error.reason)
            return item, self._failed(item, watch, self._hooks.failing(item, error))
        except (EnvironmentStop, Cancelled):
            raise
        except Exception as error:  # noqa: BLE001 - a mistake of ours must not lose the others
            ours = PictureError(watch.stage, Reason.INTERNAL_ERROR, mistake(error))
            return item, self._failed(item, watch, ours, traceback.format_exc())

    def cancel(self) -> None:
        """Stop all conversions; nothing is written from now on. They raise Cancelled soon."""
        self._cancelled.set()
        self._twins.stop()

    def _convert(self, item: Item, watch: Stopwatch) -> Outcome:
        self._refuse_early(item)
        with self._reserve(self._limits.fetched, item.size, "reading it"):
            data = self._fetch(item, watch)
            self._check_wanted()
            self._hooks.decoding(item.key, item.output)
            if item.alone:  # its bytes may take the process down: nobody else waits for that
                return self._encode(item, data, watch)[0]
            with self._twins.turn(digest_of(data)) as turn:
                outcome = self._repeat(item, data, turn.twin, watch)
                if outcome is None:
                    outcome, turn.twin = self._encode(item, data, watch)
        return outcome

    def _repeat(
        self, item: Item, data: bytes, twin: Twin | None, watch: Stopwatch
    ) -> Outcome | None:
        """Let a picture have what its twin has; None if there is nothing to be had."""
        self._check_wanted()  # it may have waited for its turn
        if twin is None or twin.key == item.key:
            return None
        with self._reserve(self._limits.peak, twin.facts.output_bytes, "its WebP"):
            return self._outlet.repeat(item, data, twin, watch)

    def _encode(self, item: Item, data: bytes, watch: Stopwatch) -> tuple[Outcome, Twin | None]:
        with self._made(item, data, watch) as (header, made):
            return self._outlet.store(item, data, header, made, watch)

    @contextmanager
    def _made(
        self, item: Item, data: bytes, watch: Stopwatch
    ) -> Iterator[tuple[Header, Converted]]:
        """Give the header and the WebP, and keep the memory that this one takes."""
        limits = self._limits
        if item.alone:
            # Its size is not known: even to read its header may take the process down.
            with limits.peak.hold(limits.peak.total), limits.slots.hold(1):
                with watch.lap(Stage.CONVERT):
                    found = alone.convert(data, self.options, limits.peak.total, self._cancelled)
                yield found
            return
        with watch.lap(Stage.PROBE):
            picture = convert.probe(data, self.options)
        asked = self._options_for(picture.header, len(data))
        options, peak = convert.fit(picture, asked, limits.peak.total)
        if peak > limits.peak.total and convert.may_have_idle_alpha(picture):
            picture = self._looked_at(picture, watch)
            options, peak = convert.fit(picture, asked, limits.peak.total)
        with self._reserve(limits.peak, peak, f"{picture.header.size} pixels") as held:
            with limits.slots.hold(1), self._watched(item, watch), watch.lap(Stage.CONVERT):
                made = convert.convert(picture, options, self._cancelled)
            held.shrink(len(made.data))
            yield picture.header, made

    def _options_for(self, header: Header, size: int) -> Options:
        effort = self._hooks.effort(header, size)
        return self.options if effort is None else replace(self.options, effort=effort)

    def _looked_at(self, picture: Probed, watch: Stopwatch) -> Probed:
        """See whether the transparency that would take too much memory is there at all."""
        amount = convert.look_bytes(picture)
        with (
            self._reserve(self._limits.peak, amount, f"a look at {picture.header.size} pixels"),
            self._limits.slots.hold(1),
            watch.lap(Stage.PROBE),
        ):
            return convert.without_alpha(picture, self.options, self._cancelled)

    def _check_wanted(self) -> None:
        if self._cancelled.is_set():
            raise Cancelled

    @contextmanager
    def _watched(self, item: Item, watch: Stopwatch) -> Iterator[None]:
        """Keep note of a conversion, so that others can see when it does not end."""
        limit = time.monotonic() + self.options.timeout_seconds + _GRACE_SECONDS
        self._converting[threading.get_ident()] = (item, watch, limit)
        try:
            yield
        finally:
            del self._converting[threading.get_ident()]

    def overdue(self) -> list[tuple[Item, tuple[Item, ImageFailed]]]:
        """Give what was to be stopped at its timeout and goes on all the same, as failed.

        With each comes the item as it was taken. Some decoders look at nothing while they are at
        work. Such a thread cannot be stopped, only left alone; its slot and its bytes stay taken.
        """
        now, failures = time.monotonic(), []
        for thread, (item, watch, limit) in list(self._converting.items()):
            if now > limit:
                self._twins.give_up(thread)
                failed = self._failed(item, watch, convert.timeout(self.options))
                failures.append((self._taken[thread], (item, failed)))
        return failures

    def _refuse_early(self, item: Item) -> None:
        if item.problem is not None:
            raise item.problem
        if item.size > self._max_file_size:
            raise PictureError(
                Stage.FETCH,
                Reason.TOO_LARGE_FILE,
                f"expected at most {format_size(self._max_file_size)}, got a file of "
                f"{format_size(item.size)}; raise limits.max_file_size",
            )

    def _fetch(self, item: Item, watch: Stopwatch) -> bytes:
        with watch.lap(Stage.FETCH):
            data, head = self._source.get(item.key, item.version)
        if head.version != item.version or len(data) != item.size:
            raise changed()
        return data

    @contextmanager
    def _reserve(self, budget: Budget, amount: int, what: str) -> Iterator[Hold]:
        """Hold bytes, or say that they can never be had."""
        try:
            with budget.hold(amount) as hold:
                yield hold
        except OverBudget as over:
            needed = self._limits.memory_for(budget, amount)
            raise PictureError(
                Stage.RESERVE,
                Reason.TOO_LARGE_FOR_MEMORY,
                f"expected to need at most {format_size(over.total)} of memory, but {what} takes "
                f"{format_size(amount)}; raise pool.memory to {math.ceil(needed / 1e6)}MB or more",
            ) from None

    def _failed(
        self, item: Item, watch: Stopwatch, error: PictureError, trace: str | None = None
    ) -> ImageFailed:
        return failed(item, self._source.full_path(item.key), error, watch, trace)
