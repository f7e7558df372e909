"""What RabbitMQ alone does to a queue: connections are lost, and nothing else ends a lease."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pika
import pytest

from optimizr.patience import Patience
from optimizr.queue import Message, Queue, QueueRefused
from tests.queues import open_at
from tests.servers import rabbitmq as servers
from tests.servers.rabbitmq import Rabbit
from tests.servers.shared import running
from tests.watching import free_port, wait_until

KINDS = ["classic", "quorum"]


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest, rabbitmq: Rabbit) -> str:
    return f"{rabbitmq.url}/{rabbitmq.new_queue(request.param)}"


@pytest.fixture
def queue(url: str) -> Iterator[Queue]:
    with closing(open_at(url)) as opened:
        yield opened


def take(queue: Queue, count: int = 1) -> list[Message]:
    taken: list[Message] = []
    end = time.monotonic() + 60
    while len(taken) < count and time.monotonic() < end:
        taken += queue.receive(count - len(taken), 1)
    assert len(taken) == count
    return taken


def bodies(messages: list[Message]) -> list[bytes]:
    return sorted(message.body for message in messages)


def lose(queue: Any) -> None:
    """Cut the connection."""
    queue._connection._impl._transport._sock.shutdown(socket.SHUT_RDWR)


def refused(call: Callable[[], Any]) -> QueueRefused:
    with pytest.raises(QueueRefused) as caught:
        call()
    return caught.value


def test_a_wrong_password_is_refused_for_good_and_not_told(rabbitmq: Rabbit) -> None:
    url = rabbitmq.url.replace("//", "//guest:hush-hush@")
    with closing(open_at(f"{url}/any")) as queue:
        refusal = refused(queue.check)
        assert not refusal.is_passing
        assert refusal.advice
        assert "hush" not in f"{refusal} {refusal.advice} {queue.name}"


def test_a_virtual_host_that_is_not_there_is_refused_for_good(rabbitmq: Rabbit) -> None:
    with closing(open_at(f"{rabbitmq.url}/elsewhere/any")) as queue:
        refusal = refused(queue.check)
    assert not refusal.is_passing
    assert "virtual host" in str(refusal)


def test_a_server_that_is_not_there_may_come_yet() -> None:
    with closing(open_at(f"amqp://127.0.0.1:{free_port()}/any")) as queue:
        assert refused(queue.check).is_passing


def test_tls_is_spoken_with_a_server_whose_certificate_is_trusted(
    rabbitmq: Rabbit, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"{rabbitmq.tls_url}/{rabbitmq.new_queue('classic')}"
    with closing(open_at(url)) as queue:
        refusal = refused(queue.check)
        assert not refusal.is_passing
        assert "certificate" in refusal.advice
    monkeypatch.setenv("SSL_CERT_FILE", rabbitmq.ca)
    with closing(open_at(url)) as queue:
        queue.send([b"one"])
        assert bodies(take(queue)) == [b"one"]


def test_tls_where_the_server_speaks_none_is_refused(rabbitmq: Rabbit) -> None:
    with closing(open_at(rabbitmq.url.replace("amqp:", "amqps:") + "/any")) as queue:
        began = time.monotonic()
        refused(queue.check)
    assert time.monotonic() - began < 15


def test_a_message_for_a_queue_that_is_gone_is_refused_for_good(
    queue: Queue, url: str, rabbitmq: Rabbit
) -> None:
    queue.send([b"one"])
    with rabbitmq.channel() as channel:
        channel.queue_delete(url.rpartition("/")[2])
    refusal = refused(lambda: queue.send([b"two"]))
    assert not refusal.is_passing
    assert refusal.advice


def test_a_refusal_takes_no_deliveries_away(url: str) -> None:
    with closing(open_at(url)) as queue, closing(open_at(url)) as other:
        queue.send([b"one"])
        taken = take(queue)
        queue._queue = "missing"  # type: ignore[attr-defined]
        refused(queue.check)
        refused(lambda: queue.send([b"two"]))
        queue.ack(taken)
        queue.close()
        assert other.receive(1, 0.5) == []


def test_a_lost_connection_gives_back_what_was_held_and_its_deliveries_are_passed_over(
    queue: Queue,
) -> None:
    queue.send([b"one", b"two"])
    first = take(queue, 2)
    lose(queue)
    wait_until(lambda: queue._connection is None)  # type: ignore[attr-defined]
    again = take(queue, 2)
    assert bodies(again) == [b"one", b"two"]
    assert [message.deliveries for message in again] == [2, 2]
    queue.nack(first)
    queue.ack(first)
    queue.extend(first)
    assert queue.receive(1, 0.5) == []
    queue.ack(again)
    queue.close()


def test_what_is_held_for_later_comes_back_once_it_is_closed(url: str) -> None:
    with closing(open_at(url)) as other:
        with closing(open_at(url)) as queue:
            queue.send([b"one"])
            queue.nack(take(queue), 600)
            queue.extend([])
            assert other.receive(1, 0.3) == []
        assert bodies(take(other)) == [b"one"]


def test_each_delivery_is_counted_of_what_is_given_back_with_a_delay(
    queue: Queue, url: str
) -> None:
    queue.send([b"one"])
    counts = []
    for _ in range(4):
        (message,) = take(queue)
        counts.append(message.deliveries)
        queue.nack([message], 0.05)
    (message,) = take(queue)
    assert [*counts, message.deliveries] == [1, 2, 3, 4, 5]
    queue.close()
    with closing(open_at(url)) as other:
        assert [message.deliveries for message in take(other)] == [6]


def test_what_is_due_goes_to_others_while_its_holder_does_something_else(url: str) -> None:
    with closing(open_at(url)) as queue, closing(open_at(url)) as other:
        queue.send([b"one"])
        queue.nack(take(queue), 0.2)
        assert bodies(take(other)) == [b"one"]


def test_a_message_put_anew_keeps_what_its_sender_said_of_it(
    queue: Queue, url: str, rabbitmq: Rabbit
) -> None:
    name, copies = url.rpartition("/")[2], rabbitmq.new_queue("classic")
    sent = pika.BasicProperties(
        message_id="mine", content_type="text/x", headers={"CC": [copies], "kept": 1}
    )
    sent.user_id = "guest"
    with rabbitmq.channel() as channel:
        channel.basic_publish("", name, b"one", sent)
    queue.nack(take(queue), 0.05)
    (message,) = take(queue)
    assert (message.name, message.deliveries) == ("mine", 2)
    queue.close()
    with rabbitmq.channel() as channel:
        _, properties, _ = channel.basic_get(name)
        assert (properties.content_type, properties.headers["kept"]) == ("text/x", 1)
        assert channel.queue_declare(copies, passive=True).method.message_count == 1


def test_what_cannot_be_put_anew_is_given_back_as_it_is(rabbitmq: Rabbit) -> None:
    with rabbitmq.channel() as channel:
        arguments = {"x-max-length": 1, "x-overflow": "reject-publish"}
        name = f"full-{time.time_ns()}"
        channel.queue_declare(name, durable=True, arguments=arguments)
    with closing(open_at(f"{rabbitmq.url}/{name}")) as queue:
        queue.send([b"one"])
        one = take(queue)
        queue.send([b"two"])
        assert refused(lambda: queue.send([b"three"])).is_passing
        queue.nack(one, 0.05)
        time.sleep(0.1)
        assert bodies(take(queue, 2)) == [b"one", b"two"]


def test_a_user_who_may_not_read_or_write_is_refused_for_good(
    queue: Queue, url: str, rabbitmq: Rabbit
) -> None:
    queue.send([b"one"])
    name = url.rpartition("/")[2]
    with closing(open_at(f"{rabbitmq.as_user('writer')}/{name}")) as writer:
        writer.send([b"two"])
        refusal = refused(lambda: writer.receive(1, 1))
        assert (refusal.is_passing, str(refusal)) == (False, "permission denied")
    with closing(open_at(f"{rabbitmq.as_user('reader')}/{name}")) as reader:
        taken = take(reader)
        refusal = refused(lambda: reader.send([b"three"]))
        assert (refusal.is_passing, str(refusal)) == (False, "permission denied")
        reader.ack(taken)
    assert bodies(take(queue)) == [b"two"]


def test_a_user_who_may_only_read_gives_back_what_is_due_as_it_is(
    queue: Queue, url: str, rabbitmq: Rabbit
) -> None:
    queue.send([b"one", b"two"])
    with closing(open_at(f"{rabbitmq.as_user('reader')}/{url.rpartition('/')[2]}")) as reader:
        one, two = take(reader, 2)
        reader.nack([one], 0.05)
        assert bodies(take(reader)) == [one.body]
        reader.ack([two])
    assert bodies(take(queue)) == [one.body]


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_a_server_that_is_killed_loses_nothing(kind: str, tmp_path: Path) -> None:
    if not servers.is_installed():
        pytest.skip("RabbitMQ is not installed; Debian's package rabbitmq-server has it")
    data, port = tmp_path / "data", free_port()
    command = partial(servers.command, port=port, data=data)
    sent = [b"%d" % number for number in range(20)]
    with running(tmp_path / "one", command) as facts:
        url = f"{facts['url']}/{Rabbit(**facts).new_queue(kind)}"
        queue = open_at(url)
        queue.send(sent)
        first = take(queue, 10)
        queue.ack(first[:5])
        time.sleep(2)  # it writes down half a second late what queues it has
    refusal = refused(lambda: queue.receive(1, 0))
    assert refusal.is_passing
    queue.ack(first[5:])
    with running(tmp_path / "two", command), closing(queue):
        patience = Patience(queue.name, 60, lambda: True)
        patience(lambda: queue.ack(first[5:]))
        rest: list[Message] = []
        while more := patience(lambda: queue.receive(20, 1)):
            rest += more
        # What was acknowledged may come again: a killed server has not written down all of that.
        assert {message.body for message in rest} >= set(sent) - {done.body for done in first[:5]}
        patience(lambda: queue.ack(rest))
        assert queue.receive(1, 0.5) == []


@pytest.mark.long
def test_a_server_that_says_nothing_is_given_up() -> None:
    began = time.monotonic()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        queue = open_at(f"amqp://127.0.0.1:{silent.getsockname()[1]}/any")
        assert refused(queue.check).is_passing
        queue.close()
    assert time.monotonic() - began < 25
