"""How long a picture takes, stage by stage."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from optimizr.errors import Stage
from optimizr.events import milliseconds


class Lap(NamedTuple):
    """Time spent in a stage, by `time.perf_counter`, in seconds."""

    stage: Stage
    start: float
    end: float


class Stopwatch:
    """Laps of one picture, in order; waiting for limits is in none of them."""

    def __init__(self) -> None:
        self.start = time.perf_counter()
        self.laps: list[Lap] = []
        self.stage = Stage.LIST

    @contextmanager
    def lap(self, stage: Stage) -> Iterator[None]:
        """Count the time of a `with` block for a stage."""
        self.stage = stage
        start = time.perf_counter()
        try:
            yield
        finally:
            self.laps.append(Lap(stage, start, time.perf_counter()))

    def ms(self, *stages: Stage) -> float:
        """Give the time of some stages, or of all."""
        return milliseconds(
            sum(lap.end - lap.start for lap in self.laps if not stages or lap.stage in stages)
        )
