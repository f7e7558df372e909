"""One run at a time on an output, whoever and wherever the other one is."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from optimizr.errors import ConfigError, EnvironmentStop
from optimizr.ledger.lock import Lock
from tests.conftest import COMMAND, Program, clean_environment, fill, named


@pytest.fixture
def path(tmp_path: Path) -> bytes:
    return os.fsencode(tmp_path / "lock")


def never(stop: EnvironmentStop) -> None:
    raise AssertionError(stop)


def lock(path: bytes, on_lost: Any = never) -> Lock:
    return Lock(path, on_lost, beat_seconds=0.05, stale_seconds=1)


def of_another_machine(path: bytes) -> dict[str, Any]:
    """Leave the lock as a run on another machine would, and give what is in it."""
    with lock(path):
        written: dict[str, Any] = json.loads(Path(os.fsdecode(path)).read_text())
    written |= {"boot": "another", "host": "elsewhere", "pid": 7, "token": "other"}
    Path(os.fsdecode(path)).write_text(json.dumps(written))
    return written


@pytest.mark.long
def test_the_second_run_on_an_output_stops_with_exit_2_and_names_the_first(
    optimizr: Program, tmp_path: Path
) -> None:
    fill(tmp_path / "in", 40, side=1500)
    run = ("run", "--input", tmp_path / "in", "--output", tmp_path / "out", "--effort", "6")
    first = subprocess.Popen(
        [*COMMAND, *map(str, run)], env=clean_environment(), stdout=subprocess.PIPE, text=True
    )
    assert first.stdout is not None
    first.stdout.readline()
    for command in (run, ("prune", *run[1:])):
        second = optimizr(*command)
        assert second.returncode == 2
        assert second.stdout == ""
        assert f"pid {first.pid} on {os.uname().nodename}, since 20" in second.stderr
    told = first.stdout.read()
    first.stdout.close()
    assert first.wait(60) == 0
    assert len(named(told, "image.converted")) == 40
    assert optimizr(*run).returncode == 0


def test_the_lock_of_a_killed_run_is_taken_at_once(optimizr: Program, tmp_path: Path) -> None:
    fill(tmp_path / "in", 30, side=600)
    run = ("run", "--input", tmp_path / "in", "--output", tmp_path / "out")
    first = subprocess.Popen(
        [*COMMAND, *map(str, run)], env=clean_environment(), stdout=subprocess.PIPE
    )
    assert first.stdout is not None
    first.stdout.readline()
    first.kill()
    first.communicate()
    start = time.monotonic()
    assert optimizr(*run).returncode == 0
    assert time.monotonic() - start < 30


def test_a_lock_that_beats_on_another_machine_is_held(path: bytes) -> None:
    of_another_machine(path)
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(0.1):
            os.utime(path)

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        with pytest.raises(ConfigError, match="pid 7 on elsewhere, since 20"), lock(path):
            pass
    finally:
        ended.set()
        thread.join()


def test_a_lock_of_another_machine_that_beats_no_more_is_taken_over_and_tells_when_it_lived(
    path: bytes,
) -> None:
    written = of_another_machine(path)
    last = os.stat(path).st_mtime_ns
    start = time.monotonic()
    with lock(path) as taken:
        assert 0.5 < time.monotonic() - start < 10
        assert taken.died == (written["since_ns"], last + 10**9)


def test_an_old_lock_of_another_machine_is_taken_without_waiting(path: bytes) -> None:
    of_another_machine(path)
    os.utime(path, (1, 1))
    start = time.monotonic()
    with lock(path) as taken:
        assert time.monotonic() - start < 0.5
        assert taken.died is not None


def test_a_lock_that_was_given_back_is_nobodys(path: bytes) -> None:
    with lock(path):
        pass
    with lock(path) as taken:
        assert taken.died is None


def test_a_lock_that_somebody_takes_over_stops_the_run(path: bytes) -> None:
    lost: list[EnvironmentStop] = []
    with lock(path, lost.append):
        Path(os.fsdecode(path)).write_text("{}")
        deadline = time.monotonic() + 10
        while not lost and time.monotonic() < deadline:
            time.sleep(0.02)
    assert [stop.cause for stop in lost] == ["lock_lost"]
    assert Path(os.fsdecode(path)).read_text() == "{}"


def test_the_lock_beats(path: bytes) -> None:
    with lock(path):
        before = os.stat(path).st_mtime_ns
        deadline = time.monotonic() + 10
        while os.stat(path).st_mtime_ns == before and time.monotonic() < deadline:
            time.sleep(0.02)
        assert os.stat(path).st_mtime_ns > before
