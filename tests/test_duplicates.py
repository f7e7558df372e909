"""Pictures of equal bytes are encoded once, and none of them can tell."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import optimizr
from optimizr import convert as converter
from optimizr import job
from optimizr.config import Settings
from optimizr.convert import Converted, convert
from optimizr.events import Event, ImageConverted, ImageFailed, ImageSkipped
from optimizr.inputs import open_input
from optimizr.job import Job, Outcome
from optimizr.limits import Limits
from optimizr.sections import PoolSettings
from optimizr.store.local import LocalStore
from tests.buckets import KINDS, new_bucket, open_at
from tests.conftest import summary_of, webps
from tests.library import Library, hard_to_beat
from tests.make_pictures import drawing, photo


class Ran:
    """A run that is over."""

    def __init__(self, source: Path, output: Path, **settings: Any) -> None:
        self.told: list[Event] = []
        sections = {"pool": {"cpus": 2, "workers": 4}, **settings}
        self.summary = optimizr.run(
            Settings(input=str(source), output=str(output), **sections), self.told.append
        )

    def of(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.told if isinstance(event, kind)]

    @property
    def duplicates(self) -> dict[str, str | None]:
        return {event.key: event.duplicate_of for event in self.of(ImageConverted)}


class Encodings:
    """Stands before `convert` and counts; `meanwhile` is called before each."""

    def __init__(self, meanwhile: Callable[[], None] = lambda: None) -> None:
        self.count = 0
        self._lock = threading.Lock()
        self._meanwhile = meanwhile

    def __call__(self, picture: Any, options: Any, cancelled: Any) -> Converted:
        with self._lock:
            self.count += 1
        self._meanwhile()
        return convert(picture, options, cancelled)


def spread(folder: Path, data: dict[str, bytes], copies: int) -> None:
    for number in range(copies):
        place = folder / f"copy {number % 5}"
        place.mkdir(parents=True, exist_ok=True)
        for name, content in data.items():
            (place / f"{number} {name}").write_bytes(content)


@pytest.fixture
def three() -> dict[str, bytes]:
    return {
        "a.jpg": photo(120, 90, 1).jpegsave_buffer(Q=90),
        "b.jpg": photo(120, 90, 2).jpegsave_buffer(Q=90),
        "c.png": drawing(90, 60, 3).pngsave_buffer(),
    }


@pytest.mark.parametrize("workers", [1, 16])
def test_equal_pictures_are_encoded_once_and_each_has_the_webp_that_it_would_have_alone(
    workers: int, tmp_path: Path, three: dict[str, bytes]
) -> None:
    spread(tmp_path / "in", three, 20)
    spread(tmp_path / "single", three, 1)
    alone = Ran(tmp_path / "single", tmp_path / "alone")
    assert set(alone.duplicates.values()) == {None}

    ran = Ran(tmp_path / "in", tmp_path / "out", pool={"cpus": 2, "workers": workers})
    assert (ran.summary.converted_files, ran.summary.duplicate_files) == (60, 57)
    assert summary_of(tmp_path / "out")["duplicate_files"] == 57
    for name in three:
        keys = [key for key in ran.duplicates if key.endswith(name)]
        (encoded,) = [key for key in keys if ran.duplicates[key] is None]
        assert {ran.duplicates[key] for key in keys} == {None, encoded}
        (single,) = [e.output for e in alone.of(ImageConverted) if e.key.endswith(name)]
        expected = (tmp_path / "alone" / single).read_bytes()
        outputs = [event.output for event in ran.of(ImageConverted) if event.key in keys]
        assert {(tmp_path / "out" / output).read_bytes() for output in outputs} == {expected}

    for event in ran.of(ImageConverted):
        assert (event.convert_ms == 0) == (event.duplicate_of is not None)
        parts = event.fetch_ms + event.convert_ms + event.store_ms
        assert event.duration_ms == pytest.approx(parts, abs=0.01)
    again = Ran(tmp_path / "in", tmp_path / "out")
    assert [event.reason for event in again.of(ImageSkipped)] == ["up_to_date"] * 60


def test_equal_pictures_in_flight_at_once_are_encoded_once(
    tmp_path: Path, three: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    spread(tmp_path / "in", {"a.jpg": three["a.jpg"]}, 4)
    fetched = threading.Semaphore(0)
    read = LocalStore.get

    def get(store: LocalStore, *args: Any) -> Any:
        got = read(store, *args)
        fetched.release()
        return got

    def wait_for_all() -> None:
        for _ in range(4):
            assert fetched.acquire(timeout=60)

    encodings = Encodings(wait_for_all)
    monkeypatch.setattr(LocalStore, "get", get)
    monkeypatch.setattr(converter, "convert", encodings)
    ran = Ran(tmp_path / "in", tmp_path / "out", report={"html": False})
    assert (encodings.count, ran.summary.duplicate_files) == (1, 3)


def test_equal_pictures_that_are_broken_fail_each_by_itself(
    tmp_path: Path, three: dict[str, bytes]
) -> None:
    spread(tmp_path / "in", {"torn.jpg": three["a.jpg"][:-500], "a.jpg": three["a.jpg"]}, 6)
    ran = Ran(tmp_path / "in", tmp_path / "out")
    assert [event.reason for event in ran.of(ImageFailed)] == ["truncated"] * 6
    assert (ran.summary.converted_files, ran.summary.duplicate_files) == (6, 5)


@pytest.mark.parametrize("policy", ["skip", "copy"])
def test_a_webp_that_does_not_pay_is_not_made_again(
    policy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encodings = Encodings()
    monkeypatch.setattr(converter, "convert", encodings)
    spread(tmp_path / "in", {"a.jpg": hard_to_beat()}, 5)
    ran = Ran(
        tmp_path / "in",
        tmp_path / "out",
        policy={"if_larger": policy},
        webp={"quality": 100},
    )
    assert encodings.count == 1
    skips = ran.of(ImageSkipped)
    assert [event.reason for event in skips] == [
        f"larger_{'skipped' if policy == 'skip' else 'copied'}"
    ] * 5
    assert len({event.webp_bytes for event in skips}) == 1
    assert skips[0].webp_bytes > len(hard_to_beat())
    copies = [path.read_bytes() for path in (tmp_path / "out").rglob("*.jpg")]
    assert copies == [hard_to_beat()] * (5 if policy == "copy" else 0)


def test_a_picture_that_cannot_be_stopped_keeps_no_equal_one_waiting(
    tmp_path: Path, three: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    spread(tmp_path / "in", {"a.jpg": three["a.jpg"]}, 4)
    release, first = threading.Event(), threading.Lock()

    def stuck() -> None:
        if first.acquire(blocking=False):
            release.wait(60)

    monkeypatch.setattr(converter, "convert", Encodings(stuck))
    monkeypatch.setattr(job, "_GRACE_SECONDS", 0.2)
    limits = {"timeout": "1s", "drain": "1s"}
    try:
        ran = Ran(tmp_path / "in", tmp_path / "out", limits=limits)
    finally:
        release.set()
    (failure,) = ran.of(ImageFailed)
    assert failure.reason == "timeout"
    assert ran.summary.converted_files == 3
    assert failure.key not in ran.duplicates.values()


# What has become of outputs.


def test_a_changed_picture_leaves_the_webp_of_its_former_equal_as_it_is(
    tmp_path: Path, three: dict[str, bytes]
) -> None:
    (tmp_path / "in").mkdir()
    for name in ("1.jpg", "2.jpg", "3.jpg"):
        (tmp_path / f"in/{name}").write_bytes(three["a.jpg"])
    Ran(tmp_path / "in", tmp_path / "out")
    before = webps(tmp_path / "out")
    for name in ("1.jpg", "2.jpg"):
        (tmp_path / f"in/{name}").write_bytes(three["b.jpg"])
        Ran(tmp_path / "in", tmp_path / "out")
        after = webps(tmp_path / "out")
        number = int(name[0])
        assert after["3.webp"] == before["3.webp"]
        assert {after[f"{n}.webp"] == before[f"{n}.webp"] for n in range(1, number + 1)} == {False}


@pytest.fixture
def pair(tmp_path: Path, three: dict[str, bytes]) -> tuple[Job, list[Any], Path]:
    """Give a job, two equal pictures and the output."""
    (tmp_path / "in").mkdir()
    for name in ("1.jpg", "2.jpg"):
        (tmp_path / f"in/{name}").write_bytes(three["a.jpg"])
    settings = Settings(input=str(tmp_path / "in"), output=str(tmp_path / "out"))
    store, tree = open_input(settings)
    output = LocalStore(str(tmp_path / "out"))
    output.prepare()
    return Job(store, output, settings, Limits.of(PoolSettings())), list(tree), tmp_path / "out"


def duplicate_of(outcome: Outcome) -> str | None:
    assert isinstance(outcome, ImageConverted)
    return outcome.duplicate_of


@pytest.mark.parametrize("what", ["removed", "replaced", "written to", "moved away", "nothing"])
def test_a_webp_that_is_not_there_as_it_was_put_is_not_cloned(
    what: str, pair: tuple[Job, list[Any], Path]
) -> None:
    job, items, output = pair
    job(items[0])
    made = output / "1.webp"
    expected = made.read_bytes()
    if what == "removed":
        made.unlink()
    elif what == "replaced":
        made.unlink()
        made.write_bytes(expected[:-1] + b"!")
    elif what == "written to":
        made.write_bytes(expected[:-1] + b"!")
    elif what == "moved away":
        made.unlink()
        made.mkdir()
    assert duplicate_of(job(items[1])[1]) == ("1.jpg" if what == "nothing" else None)
    assert (output / "2.webp").read_bytes() == expected
    again = items[0]._replace(output=b"3.webp", key=b"1.jpg")
    assert duplicate_of(job(again)[1]) == (None if what == "nothing" else "2.jpg")
    assert (output / "3.webp").read_bytes() == expected


def test_a_picture_that_comes_twice_is_no_duplicate_of_itself(
    pair: tuple[Job, list[Any], Path],
) -> None:
    job, items, _ = pair
    assert duplicate_of(job(items[0])[1]) is duplicate_of(job(items[0])[1]) is None


def test_what_may_take_the_process_down_is_converted_by_itself(
    pair: tuple[Job, list[Any], Path],
) -> None:
    job, items, _ = pair
    job(items[0])
    assert duplicate_of(job(items[1]._replace(alone=True))[1]) is None
    assert duplicate_of(job(items[1])[1]) == "1.jpg"


def test_what_cannot_be_written_fails_though_its_equal_is_there(
    pair: tuple[Job, list[Any], Path],
) -> None:
    job, items, output = pair
    job(items[0])
    (output / "2.webp").mkdir()
    _, outcome = job(items[1])
    assert isinstance(outcome, ImageFailed)
    assert (outcome.reason, outcome.stage) == ("output_blocked", "store")


# Buckets.


@pytest.mark.parametrize("scheme", KINDS)
def test_equal_pictures_of_a_bucket_are_encoded_once_and_each_has_a_label_of_its_own(
    scheme: str,
    three: dict[str, bytes],
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bucket = new_bucket(scheme, request, monkeypatch)
    for number in range(4):
        for name, data in three.items():
            bucket.put(f"in/{number} {name}", data)
    source, output = f"{bucket.url}/in", f"{bucket.url}/out"
    for quality, count in ((80, 9), (80, 0), (50, 9)):
        told: list[Event] = []
        settings = Settings(
            input=source,
            output=output,
            pool={"workers": 8},  # type: ignore[arg-type]
            webp={"quality": quality},  # type: ignore[arg-type]
        )
        summary = optimizr.run(settings, told.append)
        assert (summary.duplicate_files, summary.failed_files) == (count, 0)
        assert summary.converted_files + summary.up_to_date_files == 12
        made = open_at(output)
        for name in three:
            keys = [f"{number} {name}.webp".encode() for number in range(4)]
            assert len({made.get(key)[0] for key in keys}) == 1
            for key in keys:
                standing = made.find(key)
                version = open_at(source).head(key.removesuffix(b".webp")).version
                assert standing is not None
                assert standing.label is not None
                assert standing.label.source == version


def test_what_has_come_into_a_bucket_meanwhile_is_not_replaced_by_a_clone() -> None:
    library = Library()
    for key in library.keys:
        library.draw(key, 0)
    library.webps.put("out/d/c.jpg.webp", b"of somebody else")
    done = library.run()
    assert done.failed == {"d/c.jpg": "output_not_ours"}
    assert done.summary.duplicate_files == 3
    assert library.made()["d/c.jpg.webp"] == b"of somebody else"
