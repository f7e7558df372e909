"""What libraries, Python and mistakes say becomes events; nothing of it comes between the lines."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import optimizr as library
from optimizr.events import Event, RunCrashed, RunWarned
from optimizr.overheard import FIRST_PAUSE, MOST_SHAPES, Overheard, listening
from tests.conftest import Program, clean_environment, events, fill, named
from tests.odd_pictures import odd_unit


def planted(code: str, *args: object) -> subprocess.CompletedProcess[str]:
    """Run the program after some code that plants a mistake in it."""
    program = f"import sys, optimizr.cli\n{code}\nsys.exit(optimizr.cli.main(sys.argv[1:]))"
    return subprocess.run(
        [sys.executable, "-c", program, "run", *map(str, args)],
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def in_reader(statement: str) -> str:
    """Give code that makes the reader that writes to stdout do something at each event."""
    return f"""
import threading, warnings
from optimizr.cli import run
class Planted(run.JsonLog):
    def __call__(self, event):
        super().__call__(event)
        {statement}
class PlantedLines(run.Lines):
    def __call__(self, event):
        super().__call__(event)
        {statement}
run.JsonLog, run.Lines = Planted, PlantedLines
"""


RAISES = "if event.name == '{}': raise TypeError('planted 5 of them')"
SENTENCE = "optimizr made a mistake (TypeError: planted 5 of them); please report it"


@pytest.fixture
def folders(tmp_path: Path) -> tuple[object, ...]:
    fill(tmp_path / "in", 4)
    return ("--input", tmp_path / "in", "--output", tmp_path / "out")


def test_a_warning_of_libvips_is_an_event_and_nothing_else(
    optimizr: Program, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    for number in range(3):
        (tmp_path / f"in/{number}.jpg").write_bytes(odd_unit())
    run = ("run", "--input", tmp_path / "in", "--output", tmp_path / "out")
    done = optimizr(*run)
    assert (done.returncode, done.stderr) == (0, "")
    told = events(done.stdout)
    assert [event["seq"] for event in told] == list(range(1, len(told) + 1))
    warned = named(done.stdout, "run.warned")
    assert {event["origin"] for event in warned} == {"pyvips"}
    assert {event["message"] for event in warned} == {"VIPS: unknown EXIF resolution unit"}
    assert sum(event["repeated"] for event in warned) >= 3
    assert {event["run_id"] for event in warned} == {told[0]["run_id"]}

    console = optimizr(*run, "--force", "--log-format", "console")
    assert "warning: pyvips: VIPS: unknown EXIF resolution unit" in console.stderr
    assert "run.warned" not in optimizr(*run, "--force", "--log.level", "error").stdout


def test_a_warning_of_python_is_an_event(folders: tuple[object, ...]) -> None:
    done = planted(in_reader("warnings.warn(f'odd {event.seq}', stacklevel=1)"), *folders)
    assert (done.returncode, done.stderr) == (0, "")
    run_id = events(done.stdout)[0]["run_id"]
    warned = [e for e in named(done.stdout, "run.warned") if e["run_id"] == run_id]
    assert warned[0]["origin"] == "py.warnings"
    assert "UserWarning: odd 1" in warned[0]["message"]
    assert warned[-1]["seq"] == len([e for e in events(done.stdout) if e["run_id"]]) - 1


def test_a_mistake_that_ends_a_run_is_an_event_and_one_sentence_and_exit_3(
    folders: tuple[object, ...],
) -> None:
    done = planted(in_reader(RAISES.format("image.converted")), *folders)
    assert (done.returncode, done.stderr) == (3, f"{SENTENCE}\n")
    *_, crashed, finished = events(done.stdout)
    assert (crashed["event"], finished["event"]) == ("run.crashed", "run.finished")
    assert crashed["message"] == SENTENCE
    assert crashed["level"] == "critical"
    assert "in __call__" in crashed["traceback"]
    assert crashed["run_id"] == finished["run_id"]
    assert (finished["exit_code"], finished["cause"]) == (3, "internal_error")
    assert len(named(done.stdout, "run.crashed")) == 1


def test_on_a_console_a_mistake_is_its_traceback_and_one_sentence(
    folders: tuple[object, ...],
) -> None:
    for name in ("image.converted", "run.finished"):
        code = in_reader(RAISES.format(name))
        done = planted(code, *folders, "--force", "--log-format", "console")
        assert done.returncode == 3
        assert done.stderr.startswith("Traceback (most recent call last):\n")
        assert done.stderr.endswith(f"TypeError: planted 5 of them\n{SENTENCE}\n")
        assert done.stderr.count("Traceback") == done.stderr.count("please report it") == 1


@pytest.mark.parametrize("where", ["before", "after"])
def test_a_mistake_outside_of_a_run_is_an_event_without_a_run(
    folders: tuple[object, ...], where: str
) -> None:
    code = in_reader(RAISES.format("run.finished"))
    if where == "before":
        code = (
            "from optimizr import inputs\n"
            "def planted(settings): raise TypeError('planted 5 of them')\n"
            "inputs.open_input = planted"
        )
    done = planted(code, *folders)
    assert (done.returncode, done.stderr) == (3, f"{SENTENCE}\n")
    *others, crashed = events(done.stdout)
    assert (crashed["event"], crashed["run_id"], crashed["seq"]) == ("run.crashed", "", 0)
    assert crashed["timestamp"] > "2020"
    assert [event["event"] for event in others[-1:]] == ["run.finished"] * (where == "after")


def test_a_mistake_in_another_command_is_exit_3_too() -> None:
    code = "import optimizr.cli.schema as s\ns.to_text = lambda: 1 / 0\nsys.argv[1] = 'schema'"
    done = planted(code)
    assert done.returncode == 3
    assert done.stderr.startswith("Traceback")
    assert done.stderr.endswith(
        "optimizr made a mistake (ZeroDivisionError: division by zero); please report it\n"
    )


def test_a_thread_that_ends_by_an_error_is_told_and_the_run_goes_on(
    folders: tuple[object, ...],
) -> None:
    code = in_reader("if event.seq == 1: t = threading.Thread(target=int, args='x'); t.start()")
    done = planted(code, *folders)
    assert (done.returncode, done.stderr) == (0, "")
    (crashed,) = named(done.stdout, "run.crashed")
    assert "ValueError" in crashed["message"]
    assert "Traceback" in crashed["traceback"]
    assert len(named(done.stdout, "image.converted")) == 4


def test_a_thread_that_exits_says_nothing() -> None:
    with listening() as overheard:
        thread = threading.Thread(target=sys.exit)
        thread.start()
        thread.join()
    assert overheard.told(last=True) == []


def test_an_error_in_a_finalizer_is_told_with_its_traceback() -> None:
    class Odd:
        def __del__(self) -> None:
            raise LookupError("while it went")

    with listening() as overheard:
        odd = Odd()
        del odd
    (warned,) = overheard.told(last=True)
    assert isinstance(warned, RunWarned)
    assert "LookupError: while it went" in warned.message
    assert "__del__" in str(warned.traceback)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def said(overheard: Overheard, message: str, *args: object, **more: object) -> None:
    """Log a warning that only this handler hears."""
    record = logging.LogRecord("lib", logging.WARNING, "", 0, message, args, None)
    vars(record).update(more)
    overheard.handle(record)


def counts(told: list[Event]) -> list[int]:
    return [event.repeated for event in told if isinstance(event, RunWarned)]


def test_what_differs_in_numbers_only_is_told_once_and_then_counted_at_growing_intervals() -> None:
    clock = Clock()
    overheard = Overheard(clock)
    said(overheard, "row %d of 0x%x", 1, 255)
    (first,) = overheard.told()
    assert isinstance(first, RunWarned)
    assert (first.origin, first.message, first.repeated) == ("lib", "row 1 of 0xff", 1)
    for number in range(5):
        said(overheard, "row %d of 0x%x", number, 3)
    clock.now += FIRST_PAUSE - 1
    assert overheard.told() == []
    clock.now += 1
    assert counts(overheard.told()) == [5]
    said(overheard, "row 7 of 0x3")
    clock.now += FIRST_PAUSE
    assert overheard.told() == []
    clock.now += FIRST_PAUSE
    assert counts(overheard.told()) == [1]
    said(overheard, "row 8 of 0x3")
    assert counts(overheard.told(last=True)) == [1]
    assert overheard.told(last=True) == []


_letters = st.text("abcdefghij", min_size=1, max_size=3)


@given(
    st.lists(st.lists(st.tuples(_letters, st.integers(0, 99)), max_size=120), max_size=4),
    st.lists(st.floats(0, 200), max_size=3),
)
def test_no_flood_makes_more_events_than_shapes_and_none_of_it_is_lost(
    floods: list[list[tuple[str, int]]], pauses: list[float]
) -> None:
    clock = Clock()
    overheard = Overheard(clock)

    def flood(words: list[tuple[str, int]]) -> None:
        for word, number in words:
            said(overheard, f"{word} {number}")

    threads = [threading.Thread(target=flood, args=(words,)) for words in floods]
    for thread in threads:
        thread.start()
    told: list[Event] = []
    for pause in pauses:
        clock.now += pause
        told += overheard.told()
    for thread in threads:
        thread.join()
    told += overheard.told(last=True)
    shapes = {word for words in floods for word, _ in words}
    assert len(told) <= min(len(shapes), MOST_SHAPES + 1) * (len(pauses) + 1)
    assert sum(counts(told)) == sum(map(len, floods))
    assert len({event.message for event in told if isinstance(event, RunWarned)}) == min(
        len(shapes), MOST_SHAPES + 1
    )


def test_what_is_of_too_many_shapes_is_counted_in_one_event() -> None:
    overheard = Overheard()
    names = [f"{chr(97 + n // 26)}{chr(97 + n % 26)}" for n in range(MOST_SHAPES + 40)]
    for name in names:
        said(overheard, name)
    told = overheard.told()
    assert counts(told) == [1] * MOST_SHAPES + [40]
    assert "other kinds" in str(told[-1])


def test_a_crash_is_told_once_and_the_like_are_counted() -> None:
    overheard = Overheard()
    for number in range(3):
        error = LookupError(f"place {number}")
        info = (LookupError, error, None)
        said(overheard, str(error), levelno=logging.CRITICAL, exc_info=info)
    crashed, warned = overheard.told()
    assert isinstance(crashed, RunCrashed)
    assert "LookupError: place 0" in crashed.traceback
    assert isinstance(warned, RunWarned)
    assert warned.repeated == 2


def test_words_that_cannot_be_written_or_do_not_fit_are_told_all_the_same() -> None:
    overheard = Overheard()
    said(overheard, "a name \udcff")
    said(overheard, "expected %d", "no number")
    said(overheard, "long " * 10_000)
    name, unfit, long = (e for e in overheard.told() if isinstance(e, RunWarned))
    assert name.message == "a name \\udcff"
    assert "expected %d" in unfit.message
    assert len(long.message) <= 2000


def test_listening_ends_with_its_block() -> None:
    root = logging.getLogger()
    before = (*root.handlers, threading.excepthook, sys.unraisablehook, warnings.showwarning)
    with listening():
        assert len(root.handlers) == len(before) - 2
    assert (
        *root.handlers,
        threading.excepthook,
        sys.unraisablehook,
        warnings.showwarning,
    ) == before


def test_the_library_leaves_the_root_logger_and_the_hooks_alone(tmp_path: Path) -> None:
    fill(tmp_path / "in", 1)
    root, seen = logging.getLogger(), set()

    def look(_: Event) -> None:
        seen.add((*root.handlers, threading.excepthook, sys.unraisablehook, warnings.showwarning))

    look(Event())
    library.run(library.Settings(input=str(tmp_path / "in"), output=str(tmp_path / "out")), look)
    assert len(seen) == 1
