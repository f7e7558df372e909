"""Pictures from a queue: what becomes of messages, whatever becomes of pictures."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

import optimizr
from optimizr.config import Settings
from optimizr.enqueue import enqueue
from optimizr.errors import Cancelled, ConfigError, EnvironmentStop, PictureError, Reason, Stage
from optimizr.events import Event, ImageConverted
from optimizr.pool import Stop
from optimizr.queue import Message, QueueRefused
from optimizr.queue.memory import MemoryQueue
from optimizr.queued import open_queued
from optimizr.source import Fate, Item
from optimizr.source.queue import Queued
from optimizr.store.memory import MemoryStore
from tests.library import Done, Library
from tests.watching import wait_until


class Line:
    """A queue in memory, and runs that take from it."""

    def __init__(self, library: Library) -> None:
        self.library = library
        self.name = uuid.uuid4().hex
        self.queue = MemoryQueue(self.name, 60)

    @property
    def url(self) -> str:
        return f"memqueue://{self.name}"

    @property
    def left(self) -> list[bytes]:
        """Bodies of messages that are not acknowledged."""
        return [entry.body for entry in MemoryQueue.lines[self.name].entries.values()]

    def send(self, *keys: str, **more: str) -> None:
        self.queue.send([json.dumps({"key": key, **more}).encode() for key in keys])

    def run(self, **settings: Any) -> Done:
        """Run until the queue is empty for a moment."""
        queue = {"idle_exit": 0.2, "retry_after": 0, **settings.pop("queue", {})}
        return self.library.run(input=self.url, root=self.library.input, queue=queue, **settings)

    def open(self, **queue: Any) -> Queued:
        settings = Settings(
            input=self.url,
            root=self.library.input,
            output=self.library.output,
            queue=queue,  # type: ignore[arg-type]
        )
        return open_queued(settings, Stop())[1]


@pytest.fixture
def library() -> Library:
    return Library()


@pytest.fixture
def line(library: Library) -> Line:
    return Line(library)


@pytest.fixture
def opened(line: Line) -> Iterator[Queued]:
    source = line.open(idle_exit=0.2, retry_after=0.1)
    yield source
    source.close()


def shut_out(monkeypatch: pytest.MonkeyPatch, method: str, reason: Reason, times: int) -> None:
    """Have a store in memory fail, so many times."""
    real, left = getattr(MemoryStore, method), [times]

    def fails(*args: Any) -> Any:
        if left[0] > 0:
            left[0] -= 1
            raise PictureError(Stage.FETCH, reason, "expected an answer, got none")
        return real(*args)

    monkeypatch.setattr(MemoryStore, method, fails)


def test_each_picture_is_converted_and_each_message_acknowledged(line: Line) -> None:
    line.send(*line.library.keys)
    done = line.run()
    assert set(done.converted) == line.library.keys
    assert {f"{key}.webp" for key in line.library.keys} <= set(line.library.made())
    assert line.left == []
    assert done.summary.exit_code == 0


def test_a_message_that_comes_again_finds_its_picture_up_to_date(line: Line) -> None:
    line.send("a.jpg", "a.jpg")
    first = line.run(pool={"workers": 1})
    assert (set(first.converted), first.skipped) == ({"a.jpg"}, {"a.jpg": "up_to_date"})
    line.send("a.jpg")
    again = line.run()
    assert (again.converted, again.skipped) == ({}, {"a.jpg": "up_to_date"})
    assert line.left == []


def test_a_picture_that_was_written_anew_is_converted_anew(line: Line) -> None:
    line.send("a.jpg")
    line.run()
    line.library.draw("a.jpg", 77)
    line.send("a.jpg")
    assert set(line.run().converted) == {"a.jpg"}


@pytest.mark.parametrize("is_gone", [False, True])
def test_a_worker_that_is_late_does_not_leave_an_older_picture(
    line: Line, monkeypatch: pytest.MonkeyPatch, is_gone: bool
) -> None:
    real = MemoryStore.get
    others: list[Any] = []

    def get(self: MemoryStore, key: bytes, version: str = "") -> Any:
        got = real(self, key, version)
        if key == b"a.jpg" and not others:
            line.library.draw("a.jpg", 77)
            line.send("a.jpg")
            others.append(None)
            others.append(line.run())  # another one is quicker
            if is_gone:
                line.library.remove("a.jpg")
        return got

    line.send("a.jpg")
    with monkeypatch.context() as patch:
        patch.setattr(MemoryStore, "get", get)
        line.run(pool={"workers": 1})
    assert set(others[1].converted) == {"a.jpg"}
    assert line.left == []
    if not is_gone:
        line.send("a.jpg")
        assert line.run().skipped == {"a.jpg": "up_to_date"}


def test_into_a_folder_messages_about_one_picture_at_the_same_time_do_no_harm(
    line: Line, tmp_path: Path
) -> None:
    line.send(*["a.jpg", "a.png"] * 15)
    done = line.run(output=str(tmp_path / "out"), pool={"workers": 8})
    assert done.failed == {}
    assert line.left == []


def test_a_message_with_several_records_is_acknowledged_once_all_are_done(
    line: Line, opened: Queued
) -> None:
    bucket = line.library.bucket.name
    records = [
        {"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": bucket}, "object": {"key": k}}}
        for k in ("in/a.jpg", "in/a.png", "in/readme.txt")
    ]
    body = json.dumps({"Records": records}).replace('"s3://', '"memory://')
    line.queue.send([body.encode()])
    opened._root = opened._root._replace(base=f"s3://{bucket}")
    items = iter(opened)
    one, other = next(items), next(items)
    assert {one.key, other.key} == {b"a.jpg", b"a.png"}
    opened.done(one, Fate.DONE)
    time.sleep(0.3)
    assert len(line.left) == 1
    opened.done(other, Fate.DONE)
    wait_until(lambda: line.left == [])


def test_a_message_of_which_one_picture_is_to_come_again_is_given_back_whole(
    line: Line, opened: Queued
) -> None:
    events = [
        {
            "subject": f"/blobServices/default/containers/c/blobs/in/{key}",
            "eventType": "Microsoft.Storage.BlobCreated",
        }
        for key in ("a.jpg", "a.png")
    ]
    line.queue.send([json.dumps(events).encode()])
    opened._root = opened._root._replace(base="az://c")
    items = iter(opened)
    one, other = next(items), next(items)
    opened.done(one, Fate.RETURNED)
    opened.done(other, Fate.FAILED)
    opened.close()
    assert len(line.left) == 1


@pytest.mark.parametrize("body", [b"junk", b"{}", b'{"key": "s3://elsewhere/a.jpg"}', b"\xff"])
def test_a_message_that_cannot_be_used_is_told_put_aside_and_acknowledged(
    line: Line, body: bytes
) -> None:
    line.queue.send([body])
    line.send("a.jpg")
    aside = MemoryQueue(f"{line.name}-dead", 60)
    done = line.run(queue={"dead_letter": aside.name})
    assert list(done.failed.values()) == ["bad_message"]
    assert set(done.converted) == {"a.jpg"}
    assert line.left == []
    assert [message.body for message in aside.receive(10, 0)] == [body]
    assert done.summary.exit_code == 1


def test_of_a_message_that_cannot_be_used_no_secret_is_told(line: Line) -> None:
    line.send("a.jpg", source="https://me:s3cret@host/a.jpg")
    line.send("a.jpg", source="https://host/a.jpg?X-Amz-Signature=s3cret&b=%25s3cret")
    inner = '{"u": "https:\\/\\/host/a.jpg?sig=s3cret"}'
    line.queue.send([json.dumps({"Type": "Notification", "Message": inner}).encode()])
    done = line.run()
    assert set(done.failed.values()) == {"bad_message"}
    told = line.library.read(f"failed-{done.summary.run.run_id}.jsonl")  # type: ignore[union-attr]
    assert told is not None
    assert len(told.splitlines()) == 3
    assert b"s3cret" not in told


def test_what_fails_for_good_is_in_failed_jsonl_and_its_message_in_the_dead_letters(
    line: Line,
) -> None:
    line.library.put("bad.jpg", b"no picture")
    line.send("bad.jpg", "gone.jpg", "a.jpg")
    aside = MemoryQueue(f"{line.name}-dead", 60)
    done = line.run(queue={"dead_letter": aside.name})
    assert done.failed == {"bad.jpg": "not_a_picture", "gone.jpg": "not_found"}
    told = line.library.read(f"failed-{done.summary.run.run_id}.jsonl")  # type: ignore[union-attr]
    assert told is not None
    assert {json.loads(found)["key"] for found in told.splitlines()} == {"bad.jpg", "gone.jpg"}
    dead = {json.loads(message.body)["key"] for message in aside.receive(10, 0)}
    assert dead == {"bad.jpg", "gone.jpg"}
    assert line.left == []


def test_a_failure_is_acknowledged_only_once_failed_jsonl_has_it(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    line.library.put("bad.jpg", b"no picture")
    line.send("bad.jpg")

    def fails(*_: Any) -> None:
        raise EnvironmentStop("store_refused", "expected to write, got: no")

    monkeypatch.setattr(MemoryStore, "put_chunks", fails)
    done = line.run()
    assert done.summary.exit_code == 3
    assert len(line.left) == 1


def test_a_run_that_goes_on_writes_its_failures_meanwhile_and_acknowledges_them(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("optimizr.receipts._TELL_SECONDS", 0.2)
    line.library.put("bad.jpg", b"no picture")
    line.send("bad.jpg")
    stop = Stop()
    settings = Settings(input=line.url, root=line.library.input, output=line.library.output)
    runs = threading.Thread(target=optimizr.run, args=(settings,), kwargs={"stop": stop})
    runs.start()
    try:
        wait_until(lambda: line.left == [])
        (name,) = [key for key in line.library.made() if key.startswith("failed-")]
        assert b"bad.jpg" in line.library.made()[name]
    finally:
        stop.signal = 15
        runs.join()


def test_what_fails_in_passing_comes_again_and_is_no_failure(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    shut_out(monkeypatch, "get", Reason.UNREADABLE, times=2)
    line.send("a.jpg")
    done = line.run()
    assert set(done.converted) == {"a.jpg"}
    assert done.failed == {}
    assert done.summary.skips_by_reason == {"returned": 2}
    assert done.summary.exit_code == 0
    assert line.left == []


def test_what_fails_in_passing_too_often_fails_for_good(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    shut_out(monkeypatch, "get", Reason.UNREADABLE, times=99)
    line.send("a.jpg")
    done = line.run(queue={"max_deliveries": 2})
    assert done.failed == {"a.jpg": "unreadable"}
    assert done.summary.skips_by_reason == {"returned": 1}
    assert line.left == []


def test_a_run_waits_for_what_it_has_given_back_with_a_delay(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    shut_out(monkeypatch, "get", Reason.UNREADABLE, times=1)
    line.send("a.jpg")
    assert set(line.run(queue={"retry_after": 1, "idle_exit": 0.1}).converted) == {"a.jpg"}


def test_what_may_have_taken_workers_down_twice_is_tried_in_a_process_of_its_own(
    line: Line, opened: Queued
) -> None:
    line.send("a.jpg")
    items = iter(opened)
    alone = []
    for _ in range(3):
        item = next(items)
        alone.append(item.alone)
        opened.done(item, Fate.RETURNED)
    assert alone == [False, False, True]


def test_what_is_no_picture_by_name_and_what_is_an_output_is_acknowledged_unread(
    line: Line,
) -> None:
    within = f"{line.library.input}/webps"
    line.send("readme.txt", "a.jpg.webp", "webps/x.webp", ".optimizr/x.png", "a.jpg")
    formats = {"formats": ["jpeg", "png", "webp"]}
    line.library.put("webps/x.webp", b"an output")
    done = line.run(output=within, picture=formats)
    assert set(done.converted) == {"a.jpg"}
    assert done.failed == {"a.jpg.webp": "not_found"}
    assert done.summary.ignored_files == 3
    assert line.left == []


def test_messages_of_another_part_of_the_bucket_are_acknowledged_unread(line: Line) -> None:
    line.send(f"{line.library.bucket.url}/other/a.jpg", f"{line.library.input}/a.jpg")
    done = line.run()
    assert set(done.converted) == {"a.jpg"}
    assert (done.failed, line.left) == ({}, [])


def test_no_more_is_held_than_can_be_begun_soon(line: Line, opened: Queued) -> None:
    line.send(*(f"{number}.jpg" for number in range(100)))
    items = iter(opened)
    for _ in range(8):  # each takes a worker long
        next(items)
        time.sleep(0.6)
    assert len(line.queue._free()) >= 100 - 8 - 4


def test_quick_pictures_come_ten_at_a_time(
    line: Line, opened: Queued, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    real = MemoryQueue.receive

    def receive(self: MemoryQueue, most: int, wait: float) -> list[Message]:
        asked.append(most)
        return real(self, most, wait)

    monkeypatch.setattr(MemoryQueue, "receive", receive)
    line.send(*(f"{number}.jpg" for number in range(100)))
    items = iter(opened)
    for _ in range(80):
        opened.done(next(items), Fate.DONE)
    assert asked[-1] == 10
    assert len(asked) < 20


def test_what_was_not_begun_is_given_back_at_once_when_a_run_is_to_end(
    line: Line, opened: Queued
) -> None:
    line.send(*(f"{number}.jpg" for number in range(40)))
    items = iter(opened)
    begun = [next(items) for _ in range(12)]
    opened.stop()
    wait_until(lambda: len(line.queue._free()) == 40 - len(begun))
    assert list(items) == []
    for item in begun:
        opened.done(item, Fate.DONE)
    opened.close()
    assert len(line.left) == 40 - len(begun)


def test_what_was_begun_and_not_settled_is_given_back_at_the_end(
    line: Line, opened: Queued
) -> None:
    line.send("a.jpg")
    next(iter(opened))
    opened.close()
    (message,) = line.queue.receive(10, 0)
    assert message.deliveries == 2


def test_leases_are_extended_for_as_long_as_a_picture_takes(line: Line) -> None:
    source = line.open(lease=2)
    line.send("a.jpg")
    item: Item = next(iter(source))
    end = time.monotonic() + 5
    while time.monotonic() < end:
        assert line.queue.receive(10, 0.3) == []
    source.done(item, Fate.DONE)
    source.close()
    assert line.left == []


@pytest.mark.long
def test_leases_are_extended_while_the_dead_letters_cannot_be_put(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    aside = MemoryQueue(f"{line.name}-dead", 60)
    source = line.open(lease=2, dead_letter=aside.name)
    line.send("bad.jpg", "a.jpg")
    items = iter(source)
    source.done(next(items), Fate.DONE)
    bad = next(items)
    line.send("a.png")
    next(items)

    send, is_up = MemoryQueue.send, threading.Event()

    def send_if_up(queue: MemoryQueue, bodies: Sequence[bytes]) -> None:
        if not is_up.is_set():
            raise QueueRefused("no answer", is_passing=True)
        send(queue, bodies)

    monkeypatch.setattr(MemoryQueue, "send", send_if_up)
    source.done(bad, Fate.FAILED)
    end = time.monotonic() + 4
    while time.monotonic() < end:
        assert line.queue.receive(10, 0.3) == []
    is_up.set()
    wait_until(lambda: len(line.left) == 1)  # and once they can, the message is gone
    assert len(aside.receive(10, 0)) == 1
    source.close()


def test_a_run_ends_once_the_queue_was_empty_for_so_long_and_not_before(line: Line) -> None:
    began = time.monotonic()
    later = threading.Timer(0.7, line.send, ["a.jpg"])
    later.start()
    done = line.run(queue={"idle_exit": 1.5})
    assert set(done.converted) == {"a.jpg"}
    assert time.monotonic() - began > 2.2
    later.join()


def test_a_run_does_not_end_while_pictures_are_in_work(line: Line, opened: Queued) -> None:
    line.send("a.jpg")
    items = iter(opened)
    item = next(items)
    ended = threading.Thread(target=lambda: list(items))
    ended.start()
    ended.join(1.0)
    assert ended.is_alive()
    opened.done(item, Fate.DONE)
    ended.join(5)
    assert not ended.is_alive()


def test_a_queue_that_refuses_for_good_ends_the_run(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    line.send("a.jpg")

    def refuses(*_: Any) -> None:
        raise QueueRefused("permission denied", False, "mend its rights")

    monkeypatch.setattr(MemoryQueue, "ack", refuses)
    done = line.run()
    assert set(done.converted) == {"a.jpg"}
    assert done.summary.exit_code == 3
    assert len(line.left) == 1


@pytest.mark.long
def test_filling_a_queue_that_is_down_ends_soon_when_it_is_told_to(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(*_: Any) -> None:
        raise QueueRefused("no answer", is_passing=True)

    settings = Settings(input=line.library.input, output=line.library.output)
    for method, error in (("send", EnvironmentStop), ("check", Cancelled)):
        monkeypatch.setattr(MemoryQueue, method, refuses)
        stop = Stop()
        timer = threading.Timer(0.5, setattr, [stop, "signal", 15])
        timer.start()
        began = time.monotonic()
        with pytest.raises(error):
            enqueue(settings, line.url, stop)
        assert time.monotonic() - began < 20
        timer.join()


def test_a_queue_that_is_down_for_too_long_ends_the_run(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = line.open(give_up_after=1)

    def refuses(*_: Any) -> None:
        raise QueueRefused("no answer", is_passing=True)

    monkeypatch.setattr(MemoryQueue, "receive", refuses)
    with pytest.raises(EnvironmentStop) as stopped:
        next(iter(source))
    source.close()
    assert stopped.value.cause == "queue_unreachable"
    assert "queue.give_up_after" in str(stopped.value)


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({"root": None}, "root"),
        ({"root": "/nowhere/at/all"}, "root"),
        ({"shard": {"index": 0, "count": 2}}, "shard.count"),
        ({"policy": {"naming": "replace"}}, "policy.naming"),
        ({"queue": {"dead_letter": "/tmp"}}, "queue.dead_letter"),
        ({"input": "redis://127.0.0.1/0"}, "input"),
        ({"input": "sqs://"}, "input"),
        ({"input": "pubsub://project"}, "input"),
    ],
)
def test_settings_that_do_not_go_with_a_queue_are_refused(
    line: Line, settings: dict[str, Any], names: str
) -> None:
    given = {"input": line.url, "root": line.library.input, "output": line.library.output}
    with pytest.raises(ConfigError, match=f"^{names}: "):
        open_queued(Settings(**{**given, **settings}), Stop())


def test_runs_at_once_share_a_queue_and_make_each_output_once(line: Line) -> None:
    for number in range(30):
        line.library.draw(f"{number}.jpg", number)
    line.send(*(f"{number}.jpg" for number in range(30)))
    told: list[str] = []

    def read(event: Event) -> None:
        if isinstance(event, ImageConverted):
            told.append(event.key)

    settings = Settings(
        input=line.url,
        root=line.library.input,
        output=line.library.output,
        queue={"idle_exit": 1},  # type: ignore[arg-type]
    )
    runs = [threading.Thread(target=optimizr.run, args=(settings, read)) for _ in range(3)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert sorted(told) == sorted(f"{number}.jpg" for number in range(30))
    assert line.left == []
    assert len([key for key in line.library.made() if key.startswith("summary-")]) == 3
