"""The program as a queue's worker: real queues, real stores, several processes, some killed."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import pytest

from tests.conftest import COMMAND, Program, clean_environment, converted, events, failed, named
from tests.make_pictures import photo
from tests.queues import KINDS, Made, new_queue, open_at
from tests.servers.faults import Faults
from tests.servers.redis import Redis
from tests.servers.seaweed import S3
from tests.servers.sqs import Sqs
from tests.servers.tcp_faults import TcpFaults
from tests.watching import free_port, get, wait_until

SERVICES = [
    pytest.param(kind, marks=() if kind == "redis" else pytest.mark.long)
    for kind in KINDS
    if kind != "memqueue"
]
LEASE = ("--queue.lease", "2s")


def small(number: int) -> bytes:
    data: bytes = photo(40 + number % 20, 30, number).jpegsave_buffer(Q=85)
    return data


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Twenty small pictures, and what is none."""
    folder = tmp_path / "tree"
    for number in range(20):
        path = folder / f"f{number % 3}" / f"{number:02} ü%.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(small(number))
    (folder / "readme.txt").write_text("hello")
    return folder


@pytest.fixture(params=SERVICES)
def made(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Made:
    return new_queue(request.param, request, monkeypatch)


@pytest.fixture
def redis_line(redis: Redis) -> Made:
    return KINDS["redis"][1](redis)


def send(url: str, *keys: str) -> None:
    queue = open_at(url)
    queue.check()
    queue.send([json.dumps({"key": key}).encode() for key in keys])
    queue.close()


def is_empty(made: Made) -> bool:
    """Tell whether nothing is left, neither free nor held by somebody who is gone."""
    if made.has_leases:
        time.sleep(2.2)
    queue = open_at(made.url)
    queue.check()
    left = queue.receive(10, 1)
    queue.close()
    return not left


class Worker:
    """A run that takes messages, as a process."""

    def __init__(self, home: Path, environment: Mapping[str, str], *args: object) -> None:
        home.mkdir()
        self._out, self._err = home / "out", home / "err"
        with self._out.open("w") as out, self._err.open("w") as err:
            self.process = subprocess.Popen(
                [*COMMAND, "run", *map(str, args)],
                cwd=home,
                env=clean_environment(**environment),
                stdout=out,
                stderr=err,
            )

    @property
    def out(self) -> str:
        """Whole lines that it has told so far."""
        text = self._out.read_text()
        return text[: text.rfind("\n") + 1]

    @property
    def err(self) -> str:
        return self._err.read_text()

    @property
    def converted(self) -> list[str]:
        return [event["key"] for event in named(self.out, "image.converted")]

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(60)


@pytest.fixture
def workers() -> Iterator[list[Worker]]:
    """Workers of a test, which do not outlive it."""
    started: list[Worker] = []
    yield started
    for worker in started:
        if worker.process.poll() is None:
            worker.end(signal.SIGKILL)


def test_what_is_enqueued_from_a_listing_is_converted_by_a_worker(
    made: Made, tree: Path, optimizr: Program, tmp_path: Path
) -> None:
    sent = optimizr("enqueue", "--input", tree, "--queue", made.url, **made.environment)
    assert sent.returncode == 0, sent.stderr
    assert sent.stdout.startswith("20 pictures enqueued to ")
    run = (
        *("run", "--input", made.url, "--root", tree, "--output", tmp_path / "out", *LEASE),
        *("--queue.idle-exit", "1s"),
    )
    done = optimizr(*run, **made.environment)
    assert done.returncode == 0, done.stderr
    assert len(converted(done)) == 20
    outputs = {path.relative_to(tmp_path / "out") for path in (tmp_path / "out").rglob("*.webp")}
    assert outputs == {
        path.relative_to(tree).with_name(f"{path.name}.webp") for path in tree.rglob("*.jpg")
    }
    optimizr("enqueue", "--input", tree, "--queue", made.url, **made.environment)
    again = optimizr(*run, **made.environment)
    assert len(named(again.stdout, "image.skipped")) == 20
    assert is_empty(made)


def test_messages_that_cannot_be_used_and_pictures_that_fail_go_to_the_dead_letters(
    made: Made, request: pytest.FixtureRequest, tree: Path, optimizr: Program, tmp_path: Path
) -> None:
    scheme = next(iter(k for k in request.node.callspec.params.values()))
    fixture, make = KINDS[scheme]
    aside = make(request.getfixturevalue(str(fixture)))
    open_at(aside.url).check()
    (tree / "bad.jpg").write_text("no picture")
    queue = open_at(made.url)
    queue.check()
    queue.send([b"junk", b'{"key": "bad.jpg"}', b'{"key": "../x.jpg"}', b'{"key": "readme.txt"}'])
    queue.close()
    done = optimizr(
        *("run", "--input", made.url, "--root", tree, "--output", tmp_path / "out"),
        *("--queue.idle-exit", "1s", "--queue.dead-letter", aside.url),
        **made.environment,
    )
    assert done.returncode == 1, done.stderr
    assert sorted(failed(done).values()) == ["bad_message", "bad_message", "not_a_picture"]
    assert len((tmp_path / "out/failed.jsonl").read_text().splitlines()) == 3
    dead = open_at(aside.url)
    bodies: set[bytes] = set()
    end = time.monotonic() + 10
    while len(bodies) < 3 and time.monotonic() < end:
        bodies |= {message.body for message in dead.receive(10, 0.5)}
    dead.close()
    assert bodies == {b"junk", b'{"key": "bad.jpg"}', b'{"key": "../x.jpg"}'}
    assert is_empty(made)


def test_a_notification_of_s3_leads_from_bucket_to_bucket_by_way_of_sqs(
    sqs: Sqs, s3: S3, optimizr: Program
) -> None:
    pictures, webps = s3.new_bucket("pictures"), s3.new_bucket("webps")
    keys = ["in/a b+c.jpg", "in/ä.jpg", "in/notes.txt"]
    for number, key in enumerate(keys):
        s3.client.put_object(Bucket=pictures, Key=key, Body=small(number))
    records = [
        {
            "eventName": "ObjectCreated:Put",
            "s3": {"bucket": {"name": pictures}, "object": {"key": quote_plus(key, safe="/")}},
        }
        for key in keys
    ]
    name, client = sqs.new_queue(), sqs.client()
    url = client.get_queue_url(QueueName=name)["QueueUrl"]
    client.send_message(QueueUrl=url, MessageBody=json.dumps({"Records": records}))
    client.send_message(QueueUrl=url, MessageBody='{"Event": "s3:TestEvent"}')
    done = optimizr(
        *("run", "--input", f"sqs+{url}", "--root", f"s3://{pictures}/in"),
        *("--output", f"s3://{webps}", "--queue.idle-exit", "1s"),
        **{**sqs.environment(), **s3.environment()},
    )
    assert done.returncode == 0, done.stderr
    assert converted(done) == {"a b+c.jpg", "ä.jpg"}
    listed = [found["Key"] for found in s3.client.list_objects_v2(Bucket=webps)["Contents"]]
    assert {key for key in listed if key.endswith(".webp")} == {"a b+c.jpg.webp", "ä.jpg.webp"}
    assert sum(key.startswith("summary-") for key in listed) == 1
    attributes = client.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    client.close()
    assert attributes["ApproximateNumberOfMessages"] == "0"
    assert attributes["ApproximateNumberOfMessagesNotVisible"] == "0"


@pytest.mark.parametrize("scheme", [pytest.param("sqs", marks=pytest.mark.long), "redis"])
def test_a_picture_that_takes_longer_than_the_lease_is_worked_on_once(
    scheme: str,
    request: pytest.FixtureRequest,
    s3: S3,
    tmp_path: Path,
    workers: list[Worker],
) -> None:
    fixture, make = KINDS[scheme]
    made = make(request.getfixturevalue(str(fixture)))
    bucket = s3.new_bucket()
    s3.client.put_object(Bucket=bucket, Key="in/a.jpg", Body=small(1))
    with Faults(s3.endpoint) as slow:
        environment = {**made.environment, **s3.environment(), "AWS_ENDPOINT_URL": slow.url}
        args = (
            *("--input", made.url, "--root", f"s3://{bucket}", "--output", f"s3://{bucket}/out"),
            *("--queue.idle-exit", "2s", *LEASE),
        )
        workers += [Worker(tmp_path / f"w{number}", environment, *args) for number in range(2)]
        wait_until(lambda: all("run.started" in worker.out for worker in workers))
        slow.latency = 1.2
        send_with(environment, made, "in/a.jpg")
        wait_until(lambda: any(worker.converted for worker in workers))
        slow.latency = 0
        codes = [worker.process.wait(60) for worker in workers]
    assert codes == [0, 0]
    told = [event for worker in workers for event in events(worker.out)]
    about = [event for event in told if event.get("key") == "in/a.jpg"]
    assert [event["event"] for event in about] == ["image.converted"]
    assert about[0]["duration_ms"] > 2000


def send_with(environment: Mapping[str, str], made: Made, *keys: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        send(made.url, *keys)


def crowd(
    made: Made, s3: S3, tmp_path: Path, workers: list[Worker], count: int
) -> tuple[Counter[str], str]:
    """Have four workers do so many messages, kill two of them, and give what was converted."""
    pictures, webps = s3.new_bucket("pictures"), s3.new_bucket("webps")
    keys = [f"d{number % 7}/{number}.jpg" for number in range(count)]
    for number, key in enumerate(keys):
        s3.client.put_object(Bucket=pictures, Key=key, Body=small(number))
    # What is on its way to a worker as it is killed has the subscription's own deadline, of 10 s.
    idle = "12s" if made.url.startswith("pubsub") else "8s"
    args = (
        *("--input", made.url, "--root", f"s3://{pictures}", "--output", f"s3://{webps}"),
        *(*LEASE, "--workers", 4, "--report.html", "false", "--queue.idle-exit"),
    )
    with Faults(s3.endpoint) as slow:
        environment = {**made.environment, **s3.environment(), "AWS_ENDPOINT_URL": slow.url}
        # Those to be killed wait for the others, and none is done before each has its share.
        for number, patience in enumerate(("60s", "60s", idle, idle)):
            workers.append(Worker(tmp_path / f"w{number}", environment, *args, patience))
        wait_until(lambda: all("run.started" in worker.out for worker in workers))
        slow.latency = 0.1
        send_with(environment, made, *keys)
        for worker in workers[:2]:
            wait_until(partial(_has_done, worker, count // 20), seconds=900)
            worker.end(signal.SIGKILL)
        slow.latency = 0
        assert [worker.process.wait(1200) for worker in workers[2:]] == [0, 0], workers[2].err
    assert is_empty(made)
    pages = s3.client.get_paginator("list_objects_v2").paginate(Bucket=webps)
    listed = {found["Key"] for page in pages for found in page["Contents"]}
    assert {key for key in listed if key.endswith(".webp")} == {f"{key}.webp" for key in keys}
    for worker in workers:
        assert named(worker.out, "image.failed") == []
    return Counter(key for worker in workers for key in worker.converted), webps


def _has_done(worker: Worker, count: int) -> bool:
    assert worker.process.poll() is None, worker.err
    return len(worker.converted) > count


def test_of_four_workers_two_are_killed_and_every_output_is_there(
    made: Made, s3: S3, tmp_path: Path, workers: list[Worker]
) -> None:
    told, _ = crowd(made, s3, tmp_path, workers, 160)
    # Told or not: what the killed ones held comes again, and no more than that.
    assert sum(told.values()) - len(told) <= 2 * (4 + 10)


@pytest.mark.long
@pytest.mark.timeout(2400)  # moto takes its time with a long queue
@pytest.mark.parametrize("kind", ["sqs", "redis"])
def test_two_thousand_messages_outlive_two_of_four_workers(
    kind: str,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    s3: S3,
    tmp_path: Path,
    workers: list[Worker],
) -> None:
    made = new_queue(kind, request, monkeypatch)
    told, webps = crowd(made, s3, tmp_path, workers, 2000)
    assert sum(told.values()) - len(told) <= 2 * (4 + 10)
    for number in range(0, 2000, 97):
        key = f"d{number % 7}/{number}.jpg.webp"
        assert s3.client.get_object(Bucket=webps, Key=key)["Body"].read()[8:12] == b"WEBP"


@pytest.mark.long
def test_resets_and_silence_between_worker_and_redis_lose_nothing(
    redis: Redis, tree: Path, tmp_path: Path, workers: list[Worker]
) -> None:
    made = KINDS["redis"][1](redis)
    with TcpFaults(redis.address) as faults:
        url = made.url.replace(redis.address, faults.address)
        lose_nothing(made, url, {}, tree, tmp_path, workers, faults)


def lose_nothing(
    made: Made,
    url: str,
    environment: Mapping[str, str],
    tree: Path,
    tmp_path: Path,
    workers: list[Worker],
    faults: TcpFaults,
) -> None:
    """Have a worker do its work while its connections break, and are gone for a while."""
    keys = [f"{number}.jpg" for number in range(120)]
    for number, key in enumerate(keys):
        (tree / key).write_bytes(small(number))
    send_with(environment, made, *keys)
    faults.reset_every = 7  # one wait of a worker without work is ten requests
    worker = Worker(
        *(tmp_path / "w", environment, "--input", url, "--root", tree),
        *("--output", tmp_path / "out", "--queue.idle-exit", "5s", *LEASE),
    )
    workers.append(worker)
    wait_until(lambda: len(worker.converted) > 30)
    faults.down = True
    time.sleep(1.5)
    faults.down = False
    assert worker.process.wait(120) == 0, worker.err
    assert faults.resets > 2
    assert set(worker.converted) == set(keys)
    assert named(worker.out, "image.failed") == []
    assert is_empty(made)


@pytest.mark.long
def test_an_overloaded_sqs_loses_nothing(
    sqs: Sqs, tree: Path, tmp_path: Path, workers: list[Worker]
) -> None:
    name, keys = sqs.new_queue(), [f"{number}.jpg" for number in range(120)]
    for number, key in enumerate(keys):
        (tree / key).write_bytes(small(number))
    made = Made(f"sqs://{name}", "", sqs.environment())
    send_with(made.environment, made, *keys)
    with Faults(sqs.endpoint) as faults:
        faults.answer_every, faults.reset_every, faults.cut_every = (5, 503), 7, 11
        worker = Worker(
            *(tmp_path / "w", {**made.environment, "AWS_ENDPOINT_URL_SQS": faults.url}),
            *("--input", made.url, "--root", tree, "--output", tmp_path / "out"),
            *("--queue.idle-exit", "5s", *LEASE),
        )
        workers.append(worker)
        assert worker.process.wait(120) == 0, worker.err
        assert faults.requests["POST"] > 30
    assert set(worker.converted) == set(keys)
    with pytest.MonkeyPatch.context() as patch:
        for variable, value in made.environment.items():
            patch.setenv(variable, value)
        assert is_empty(made)


def test_a_worker_that_waits_is_healthy_and_ends_soon_when_it_is_told_to(
    redis_line: Made, tree: Path, tmp_path: Path, workers: list[Worker]
) -> None:
    port = free_port()
    worker = Worker(
        *(tmp_path / "w", {}, "--input", redis_line.url, "--root", tree),
        *("--output", tmp_path / "out", "--telemetry.http", f"127.0.0.1:{port}"),
        *("--telemetry.stall-after", "1s"),
    )
    workers.append(worker)
    wait_until(lambda: get(port, "/ready").status == 200)
    time.sleep(2)  # longer than what would be a stall
    health = get(port, "/health")
    assert health.status == 200
    assert "waits for its source" in health.json["why"]
    send(redis_line.url, "f0/00 ü%25.jpg")
    wait_until(lambda: worker.converted)
    began = time.monotonic()
    assert worker.end() == 143
    assert time.monotonic() - began < 10
    (finished,) = named(worker.out, "run.finished")
    assert finished["exit_code"] == 143
    assert (tmp_path / "out/summary.json").exists()


def test_a_worker_is_not_ready_while_its_queue_cannot_be_reached(
    redis: Redis, tree: Path, tmp_path: Path, workers: list[Worker]
) -> None:
    made, port = KINDS["redis"][1](redis), free_port()
    with TcpFaults(redis.address) as faults:
        worker = Worker(
            *(tmp_path / "w", {}, "--input", made.url.replace(redis.address, faults.address)),
            *("--root", tree, "--output", tmp_path / "out"),
            *("--telemetry.http", f"127.0.0.1:{port}"),
        )
        workers.append(worker)
        wait_until(lambda: get(port, "/ready").status == 200)
        faults.down = True
        not_ready = wait_until(lambda: (got := get(port, "/ready")).status == 503 and got)
        assert "expected to reach the input, got redis://" in not_ready.json["why"]
        assert get(port, "/health").status == 200
        faults.down = False
        wait_until(lambda: get(port, "/ready").status == 200)
        assert worker.end() == 143


def test_a_worker_that_is_told_to_end_gives_back_what_it_has_not_begun(
    redis_line: Made, s3: S3, tmp_path: Path, workers: list[Worker]
) -> None:
    bucket = s3.new_bucket()
    keys = [f"{number}.jpg" for number in range(60)]
    for number, key in enumerate(keys):
        s3.client.put_object(Bucket=bucket, Key=key, Body=small(number))
    send(redis_line.url, *keys)
    with Faults(s3.endpoint) as slow:
        worker = Worker(
            *(tmp_path / "w", {**s3.environment(), "AWS_ENDPOINT_URL": slow.url}),
            *("--input", redis_line.url, "--root", f"s3://{bucket}", "--workers", 2),
            *("--output", tmp_path / "out"),
        )
        workers.append(worker)
        wait_until(lambda: len(worker.converted) > 10)
        slow.latency = 1.0
        wait_until(lambda: slow.requests["GET"] > 0)
        assert worker.end() == 143
    # Its lease is a minute: what comes now was given back.
    other = open_at(redis_line.url, lease=60)
    other.check()
    left = []
    while taken := other.receive(10, 1):
        left += taken
    other.close()
    done = {*worker.converted}
    assert len(left) == 60 - len(done)
    assert {json.loads(message.body)["key"] for message in left} == {*keys} - done


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("redis://u:s3cret@127.0.0.1:1/0?stream=s&group=g", "to answer within"),
        ("redis://u:s3cret@127.0.0.1:1/0?stream=s", "expected redis://HOST:PORT/0?stream="),
        ("amqp://u:s3cret@127.0.0.1/", "expected amqp://HOST:PORT/QUEUE"),
        ("reddis://u:s3cret@127.0.0.1/0?stream=s&group=g", "neither a list nor a queue"),
    ],
)
def test_a_queue_that_cannot_be_used_is_told_of_without_its_password(
    url: str, said: str, tree: Path, optimizr: Program, tmp_path: Path
) -> None:
    done = optimizr(
        *("run", "--input", url, "--root", tree, "--output", tmp_path / "out"),
        *("--queue.give-up-after", "1s"),
    )
    assert done.returncode in (2, 3)
    assert said in done.stderr
    assert "s3cret" not in done.stderr + done.stdout


def test_a_worker_that_waits_for_its_service_to_come_up_ends_when_it_is_told_to(
    tree: Path, tmp_path: Path, workers: list[Worker]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(60)
        url = f"redis://127.0.0.1:{server.getsockname()[1]}/0?stream=s&group=g"
        args = ("--input", url, "--root", tree, "--output", tmp_path / "out")
        workers.append(Worker(tmp_path / "worker", {}, *args))
        server.accept()[0].close()
    began = time.monotonic()
    assert workers[0].end() == 143
    assert time.monotonic() - began < 20


def test_a_password_in_the_url_is_in_no_event_and_no_report(
    redis: Redis, tree: Path, optimizr: Program, tmp_path: Path
) -> None:
    with redis.client() as client:
        client.acl_setuser(
            "worker", enabled=True, passwords=["+s3cret"], keys=["*"], commands=["+@all"]
        )
    url = KINDS["redis"][1](redis).url.replace("redis://", "redis://worker:s3cret@")
    done = optimizr(
        *("run", "--input", url, "--root", tree, "--output", tmp_path / "out"),
        *("--queue.idle-exit", "0.2s", "--queue.dead-letter", url),
    )
    assert done.returncode == 0, done.stderr
    written = [path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert b"s3cret" not in b"".join([*written, done.stdout.encode(), done.stderr.encode()])


@pytest.mark.parametrize("command", ["presign", "prune", "tune", "dry-run", "enqueue"])
def test_commands_that_list_pictures_refuse_a_queue(
    command: str, tmp_path: Path, optimizr: Program
) -> None:
    words: tuple[Any, ...] = ("run", "--dry-run") if command == "dry-run" else (command,)
    more = ("--queue", "memqueue://x") if command == "enqueue" else ()
    done = optimizr(*words, "--input", "memqueue://a", "--output", tmp_path / "out", *more)
    assert done.returncode == 2
    assert "got a queue" in done.stderr
