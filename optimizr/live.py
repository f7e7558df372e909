"""What goes on just now: for those who ask while a run lasts.

Events tell what has happened. Whether a run is alive, ready, or waiting can only be told at the
moment of asking. The thread that runs writes this, any thread may read it: plain attributes, whose
values are swapped whole, so there is no lock and nothing to pay while nobody asks.
"""

from __future__ import annotations

import os
import time
from enum import StrEnum
from typing import Any, NamedTuple

from optimizr.config import COMPLETION_INDEX, Settings
from optimizr.errors import ConfigError
from optimizr.events import Identity, new_run_id
from optimizr.limits import Limits
from optimizr.monitor import Monitor, Waits
from optimizr.pool import Pool, Stop
from optimizr.queue.address import is_queue
from optimizr.summary import Summary


class Phase(StrEnum):
    """Where in its life a run is."""

    STARTING = "starting"
    """Nothing is taken up yet; it may be waiting for another run's lock."""
    WORKING = "working"
    DRAINING = "draining"
    """It was asked to end; pictures in flight are finished, no new ones are taken."""
    FINISHING = "finishing"
    """All pictures are done; the books are being closed."""
    FINISHED = "finished"


def identify(settings: Settings) -> Identity:
    """Name a process of a run.

    With a `run_id` shards are told apart by their places, and attempts at one by when they began.
    Workers of a queue share its messages as they come, so each is a run of its own.
    """
    own = new_run_id()
    if settings.run_id is None:
        return Identity(own, settings.shard.name or None)
    if is_queue(settings.input):
        return Identity(f"{settings.run_id}-{own}")
    return Identity(settings.run_id, settings.shard.name or None, attempt_id=own)


def check_shard(settings: Settings) -> None:
    """Refuse to let each pod of an Indexed Job do all pictures. Raises ConfigError.

    Workers of a queue share its messages, whatever their places.
    """
    index, shard = os.environ.get(COMPLETION_INDEX), settings.shard
    is_placed = shard.count > 1 or "index" in shard.model_fields_set
    if index and not is_placed and not is_queue(settings.input):
        raise ConfigError(
            f"shard.count: expected the completions of this Indexed Job, since {COMPLETION_INDEX} "
            f"is {index}, got 1; set OPTIMIZR_SHARD__COUNT to them, or, if this pod is to do all "
            "pictures, OPTIMIZR_SHARD__INDEX to 0"
        )


class Gauges(NamedTuple):
    """What the pool is at, looked at once."""

    waits: Waits
    cpu_user_seconds: float
    """Of the process, since the run began; so for the next."""
    cpu_system_seconds: float
    slots_in_use: int
    reserved_bytes: int
    """Of memory, by pictures fetched and by decoding and encoding."""


class Live:
    """A run as it is just now."""

    def __init__(self, stop: Stop, identity: Identity | None = None) -> None:
        """Begin with a run that is starting."""
        self.identity = identity or Identity(new_run_id())
        self.summary = Summary()
        """The newest one."""
        self.moved = time.monotonic()
        """When a picture last came to an end, or there was none in work."""
        self.source_images: int | None = None
        """How many pictures the source has in all; None until they are counted, if ever."""
        self.is_counted = False
        """Whether somebody counts them, or has."""
        self._stop = stop
        self._phase = Phase.STARTING
        self._work: tuple[Pool[Any, Any], Limits, Monitor] | None = None

    @property
    def phase(self) -> Phase:
        """Where the run is."""
        phase = self._phase
        return Phase.DRAINING if phase is Phase.WORKING and self._stop.requested else phase

    def enter(self, phase: Phase) -> None:
        """Go on to the next phase."""
        self.moved = time.monotonic()
        self._phase = phase

    def work(self, pool: Pool[Any, Any], limits: Limits, monitor: Monitor) -> None:
        """Begin to work; from now on there are gauges."""
        self._work = (pool, limits, monitor)
        self.enter(Phase.WORKING)

    def turn(self, has_results: bool, in_flight: int) -> None:
        """Take note of a turn of the thread that runs. If it hangs, that shows as standing still.

        Waiting for the source with nothing in work is no standing still.
        """
        if has_results or not in_flight:
            self.moved = time.monotonic()

    def gauges(self) -> Gauges | None:
        """Look at the pool; None before it works."""
        if self._work is None:
            return None
        _, limits, monitor = self._work
        user, system = monitor.cpu_seconds()
        return Gauges(
            monitor.waits(),
            user,
            system,
            limits.slots.held,
            limits.fetched.held + limits.peak.held,
        )

    @property
    def waits_for_source(self) -> bool:
        """Tell whether all workers wait for the next picture, with none in work."""
        if self._work is None:
            return False
        pool = self._work[0]
        return not pool.in_flight and pool.waited.waiting > 0
