"""Whether a run is alive, and whether it is ready: what Kubernetes asks by `/health` and `/ready`.

Alive is a run that moves, or that has a reason not to; one that is not should be started anew.
Ready is one that works and reaches its source and its output.
"""

from __future__ import annotations

import threading
import time
from typing import Any, NamedTuple, Protocol

from optimizr.live import Live, Phase
from optimizr.store import Store
from optimizr.units import format_seconds

_TURN_SECONDS = 0.5
"""How long to wait for another's check of the stores, which takes some microseconds."""

_WHY = {
    Phase.STARTING: "it opens its books, or waits for another run to end",
    Phase.WORKING: "it works",
    Phase.DRAINING: "it was asked to end, and finishes the pictures in flight",
    Phase.FINISHING: "all pictures are done, and it closes its books",
    Phase.FINISHED: "it has ended",
}


class Answer(NamedTuple):
    """What a probe is told."""

    ok: bool
    body: dict[str, Any]
    """Says why, as plain JSON data."""


def health(live: Live, stall_seconds: float) -> Answer:
    """Tell whether a run is alive: it moves, waits for its source, or is about to begin or end."""
    phase, still = live.phase, time.monotonic() - live.moved
    stalls = phase in (Phase.WORKING, Phase.FINISHING) and still > stall_seconds
    why = _WHY[phase]
    if stalls:
        why = (
            f"expected it to move within {format_seconds(stall_seconds)}, but nothing has come to "
            f"an end for {format_seconds(still)}; see what it is at, or raise telemetry.stall_after"
        )
    elif live.waits_for_source:
        why = "it waits for its source, and nothing is in work"
    status = "stalled" if stalls else "ok"
    return Answer(not stalls, {"status": status, "phase": phase, "why": why})


class Reached(Protocol):
    """What pictures come from."""

    def trouble(self) -> str | None:
        """Tell what keeps it from being reached just now."""


class Readiness:
    """Looks whether source and output are reached, one asker at a time.

    A mount that hangs holds whoever looks at it, for ever perhaps: it must not gather threads.
    """

    def __init__(self, live: Live, source: Reached, output: Store) -> None:
        self._live = live
        self._source = source
        self._output = output
        self._turn = threading.Lock()

    def __call__(self) -> Answer:
        """Tell whether the run works, and reaches its source and its output."""
        phase = self._live.phase
        if phase is not Phase.WORKING:
            return _readiness(phase, _WHY[phase])
        if not self._turn.acquire(timeout=_TURN_SECONDS):
            return _readiness(phase, "still checking whether source and output are reached")
        try:
            return _readiness(phase, self._trouble())
        finally:
            self._turn.release()

    def _trouble(self) -> str | None:
        trouble = self._source.trouble()
        if trouble is not None:
            return f"expected to reach the input, got {trouble}"
        trouble = self._output.trouble(writing=True)
        return None if trouble is None else f"expected to reach the output, got {trouble}"


def _readiness(phase: Phase, not_ready: str | None) -> Answer:
    ready = not_ready is None
    why = not_ready or _WHY[phase]
    return Answer(ready, {"status": "ready" if ready else "not ready", "phase": phase, "why": why})
