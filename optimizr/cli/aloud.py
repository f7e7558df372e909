"""What is said or goes wrong outside of a run is told as what happens in one: by events.

So where machines read, no bare warning or traceback comes between the lines.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from optimizr.cli.stdout import say
from optimizr.errors import ExitCode, OptimizrError, mistake
from optimizr.events import Event, Identity, RunCrashed, stamp
from optimizr.overheard import crash, listening
from optimizr.pipeline import Heard
from optimizr.recorder import Sink


def aloud(work: Callable[[Heard, Sink], int], tell: Sink, as_json: bool) -> int:
    """Do the work, and give its exit code, or that of a mistake, which is told.

    `work` gets what is heard meanwhile, and a reader of events that is to see the run's: what a run
    has told of itself is not told again.
    """
    said: set[str] = set()

    def note(event: Event) -> None:
        if isinstance(event, RunCrashed):
            said.add(event.message)

    with listening() as overheard:
        try:
            return work(overheard.told, note)
        except (OptimizrError, BrokenPipeError):
            raise
        except Exception as error:  # noqa: BLE001 - told, and by the exit code too
            crashed = crash(error)
            if crashed.message not in said:
                tell(_outside_of_a_run(crashed))
            if as_json:
                say(mistake(error))
            return ExitCode.ENVIRONMENT
        finally:
            for event in overheard.told(last=True):
                tell(_outside_of_a_run(event))


def _outside_of_a_run(event: Event) -> Event:
    return stamp(event, Identity(""), seq=0, timestamp=datetime.now(UTC))
