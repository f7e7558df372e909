from __future__ import annotations

import json
import tempfile
from functools import reduce as fold
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizr import report
from optimizr.errors import ConfigError
from optimizr.events import (
    Event,
    RunFinished,
    RunProgress,
)
from optimizr.records import to_record
from optimizr.replay import replay
from optimizr.summary import Summary, merge, reduce
from tests.strategies import runs


def lines(log: list[Event]) -> list[bytes]:
    return [json.dumps(to_record(event)).encode() + b"\n" for event in log]


def replayed(*logs: list[bytes]) -> Summary:
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for number, log in enumerate(logs):
            paths.append(Path(folder) / f"{number}.jsonl")
            paths[-1].write_bytes(b"".join(log))
        return replay(map(str, paths)).whole


def told(log: list[Event]) -> Summary:
    """Give the summary that the run itself held at its end."""
    return fold(reduce, log, Summary())


def same(one: Summary, other: Summary) -> bool:
    return bool(json.loads(report.to_json(one)) == json.loads(report.to_json(other)))


@given(runs(), st.randoms(use_true_random=False))
def test_a_log_in_any_order_gives_the_runs_own_summary(log: list[Event], random: st.DrawFn) -> None:
    shuffled = lines(log)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert same(replayed(shuffled), told(log))


@given(runs(), st.integers(0, 40))
def test_a_log_that_lost_its_front_or_its_pictures_gives_the_same_summary(
    log: list[Event], cut: int
) -> None:
    assert same(replayed(lines(log[min(cut, len(log) - 1) :])), told(log))
    assert same(replayed([ln for ln in lines(log) if b'"image.' not in ln]), told(log))


@given(runs(), st.integers(1, 40))
def test_a_run_that_was_killed_counts_what_it_told_after_its_last_state(
    log: list[Event], cut: int
) -> None:
    cut_off = log[:cut]
    states = [n for n, e in enumerate(cut_off) if isinstance(e, RunProgress | RunFinished)]
    without_old_pictures = [
        line
        for n, line in enumerate(lines(cut_off))
        if b'"image.' not in line or n > max(states, default=-1)
    ]
    assert same(replayed(without_old_pictures), told(cut_off))


@given(runs())
def test_a_log_given_twice_counts_once(log: list[Event]) -> None:
    assert same(replayed(lines(log), lines(log)), told(log))
    assert same(replayed(lines(log[:-1]) * 2), told(log[:-1]))


@given(runs("one"), runs("two"))
def test_logs_of_several_runs_merge(one: list[Event], two: list[Event]) -> None:
    both = merge(told(one), told(two))
    assert same(replayed(lines(one) + lines(two)), both)
    assert same(replayed(lines(two), lines(one)), both)


@given(runs())
def test_lines_that_are_no_events_are_passed_over(log: list[Event]) -> None:
    noise = [
        b"\n", b"Traceback (most recent call last):\n", b"{not json}\n", b"{}\n", b"[1]\n",
        b'{"event": "run.started"}\n', b'{"event": "other"}\n', b"\xff\xfe{\n", b'{"event": {}}\n',
        b'{"event": "run.finished", "seq": 99, "state": {"runs": "many"}}\n',
    ]  # fmt: skip
    prefixed = [b"[pod/a-b/optimizr] " + line for line in lines(log)]
    assert same(replayed([*noise, *prefixed, *noise]), told(log))


def test_a_state_that_is_no_state_is_passed_over() -> None:
    line = (
        b'{"timestamp": "2026-01-01T00:00:00Z", "level": "info", "event": "run.progress", '
        b'"run_id": "x", "seq": 3, "total_files": 0, "failed_files": 0, "input_bytes": 0, '
        b'"output_bytes": 0, "state": {"runs": "many"}}\n'
    )
    summary = replayed([line])
    assert summary.runs == 0
    assert summary.start_us is not None


def test_files_without_events_or_that_cannot_be_read_are_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    with pytest.raises(ConfigError, match="expected logs of optimizr"):
        replay([str(tmp_path / "empty")])
    with pytest.raises(ConfigError, match="No such file"):
        replay([str(tmp_path / "gone")])
    with pytest.raises(ConfigError, match="directory"):
        replay([str(tmp_path)])
