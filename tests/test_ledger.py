"""The ledger: what is told is committed, what is ours is known, whatever ended the run."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizr.config import Settings
from optimizr.errors import EnvironmentStop
from optimizr.events import ImageConverted, ImageFailed, ImageSkipped
from optimizr.keys import to_text
from optimizr.ledger.entries import Entry
from optimizr.ledger.in_flight import InFlight, Note
from optimizr.ledger.ledger import Ledger
from optimizr.ledger.makings import fingerprint, made_with
from optimizr.source import Item


def settings(**sections: Any) -> Settings:
    return Settings(input="in", output="out", **sections)


def ledger(folder: Path, *, encoder: str = "1", **more: Any) -> Ledger:
    sections = more.pop("sections", {})
    return Ledger(os.fsencode(folder), settings(**sections), encoder, **more)


def item(name: bytes = b"a.jpg", version: str = "5-1") -> Item:
    return Item(name, name[:-4] + b".webp", 5, version)


def converted(done: Item, size: int = 3) -> ImageConverted:
    return ImageConverted(
        key=to_text(done.key),
        output=to_text(done.output),
        format="jpeg",
        width=1,
        height=1,
        mode="lossy",
        input_bytes=done.size,
        output_bytes=size,
        fetch_ms=0,
        convert_ms=0,
        store_ms=0,
        duration_ms=0,
    )


def failed(done: Item) -> ImageFailed:
    return ImageFailed(
        key=to_text(done.key),
        source="/in/" + to_text(done.key),
        reason="corrupt",
        message="",
        stage="convert",
        input_bytes=done.size,
        duration_ms=0,
    )


def test_what_is_recorded_is_current_for_the_same_version_and_settings_only(tmp_path: Path) -> None:
    with ledger(tmp_path) as first:
        first.record([Entry(item(), converted(item()))])
    with ledger(tmp_path, encoder="2") as second:  # another encoder redoes nothing
        known = second.find(b"a.jpg")
        assert known is not None
        assert second.is_current(known, "5-1")
        assert not second.is_current(known, "5-2")
        assert second.find(b"b.jpg") is None
    with ledger(tmp_path, sections={"webp": {"quality": 70}}) as third:
        assert not third.is_current(known, "5-1")


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_commit_survives_a_process_that_dies_right_after(tmp_path: Path) -> None:
    pid = os.fork()
    if pid == 0:
        open_ledger = ledger(tmp_path)
        open_ledger.record([Entry(item(), converted(item()))])
        os.kill(os.getpid(), 9)
    os.waitpid(pid, 0)
    with ledger(tmp_path) as after:
        assert after.find(b"a.jpg") is not None
        assert after.made(b"a.webp", 3, 0)


def test_an_output_is_ours_by_name_and_size(tmp_path: Path) -> None:
    with ledger(tmp_path) as made:
        made.record([Entry(item(), converted(item(), size=3))])
        assert made.made(b"a.webp", 3, 0)
        assert not made.made(b"a.webp", 4, 0)
        assert not made.made(b"b.webp", 3, 0)


def test_an_output_stays_ours_when_its_picture_fails_later(tmp_path: Path) -> None:
    with ledger(tmp_path) as made:
        made.record([Entry(item(), converted(item()))])
        made.record([Entry(item(version="5-2"), failed(item()), "{}")])
        assert made.made(b"a.webp", 3, 0)
        known = made.find(b"a.jpg")
        assert known is not None
        assert not made.is_current(known, "5-2")


def test_what_a_killed_run_was_at_is_ours_until_it_has_an_outcome(tmp_path: Path) -> None:
    with closing(InFlight(os.fsencode(tmp_path / "in-flight"))) as notes:
        notes.begin(b"a.jpg", b"a.webp")
    for _ in range(3):
        with ledger(tmp_path) as after:
            assert after.made(b"a.webp", 99, 0)
            assert not after.made(b"b.webp", 99, 0)
    with ledger(tmp_path) as after:
        after.record([Entry(item(), converted(item()))])
    with ledger(tmp_path) as after:
        assert not after.made(b"a.webp", 99, 0)


def test_a_picture_in_flight_at_the_end_of_two_runs_is_alone_until_it_goes_well(
    tmp_path: Path,
) -> None:
    def killed() -> None:
        with closing(InFlight(os.fsencode(tmp_path / "in-flight"))) as notes:
            notes.begin(b"a.jpg", b"a.webp")

    killed()
    with ledger(tmp_path) as second:
        assert not second.must_be_alone(b"a.jpg")
    killed()
    with ledger(tmp_path) as third:
        assert third.must_be_alone(b"a.jpg")
        assert not third.must_be_alone(b"b.jpg")
        third.record([Entry(item()._replace(alone=True), failed(item()), "{}")])
    with ledger(tmp_path) as fourth:  # nothing has shown yet that it does no harm
        assert fourth.must_be_alone(b"a.jpg")
        fourth.record([Entry(item()._replace(alone=True), converted(item()))])
    with ledger(tmp_path) as later:
        assert not later.must_be_alone(b"a.jpg")


def test_what_an_orderly_end_leaves_undone_is_ours_and_no_crash(tmp_path: Path) -> None:
    for _ in range(3):
        with ledger(tmp_path) as cancelled:
            cancelled.in_flight.begin(b"a.jpg", b"a.webp")
    with ledger(tmp_path) as after:
        assert after.made(b"a.webp", 99, 0)
        assert not after.must_be_alone(b"a.jpg")


def test_what_was_written_while_a_machine_died_is_ours(tmp_path: Path) -> None:
    with ledger(tmp_path, died=(1000, 2000)):
        pass
    with ledger(tmp_path) as after:
        assert after.made(b"lost by the ledger.webp", 9, 1500)
        assert not after.made(b"older.webp", 9, 999)
        assert not after.made(b"newer.webp", 9, 2001)
        after.forget_unfinished()
    with ledger(tmp_path) as after:
        assert not after.made(b"lost by the ledger.webp", 9, 1500)


def test_attempts_are_counted_for_a_version_and_over_once_it_goes_well(tmp_path: Path) -> None:
    with ledger(tmp_path) as counted:
        for attempts in range(3):
            assert counted.attempts(item()) == attempts
            event = replace(failed(item()), attempts=attempts + 1)
            counted.record([Entry(item(), event, "{}")])
        assert counted.attempts(item(version="5-2")) == 0
        counted.record([Entry(item(), converted(item()))])
        assert counted.attempts(item()) == 0


def test_failures_are_listed_by_key_however_many_there_are(tmp_path: Path) -> None:
    with ledger(tmp_path) as full:
        for number in range(2500):
            name = b"%04d.jpg" % (number * 7 % 2500)
            full.record([Entry(item(name), failed(item(name)), name.decode())])
        full.record([Entry(item(b"0003.jpg"), converted(item(b"0003.jpg")))])
        lines = list(full.failures())
        assert lines == sorted(lines)
        assert len(lines) == 2499
        full.forget_failures(lambda key, _: key < b"2499")
        assert list(full.failures()) == ["2499.jpg"]


def test_a_skip_by_if_larger_needs_no_output_and_gives_up_the_one_before(tmp_path: Path) -> None:
    with ledger(tmp_path) as made:
        made.record([Entry(item(), converted(item(), size=9))])
    with ledger(tmp_path, sections={"policy": {"if_larger": "skip"}}) as skipping:
        known = skipping.find(b"a.jpg")
        assert known is not None
        assert not skipping.is_current(known, "5-1")
        event = ImageSkipped(key="a.jpg", reason="larger_skipped", input_bytes=5)
        skipping.record([Entry(item(), event)])
        known = skipping.find(b"a.jpg")
        assert known is not None
        assert (known.output, skipping.is_current(known, "5-1")) == (None, True)
        assert not skipping.made(b"a.webp", 9, 0)


def test_it_is_closed_by_sqlite_to_everybody_else(tmp_path: Path) -> None:
    with ledger(tmp_path) as held:
        held.record([Entry(item(), converted(item()))])
        with pytest.raises(EnvironmentStop) as caught, ledger(tmp_path):
            pass
        assert caught.value.cause == "ledger_in_use"
    assert {path.name for path in tmp_path.iterdir()} == {"ledger.sqlite", "in-flight"}


def test_it_needs_no_shared_memory(tmp_path: Path) -> None:
    with ledger(tmp_path) as held:
        held.record([Entry(item(), converted(item()))])
        assert {path.name for path in tmp_path.iterdir()} == {
            *("ledger.sqlite", "ledger.sqlite-wal", "in-flight"),
        }


def test_a_ledger_that_breaks_in_mid_run_is_told_as_such(tmp_path: Path) -> None:
    with ledger(tmp_path) as full:
        for number in range(3000):
            name = b"%04d.jpg" % number
            full.record([Entry(item(name), converted(item(name)))])
    path = tmp_path / "ledger.sqlite"
    data = bytearray(path.read_bytes())
    data[4096 * 3 :] = os.urandom(len(data) - 4096 * 3)
    path.write_bytes(data)

    def look() -> None:
        with ledger(tmp_path) as broken:
            for number in range(3000):
                broken.find(b"%04d.jpg" % number)

    with pytest.raises(EnvironmentStop) as caught:
        look()
    assert caught.value.cause == "ledger_unusable"


def test_the_fingerprint_is_of_what_decides_the_bytes() -> None:
    def of(**sections: Any) -> str:
        return fingerprint(made_with(settings(**sections)))

    assert of() == of(webp={"quality": 80}) == of(pool={"workers": 3}, log={"level": "error"})
    assert of() == of(picture={"formats": ["png", "gif"]})
    assert len({of(), of(webp={"quality": 81}), of(picture={"color": "keep"})}) == 3
    assert len(of()) == 16


def test_the_schema_is_that_of_the_file(tmp_path: Path) -> None:
    with ledger(tmp_path):
        pass
    with closing(sqlite3.connect(tmp_path / "ledger.sqlite")) as db:
        assert db.execute("pragma user_version").fetchone() == (1,)
        assert db.execute("pragma integrity_check").fetchone() == ("ok",)


_names = st.binary(min_size=1, max_size=12).filter(lambda name: b"\0" not in name)


@given(st.lists(st.tuples(st.sampled_from("+-"), _names), max_size=40))
def test_notes_are_what_has_begun_and_not_ended_in_any_order(
    steps: list[tuple[str, bytes]],
) -> None:
    path = b"/tmp/in-flight-%d-%d" % (os.getpid(), id(steps))
    expected: dict[bytes, bytes] = {}
    try:
        with closing(InFlight(path)) as notes:
            for sign, key in steps:
                if sign == "+":
                    notes.begin(key, key + b".webp")
                    expected[key] = key + b".webp"
                else:
                    notes.end(key)
                    expected.pop(key, None)
            assert dict(notes.noted()) == expected
        with closing(InFlight(path)) as after:
            assert dict(after.left_behind()) == expected
            assert len(after.left_behind()) == len(expected)
            after.clear()
            assert after.left_behind() == []
    finally:
        os.unlink(path)


def test_a_note_may_be_as_long_as_a_path(tmp_path: Path) -> None:
    key, output = b"k" * 4095, b"o" * 4095
    with closing(InFlight(os.fsencode(tmp_path / "notes"))) as notes:
        notes.begin(b"short", b"s")
        notes.begin(key, output)
        assert notes.left_behind() == [Note(b"short", b"s"), Note(key, output)]
