"""What may be in flight at once: the three bounds, worked out from settings and machine.

A picture's way through them is ordered so that nothing can deadlock: bytes fetched, then its turn
among pictures of equal bytes (see `twins`), then the peak of decode and encode, then a CPU slot.
Who holds the peak waits only for a slot; who holds a slot waits for nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import psutil

from optimizr.budget import Budget
from optimizr.errors import ConfigError
from optimizr.machine import Machine
from optimizr.sections import PoolSettings
from optimizr.units import format_size

_LEAST_BUDGET = 16 << 20
"""Bytes: below this not even a picture of half a megapixel could be converted."""


_SPARE = 4 << 20
"""Bytes by which the program's own RSS may differ from one start to the next."""
_REMEMBERED, _MOST_REMEMBERED = 64, 32 << 20
"""Part of the budget that pictures take which are remembered for others of equal bytes, and the
most: some 50,000 pictures."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Workers, and the budgets that they share."""

    workers: int
    """At the start; see `crew`."""
    slots: Budget
    """CPU slots: decode and encode."""
    memory: int
    """Ceiling of the whole process, in bytes."""
    budget: int
    """What pictures may take of it: the ceiling less the RSS after start-up."""
    fetched: Budget
    """Bytes read and not yet written: a quarter of the budget."""
    peak: Budget
    """Bytes that decoding and encoding take at their peak: the rest of the budget."""

    @property
    def remembered(self) -> int:
        """Bytes of the budget for what is remembered of pictures; see `twins`."""
        return _remembered(self.budget)

    def memory_for(self, budget: Budget, amount: int) -> int:
        """Give the `pool.memory` with which `budget` would hold `amount`, in bytes."""
        program = self.memory - self.budget + _SPARE
        return program + math.ceil(amount * self.budget / budget.total)

    @classmethod
    def of(cls, settings: PoolSettings) -> Limits:
        """Work the limits out, now that start-up is over and its RSS is known.

        Raises ConfigError if `pool.memory` leaves too little for any picture.
        """
        machine = Machine()
        cpus = machine.cpus() if settings.cpus == "auto" else settings.cpus
        memory = machine.memory_to_use() if settings.memory == "auto" else int(settings.memory)
        rss = psutil.Process().memory_info().rss
        budget = memory - rss
        if budget < _LEAST_BUDGET:
            raise ConfigError(
                f"pool.memory: expected at least {format_size(rss + _LEAST_BUDGET)}, of which the "
                f"program itself takes {format_size(rss)}, got {format_size(memory)}; "
                "give it more memory"
            )
        return cls(
            workers=cpus if settings.workers == "auto" else settings.workers,
            slots=Budget(cpus),
            memory=memory,
            budget=budget,
            fetched=Budget(budget // 4),
            peak=Budget(budget - budget // 4 - _remembered(budget)),
        )


def _remembered(budget: int) -> int:
    return min(budget // _REMEMBERED, _MOST_REMEMBERED)
