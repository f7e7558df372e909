"""Pictures that no kill reaches: libvips is made to look at nothing."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest

import optimizr
from optimizr import convert as converter
from optimizr import job
from optimizr.convert import Converted, convert
from optimizr.events import (
    Event,
    ImageFailed,
)
from tests.conftest import fill


class Stuck:
    """Stands before `convert`, and does not come back for the first pictures it sees."""

    def __init__(self, count: int) -> None:
        self._left = count
        self._lock = threading.Lock()
        self.release = threading.Event()

    def __call__(self, picture: Any, options: Any, cancelled: Any) -> Converted:
        with self._lock:
            self._left -= 1
            stuck = self._left >= 0
        if stuck:
            self.release.wait(60)
        return convert(picture, options, cancelled)


def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stuck: Stuck) -> tuple[Any, list[Event]]:
    fill(tmp_path / "in", 12)
    monkeypatch.setattr(converter, "convert", stuck)
    monkeypatch.setattr(job, "_GRACE_SECONDS", 0.2)
    told: list[Event] = []
    settings = optimizr.Settings(
        input=str(tmp_path / "in"),
        output=str(tmp_path / "out"),
        pool={"cpus": 2, "workers": 4},  # type: ignore[arg-type]
        limits={"timeout": "1s", "drain": "1s"},  # type: ignore[arg-type]
    )
    try:
        return optimizr.run(settings, told.append), told
    finally:
        stuck.release.set()


def test_a_picture_that_cannot_be_stopped_fails_as_timeout_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    summary, told = run(tmp_path, monkeypatch, Stuck(1))
    (failure,) = [event for event in told if isinstance(event, ImageFailed)]
    assert failure.reason == "timeout"
    assert (summary.converted_files, summary.failed_files, summary.exit_code) == (11, 1, 1)
    assert not list((tmp_path / "out").rglob(Path(failure.key).stem + ".webp"))


def test_slots_that_come_back_are_not_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow(Stuck):
        """Comes back by itself: two of the first four late, but not at the same time."""

        def __call__(self, picture: Any, options: Any, cancelled: Any) -> Converted:
            with self._lock:
                self._left -= 1
                left = self._left
            time.sleep({3: 1.5, 2: 0.9, 1: 0.9, 0: 1.5}.get(left, 0))
            return convert(picture, options, cancelled)

    summary, _ = run(tmp_path, monkeypatch, Slow(4))
    assert summary.failures_by_reason == {"timeout": 2}
    assert (summary.total_files, summary.exit_code) == (12, 1)


def test_with_every_slot_lost_the_run_stops_with_exit_3(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    summary, told = run(tmp_path, monkeypatch, Stuck(2))
    failures = [event for event in told if isinstance(event, ImageFailed)]
    assert [failure.reason for failure in failures] == ["timeout", "timeout"]
    assert summary.exit_code == 3
    assert told[-1].cause == "slots_lost"  # type: ignore[attr-defined]
