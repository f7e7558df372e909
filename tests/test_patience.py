"""What fails in passing is asked for again, and a store that is down ends the run."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress

import pytest

from optimizr.errors import EnvironmentStop
from optimizr.patience import TRIES, Patience
from optimizr.store.cloud.refusals import Refusal

BUSY = Refusal(503, "SlowDown")


class Clock:
    """Time that passes by sleeping only."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        self.pauses: list[float] = []
        monkeypatch.setattr(time, "monotonic", lambda: self.now)

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def patience(clock: Clock, answers: bool = False, give_up: float = 300) -> Patience:
    return Patience("s3://bucket", give_up, lambda: answers, clock.sleep)


def answering(*answers: object) -> Callable[[], object]:
    """Give a request that comes to these in turn, the last of them again and again."""
    left = list(answers)

    def request() -> object:
        answer = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    return request


def test_what_is_answered_is_given_at_once(clock: Clock) -> None:
    assert patience(clock)(answering("it")) == "it"
    assert clock.pauses == []


@pytest.mark.parametrize(
    "refusal",
    [
        *(Refusal(None), Refusal(None, "no connection"), Refusal(400, "RequestTimeout")),
        *(Refusal(status) for status in (408, 409, 429, 500, 502, 503, 504)),
    ],
)
def test_what_fails_in_passing_is_asked_for_again(clock: Clock, refusal: Refusal) -> None:
    assert patience(clock)(answering(refusal, refusal, "it")) == "it"
    assert len(clock.pauses) == 2


@pytest.mark.parametrize(
    "refusal",
    [
        *(Refusal(404, "NoSuchKey"), Refusal(403, "AccessDenied"), Refusal(412), Refusal(400)),
        *(Refusal(401, "ExpiredToken"), Refusal(404, "NoSuchBucket"), Refusal(405)),
    ],
)
def test_what_is_refused_for_good_is_asked_for_once(clock: Clock, refusal: Refusal) -> None:
    with pytest.raises(Refusal) as caught:
        patience(clock)(answering(refusal, "it"))
    assert caught.value is refusal
    assert clock.pauses == []


def test_an_error_that_is_no_refusal_is_passed_on(clock: Clock) -> None:
    with pytest.raises(ZeroDivisionError):
        patience(clock)(answering(ZeroDivisionError(), "it"))
    assert clock.pauses == []


def test_pauses_grow_to_seconds_and_no_further(clock: Clock) -> None:
    with pytest.raises(EnvironmentStop):
        patience(clock)(answering(BUSY))
    assert all(0 <= pause <= 0.1 * 2**number for number, pause in enumerate(clock.pauses))
    assert max(clock.pauses) <= 5
    assert max(clock.pauses) > 1


def test_one_request_that_fails_again_and_again_is_given_up_while_the_store_answers_others(
    clock: Clock,
) -> None:
    with pytest.raises(Refusal) as caught:
        patience(clock, answers=True)(answering(BUSY))
    assert caught.value is BUSY
    assert len(clock.pauses) == TRIES - 1


def test_a_store_that_answers_nothing_for_long_ends_the_run(clock: Clock) -> None:
    begin = clock.now
    with pytest.raises(EnvironmentStop) as caught:
        patience(clock, give_up=60)(answering(BUSY))
    assert caught.value.cause == "store_unreachable"
    assert 60 < clock.now - begin <= 66
    assert str(caught.value).startswith(
        "expected s3://bucket to answer within 1m (store.give_up_after), got: HTTP 503 SlowDown; "
    )


@pytest.mark.parametrize("success", ["it", Refusal(404)])
def test_any_answer_in_between_shows_that_the_store_is_there(clock: Clock, success: object) -> None:
    ask = patience(clock, give_up=60)
    ended: list[float] = []

    def request() -> None:
        if len(ended) < 20 and clock.now - (ended or [1000])[-1] > 50:
            with suppress(Refusal):  # as another thread would
                ask(answering(success))
            ended.append(clock.now)
        raise BUSY

    with pytest.raises(EnvironmentStop):
        ask(request)
    assert len(ended) == 20
    assert clock.now - ended[-1] > 60


def test_a_store_that_comes_back_is_given_its_whole_time_again(clock: Clock) -> None:
    ask = patience(clock, give_up=60)
    for _ in range(2):
        begin = clock.now
        with pytest.raises(EnvironmentStop):
            ask(answering(BUSY))
        ask(answering("it"))
        assert clock.now - begin > 60


def test_requests_of_other_threads_count_from_when_the_first_failed(clock: Clock) -> None:
    ask = patience(clock, give_up=60)
    begin = clock.now
    for _ in range(2):
        with pytest.raises(EnvironmentStop):
            ask(answering(BUSY))
    assert clock.now - begin < 70


def test_once_a_run_is_to_end_a_silent_store_is_left_behind_and_asked_no_more() -> None:
    ask, answer, asked = Patience("s3://bucket", 300, lambda: False), threading.Event(), []

    def silent() -> None:
        asked.append(1)
        answer.wait()

    ask.last_seconds = 0.2
    for _ in range(2):
        with pytest.raises(EnvironmentStop) as caught:
            ask(silent)
        assert caught.value.cause == "store_unreachable"
    assert asked == [1]
    answer.set()


@pytest.mark.parametrize("answer", ["it", Refusal(404), TimeoutError()])
def test_once_a_run_is_to_end_answers_are_what_they_were(clock: Clock, answer: object) -> None:
    ask = patience(clock)
    ask.last_seconds = 60
    if isinstance(answer, Exception):
        with pytest.raises(type(answer)):
            ask(answering(answer))
    else:
        assert ask(answering(answer)) == answer
