"""What every queue promises, held against each service."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial

import pytest

from optimizr.queue import Message, Queue, QueueRefused
from optimizr.queue.patient import PatientQueue
from tests.queues import KINDS, LEASE_SECONDS, LONG, Made, new_queue, open_at
from tests.servers.faults import Faults
from tests.servers.redis import Redis
from tests.servers.sqs import Sqs
from tests.servers.tcp_faults import TcpFaults
from tests.watching import wait_until


@pytest.fixture(
    params=[pytest.param(kind, marks=pytest.mark.long if kind in LONG else ()) for kind in KINDS]
)
def made(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Made:
    return new_queue(request.param, request, monkeypatch)


@pytest.fixture
def opened(made: Made) -> Iterator[Callable[[], Queue]]:
    """Gives what opens the queue as one more worker does."""
    queues: list[Queue] = []

    def open_one() -> Queue:
        queues.append(open_at(made.url))
        queues[-1].check()
        return queues[-1]

    yield open_one
    for queue in queues:
        queue.close()


def take(queue: Queue, count: int, most: int = 10, seconds: float = 30) -> list[Message]:
    """Receive until so many have come."""
    taken: list[Message] = []
    end = time.monotonic() + seconds
    while len(taken) < count and time.monotonic() < end:
        taken += queue.receive(min(most, count - len(taken)), 0.5)
    return taken


def bodies(count: int) -> list[bytes]:
    return [json.dumps({"key": f"a/{number}.jpg"}).encode() for number in range(count)]


def test_what_is_sent_is_received_whole_and_nothing_else_comes(
    opened: Callable[[], Queue],
) -> None:
    queue = opened()
    odd = ['{"key": "ä b\\t%25 \u2603.jpg"}'.encode(), b'{"long": "' + b"x" * 100_000 + b'"}']
    queue.send([*bodies(25), *odd])
    taken = take(queue, 27)
    assert sorted(message.body for message in taken) == sorted([*bodies(25), *odd])
    assert len({message.name for message in taken}) == 27
    assert queue.receive(10, 0.1) == []


def test_whatever_a_body_of_another_service_has_sqs_takes_it(
    sqs: Sqs, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in sqs.environment().items():
        monkeypatch.setenv(name, value)
    queue = open_at(f"sqs://{sqs.new_queue()}")
    queue.send([b"a\x00\xff\tb", "ü😀".encode()])
    got = {message.body for _ in range(2) for message in queue.receive(10, 1)}
    assert got == {b"a\\x00\\xff\tb", "ü😀".encode()}
    queue.close()


def test_what_a_service_has_done_is_not_asked_for_again_when_it_refuses_the_rest(
    sqs: Sqs, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Faults(sqs.endpoint) as faults:
        environment = {**sqs.environment(), "AWS_ENDPOINT_URL_SQS": faults.url}
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        with closing(open_at(f"sqs://{sqs.new_queue()}")) as queue:
            queue.check()
            faults.answer_every = (3, 503)  # of four requests in a row, one at least
            patient = PatientQueue(queue, 60)
            patient.send(bodies(35))
            faults.answer_every = (0, 503)
            taken = take(queue, 35)
            assert sorted(message.body for message in taken) == sorted(bodies(35))
            faults.answer_every = (3, 503)
            patient.extend(taken)
            patient.ack(taken)
            faults.answer_every = (0, 503)
            time.sleep(LEASE_SECONDS + 0.2)
            assert queue.receive(10, 0.5) == []


def test_waiting_for_long_is_no_refusal_once_the_service_has_answered(redis: Redis) -> None:
    with TcpFaults(redis.address) as faults:
        url = f"redis://{faults.address}/0?stream={uuid.uuid4().hex}&group=workers"
        with closing(open_at(url)) as queue:
            queue.check()
            breaks = threading.Timer(2.5, setattr, (faults, "down", True))
            breaks.start()
            assert queue.receive(1, 20) == []
            breaks.join()
            with pytest.raises(QueueRefused) as refused:
                queue.receive(1, 20)
            assert refused.value.is_passing
            faults.down = False


def test_no_more_are_received_than_are_asked_for_and_others_have_the_rest(
    opened: Callable[[], Queue],
) -> None:
    one, other = opened(), opened()
    one.send(bodies(6))
    first = take(one, 2, most=2)
    assert len(first) == 2
    rest = take(other, 4)
    assert sorted(message.body for message in first + rest) == sorted(bodies(6))


def test_an_empty_queue_gives_nothing_once_it_was_waited_for(opened: Callable[[], Queue]) -> None:
    queue = opened()
    began = time.monotonic()
    assert queue.receive(10, 1) == []
    assert 0.5 < time.monotonic() - began < 5


def test_one_that_waits_gets_what_comes_meanwhile(opened: Callable[[], Queue]) -> None:
    queue, other = opened(), opened()
    sends = threading.Timer(0.5, partial(other.send, bodies(1)))
    sends.start()
    assert [message.body for message in queue.receive(10, 10)] == bodies(1)
    sends.join()


def test_what_is_acknowledged_never_comes_again(made: Made, opened: Callable[[], Queue]) -> None:
    queue = opened()
    queue.send(bodies(12))
    queue.ack(take(queue, 12))
    queue.close()
    time.sleep(LEASE_SECONDS + 0.5 if made.has_leases else 0.5)
    assert opened().receive(10, 0.5) == []


def test_what_a_worker_held_that_is_gone_comes_to_another(
    made: Made, opened: Callable[[], Queue]
) -> None:
    gone, other = opened(), opened()
    gone.send(bodies(3))
    first = take(gone, 3)
    assert [message.deliveries for message in first] == [1 if made.counts else 0] * 3
    assert other.receive(10, 0.2) == []
    gone.close()
    again = take(other, 3)
    assert sorted(message.body for message in again) == bodies(3)
    assert {message.deliveries for message in again} <= ({2} if made.counts else {0})


def test_a_lease_that_is_extended_does_not_end(made: Made, opened: Callable[[], Queue]) -> None:
    if not made.has_leases:
        pytest.skip(f"{made.url.partition(':')[0]} has no leases that end by time")
    one, other = opened(), opened()
    one.send(bodies(12))
    taken = take(one, 12)
    end = time.monotonic() + 2 * LEASE_SECONDS
    while time.monotonic() < end:
        one.extend(taken)
        assert other.receive(10, LEASE_SECONDS / 4) == []
    one.ack(taken)


def test_what_is_given_back_comes_to_another_at_once(opened: Callable[[], Queue]) -> None:
    one, other = opened(), opened()
    one.send(bodies(12))
    one.nack(take(one, 12))
    assert sorted(message.body for message in take(other, 12, seconds=1.9)) == sorted(bodies(12))


def test_what_is_given_back_with_a_delay_does_not_come_before(
    opened: Callable[[], Queue],
) -> None:
    queue = opened()
    queue.send(bodies(1))
    queue.nack(take(queue, 1), 1.5)
    began = time.monotonic()
    # In one request: what comes to Pub/Sub's as one ends is held back for whoever has gone by then.
    assert [message.body for message in queue.receive(1, 30)] == bodies(1)
    assert 0.9 < time.monotonic() - began < 10  # services count in whole seconds


def test_a_delivery_that_is_anothers_by_now_is_passed_over(
    made: Made, opened: Callable[[], Queue]
) -> None:
    if not made.has_leases:
        pytest.skip(f"{made.url.partition(':')[0]} has no leases that end by time")
    late, other = opened(), opened()
    late.send(bodies(2))
    first = take(late, 2)
    time.sleep(LEASE_SECONDS + 0.2)
    again = take(other, 2)
    assert len(again) == 2
    other.ack(again)
    late.extend(first)
    late.nack(first)
    late.ack(first)
    assert opened().receive(10, 0.5) == []


def test_calls_with_nothing_do_nothing(opened: Callable[[], Queue]) -> None:
    queue = opened()
    queue.extend([])
    queue.ack([])
    queue.nack([])
    queue.send([])
    assert queue.receive(1, 0.1) == []


def test_many_threads_may_use_a_queue(opened: Callable[[], Queue]) -> None:
    queue = opened()
    queue.send(bodies(60))

    def work(_: int) -> list[bytes]:
        done = []
        while taken := queue.receive(3, 0.5):
            queue.extend(taken)
            queue.ack(taken)
            done += [message.body for message in taken]
        return done

    with ThreadPoolExecutor(4) as pool:
        done = [body for some in pool.map(work, range(4)) for body in some]
    assert sorted(done) == sorted(bodies(60))


def test_a_queue_that_is_not_there_is_refused_and_says_what_to_do(made: Made) -> None:
    if not made.missing:
        pytest.skip("a queue in memory is made when it is opened")
    queue = open_at(made.missing)
    with pytest.raises(QueueRefused) as refused:
        queue.check()
    queue.close()
    assert not refused.value.is_passing
    assert refused.value.advice


def test_messages_that_are_given_back_by_name_stay_apart(opened: Callable[[], Queue]) -> None:
    queue = opened()
    queue.send(bodies(2))
    one, two = take(queue, 2)
    queue.ack([one])
    queue.nack([two])
    wait_until(lambda: [found.body for found in queue.receive(1, 0.1)] == [two.body])
