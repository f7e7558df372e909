"""What a service refuses in passing is asked for again; a service that is down ends the run.

Each request to a store or a queue is tried again with growing random pauses. Whether the fault is
one object's or the service's is told apart by what else it answers: while other requests succeed,
one that fails again and again is that object's; if nothing has succeeded for `give_up_seconds`, the
service is down.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception, wait_random_exponential

from optimizr.errors import EnvironmentStop
from optimizr.units import format_seconds

R = TypeVar("R")


class Refused(Exception):  # noqa: N818 - it is what a service said, not what it means for us
    """What a service answered instead of what it was asked for."""

    @property
    def is_passing(self) -> bool:
        """Tell whether it may be over in a moment."""
        return True


_log = logging.getLogger("optimizr")

TRIES = 12
"""After so many, a request is given up if the service answers others; about 20 s. A store may hold
an object's lock for some seconds after a writer's connection was cut."""
_TOLD_AFTER = 4
"""Tries until somebody is told that it takes long."""
_FIRST_SECONDS, _MOST_SECONDS = 0.1, 5.0
"""The longest first pause, which doubles with each try, and the longest of all."""


class Patience:
    """Of one service, with whichever thread asks it."""

    def __init__(
        self,
        name: str,
        give_up_seconds: float,
        answers: Callable[[], bool],
        sleep: Callable[[float], None] = time.sleep,
        kind: str = "store",
    ) -> None:
        """`answers` asks the service for something cheap, once; `name` is for people.

        `kind` is the section of the settings that says when to give up, and begins the cause of
        the stop.
        """
        self._name = name
        self._kind = kind
        self.give_up_seconds = give_up_seconds
        self.last_seconds: float | None = None
        """Once a run is to end: how long any request may still take, all tries together."""
        self._answers = answers
        self._sleep = sleep
        self._down_since: float | None = None
        """When requests began to fail, with none succeeding since."""
        self._is_silent = False
        """Whether a request was left behind at the end of a run."""
        self._told: float | None = None
        """Of which such time a warning was given."""

    def __call__(self, request: Callable[[], R]) -> R:
        """Do a request until it succeeds.

        Raises Refused if it is refused for good, or again and again; EnvironmentStop if the service
        is down.
        """
        if self.last_seconds is None:
            return self._until_done(request)
        return self._in_time(request, self.last_seconds)

    def _in_time(self, request: Callable[[], R], seconds: float) -> R:
        """Do a request, but leave it behind after a while: a silent service holds one for long.

        Once one was left behind, no other is begun.
        """
        done: Future[R] = Future()

        def work() -> None:
            try:
                done.set_result(self._until_done(request))
            except Exception as error:  # noqa: BLE001 - raised where it is waited for
                done.set_exception(error)

        if not self._is_silent:
            threading.Thread(target=work, daemon=True).start()
        try:
            return done.result(0 if self._is_silent else seconds)
        except TimeoutError:
            if done.done():
                raise  # the request's own
            self._is_silent = True
            raise self._is_down(seconds, "no answer in time") from None

    def _until_done(self, request: Callable[[], R]) -> R:
        retrying = Retrying(
            retry=retry_if_exception(lambda error: isinstance(error, Refused) and error.is_passing),
            wait=wait_random_exponential(multiplier=_FIRST_SECONDS, max=_MOST_SECONDS),
            before_sleep=self._judge,
            sleep=self._sleep,
            reraise=True,
        )
        try:
            result = retrying(request)
        except Refused:
            self._down_since = None  # it answers, if with a no
            raise
        self._down_since = None
        return result

    def _judge(self, state: RetryCallState) -> None:
        """Raise if it is time to give up."""
        assert state.outcome is not None
        refusal = state.outcome.exception()
        assert isinstance(refusal, Refused)
        now = time.monotonic()
        since = self._down_since = self._down_since or now
        if state.attempt_number == _TOLD_AFTER and self._told != since:
            self._told = since
            _log.warning(
                "%s does not answer (%s); trying for up to %s",
                *(self._name, refusal, format_seconds(self.give_up_seconds)),
            )
        if state.attempt_number >= TRIES and self._answers():
            raise refusal
        if now - since > self.give_up_seconds:
            raise self._is_down(self.give_up_seconds, refusal)

    def _is_down(self, seconds: float, got: object) -> EnvironmentStop:
        return EnvironmentStop(
            f"{self._kind}_unreachable",
            f"expected {self._name} to answer within {format_seconds(seconds)} "
            f"({self._kind}.give_up_after), got: {got}; see that it is up and run the same command "
            "again",
        )
