"""How long a picture takes, stage by stage."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from optimizr.errors import Stage
from optimizr.events import milliseconds


class Stopwatch:
    """Time spent in each stage, in seconds; waiting for limits is in none of them."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(Stage, 0.0)
        self.stage = Stage.LIST

    @contextmanager
    def lap(self, stage: Stage) -> Iterator[None]:
        """Count the time of a `with` block for a stage."""
        self.stage = stage
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] += time.perf_counter() - start

    def ms(self, *stages: Stage) -> float:
        """Give the time of some stages, or of all."""
        return milliseconds(sum(self.seconds[stage] for stage in stages or Stage))
