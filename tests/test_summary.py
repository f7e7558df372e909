from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from functools import reduce as fold
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from optimizr.errors import Reason
from optimizr.events import (
    Event,
    ImageConverted,
    ImageFailed,
    RunSampled,
)
from optimizr.measures import tenths
from optimizr.merges import Entry
from optimizr.report.figures import figures
from optimizr.summary import TOP, Summary, merge, reduce
from optimizr.timeslots import MAX_SLOTS, Snapshot, Snapshots
from tests.strategies import SAMPLED_FIELDS, START, runs

EMPTY = Summary()


@given(runs(), st.randoms(use_true_random=False))
def test_the_order_of_events_does_not_matter(log: list[Event], random: st.DrawFn) -> None:
    shuffled = list(log)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert fold(reduce, shuffled, EMPTY) == fold(reduce, log, EMPTY)


@given(runs("a"), runs("b"), runs("c"))
def test_merging_is_associative_and_commutative_with_the_empty_summary_as_neutral(
    one: list[Event], two: list[Event], three: list[Event]
) -> None:
    a, b, c = (fold(reduce, log, EMPTY) for log in (one, two, three))
    assert merge(merge(a, b), c) == merge(a, merge(b, c))
    assert merge(a, b) == merge(b, a)
    assert merge(a, EMPTY) == a == merge(EMPTY, a)


@given(runs(), st.integers(0, 40))
def test_a_log_cut_anywhere_merges_to_the_whole(log: list[Event], cut: int) -> None:
    head, tail = fold(reduce, log[:cut], EMPTY), fold(reduce, log[cut:], EMPTY)
    assert merge(head, tail) == fold(reduce, log, EMPTY)


@given(runs())
def test_a_summary_survives_being_carried_by_an_event_as_json(log: list[Event]) -> None:
    summary = fold(reduce, log, EMPTY)
    carried = Summary.from_state(json.loads(json.dumps(summary.to_state())))
    assert carried == summary
    assert figures(carried) == figures(summary)


@given(runs())
def test_reducing_leaves_the_summary_given_as_it_was(log: list[Event]) -> None:
    before = fold(reduce, log, EMPTY)
    state = before.to_state()
    reduce(before, log[0])
    assert before.to_state() == state


@given(runs())
def test_every_picture_is_counted_once(log: list[Event]) -> None:
    summary = fold(reduce, log, EMPTY)
    names = [event.name for event in log]
    assert summary.converted_files == names.count("image.converted")
    assert summary.failed_files == names.count("image.failed")
    assert summary.skipped_files == names.count("image.skipped")
    assert summary.total_files == sum(name.startswith("image.") for name in names)
    assert sum(summary.failures_by_reason.values()) == summary.failed_files
    assert sum(summary.durations.values()) == summary.converted_files


@given(runs())
def test_the_look_of_each_picture_is_counted_once_and_the_worst_are_listed(
    log: list[Event],
) -> None:
    summary = fold(reduce, log, EMPTY)
    made = [event for event in log if isinstance(event, ImageConverted)]
    assert sum(summary.by_mode.values()) == len(made)
    assert summary.more_encodes + len(made) == sum(event.encodes or 1 for event in made)
    for measure, counts, worst in (
        ("look", summary.looks, summary.worst_looks),
        ("psnr_db", summary.psnrs, summary.worst_psnrs),
    ):
        told = [
            Entry(round(100 * value), e.key, e.format, e.input_bytes, e.output_bytes)
            for e in made
            if (value := getattr(e, measure)) is not None
        ]
        assert sum(counts.values()) == len(told)
        assert list(worst) == sorted(set(told))[:TOP]


@given(st.integers(-30_000, 10_000))
def test_a_look_is_counted_by_its_tenth_of_a_point_and_what_is_below_0_as_0(look: int) -> None:
    assert tenths(look) == max(0, look) // 10
    assert tenths(look) <= 1000


def seen(second: int, rss: int = 0) -> Summary:
    snapshot = Snapshot(rss, second * 1_000_000, 0, "run")
    return Summary(snapshots=Snapshots(1, {second: snapshot}))


def test_snapshots_stay_few_over_a_week_and_keep_the_peak() -> None:
    every = 30
    week = range(0, 7 * 86400, every)
    peak = 123_450
    summary = EMPTY
    for second in week:
        summary = merge(summary, seen(second, rss=10**9 if second == peak else second % 7))
    kept = summary.snapshots.by_slot
    assert MAX_SLOTS // 2 <= len(kept) <= MAX_SLOTS
    assert max(kept.values()).time_us == peak * 1_000_000
    gaps = [b - a for a, b in pairwise(sorted(kept))]
    assert set(gaps) == {1}  # spread evenly over the whole week


@given(
    st.dictionaries(st.integers(0, 10**6), st.integers(0, 9), min_size=200, max_size=600),
    st.randoms(use_true_random=False),
)
def test_thinning_does_not_depend_on_the_order(points: dict[int, int], random: st.DrawFn) -> None:
    forward = [seen(second, rss) for second, rss in points.items()]
    shuffled = list(forward)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert fold(merge, shuffled, EMPTY) == fold(merge, forward, EMPTY)


def test_the_state_stays_small_however_long_the_run_and_its_names() -> None:
    summary = EMPTY
    for number in range(1500):
        moment = START + timedelta(minutes=10 * number)
        key = f"{number % 60:04}".ljust(4000, "\u00e4")
        body: dict[str, Any] = {"key": key, "input_bytes": 10**6 + number}
        done = ImageConverted(
            **body, output=key, format="jpeg", width=1, height=1, mode="lossy", fetch_ms=1,
            psnr_db=number / 15, look=number / 15, encodes=2,
            output_bytes=10**6 + number + (-1) ** number * number * 400, convert_ms=1, store_ms=1,
            duration_ms=1.03**number,
        )  # fmt: skip
        reason = sorted(Reason)[number % len(Reason)]
        failure = ImageFailed(
            **body, source=key, reason=reason, message=key, stage="fetch", duration_ms=1
        )
        fields: dict[str, Any] = dict.fromkeys(SAMPLED_FIELDS, number)
        sample = RunSampled(**fields)
        for event in (done, failure, sample):
            summary = reduce(summary, replace(event, timestamp=moment, run_id="a" * 23))
    state = json.dumps(summary.to_state(), ensure_ascii=False).encode()
    assert {*map(len, (summary.worst_looks, summary.worst_psnrs))} == {TOP}
    assert 100_000 < len(state) < 220_000  # Loki takes lines of up to 256 kB
