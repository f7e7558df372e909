from __future__ import annotations

import re
from pathlib import Path

import pytest

from optimizr import tune
from optimizr.tune import Result, _tuned
from tests.conftest import Program
from tests.make_pictures import photo


def result(rate: float = 1.0, size: int = 100) -> Result:
    return Result(rate, 1.0, 1.0, 1, size, 1.0)


def test_auto_is_advised_where_it_is_about_as_fast_as_the_best_and_else_the_fewest() -> None:
    by_effort = {effort: result(size=100) for effort in range(7)}
    assert _tuned(1, 1, {1: result(5), 2: result(10), "auto": result(9.8)}, by_effort).workers == (
        "auto"
    )
    assert _tuned(1, 1, {2: result(9.9), 8: result(10), "auto": result(8)}, by_effort).workers == 2


def test_the_least_effort_that_is_about_as_small_as_the_smallest_is_advised() -> None:
    sizes = (130, 120, 105, 101, 101, 100, 100)
    by_effort = {effort: result(size=size) for effort, size in enumerate(sizes)}
    assert _tuned(1, 1, {"auto": result()}, by_effort).effort == 3


def test_a_sample_is_tried_and_tables_and_advice_are_printed(
    optimizr: Program, tmp_path: Path
) -> None:
    (tmp_path / "in/a").mkdir(parents=True)
    for number in range(6):
        photo(160, 120, number).jpegsave(str(tmp_path / f"in/a/{number}.jpg"))
    (tmp_path / "in/broken.jpg").write_bytes(b"nothing")
    before = {path: path.read_bytes() for path in (tmp_path / "in").rglob("*.jpg")}
    chart = tmp_path / "chart.png"
    done = optimizr(
        *("tune", "--input", tmp_path / "in", "--sample", "5", "--rounds", "1", "--chart", chart),
        OPTIMIZR_POOL__WORKERS="3",
    )
    assert done.returncode == 0, done.stderr
    for row in [str(workers) for workers in tune.WORKERS]:
        assert re.search(rf"^{row} +\d", done.stdout, re.MULTILINE)
    assert re.search(r"^use +--workers (auto|\d) --effort \d$", done.stdout, re.MULTILINE)
    assert chart.read_bytes().startswith(b"\x89PNG")
    assert {path: path.read_bytes() for path in (tmp_path / "in").rglob("*.jpg")} == before
    assert not list(tmp_path.rglob("*.webp"))


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--sample", "0"], "at least 1"),
        (["--sample", "few"], "invalid int value"),
        (["--chart", "tune.txt"], ".png"),
        (["--chart", "/nowhere/tune.png"], "a folder to draw into"),
        ([], "expected pictures"),
    ],
)
def test_a_mistake_is_told_before_anything_is_tried(
    optimizr: Program, tmp_path: Path, flags: list[str], says: str
) -> None:
    done = optimizr("tune", "--input", tmp_path, *flags)
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr
    assert "trying" not in done.stderr


def test_a_sample_of_which_nothing_converts_is_a_mistake(optimizr: Program, tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"nothing")
    done = optimizr("tune", "--input", tmp_path)
    assert done.returncode == 2
    assert "all 1 failed" in done.stderr
    assert "Traceback" not in done.stderr
