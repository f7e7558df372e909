"""How many pictures there are in all, counted beside a run: it may take long."""

from __future__ import annotations

import logging
import threading

from optimizr import inputs
from optimizr.config import Settings
from optimizr.errors import OptimizrError
from optimizr.live import Live
from optimizr.queue.address import is_queue

log = logging.getLogger("optimizr")


def begin(settings: Settings, live: Live) -> None:
    """Have the pictures counted into `live.source_images`, once; a queue has no end to count to."""
    if live.is_counted or is_queue(settings.input):
        return
    live.is_counted = True
    threading.Thread(target=_count, args=(settings, live), name="count", daemon=True).start()


def _count(settings: Settings, live: Live) -> None:
    try:
        _, source = inputs.open_input(settings)
        live.source_images = source.count()
    except (OptimizrError, OSError) as error:
        log.warning("the pictures of the input could not be counted: %s", error)
