from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import numpy as np
import pytest
import pyvips
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from optimizr.compare import partner
from optimizr.report.compared import KEPT, Comparison, Problem, Row
from optimizr.report.comparison import to_html, to_json, to_text
from tests.make_pictures import drawing, photo, with_alpha

Program = Callable[..., CompletedProcess[str]]


def compared(optimizr: Program, *paths: Path, code: int = 0, **flags: str) -> dict[str, Any]:
    given = [f"--{name.replace('_', '-')}={value}" for name, value in flags.items()]
    result = optimizr("compare", *map(str, paths), "--json=-", *given)
    assert result.returncode == code, result.stderr
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_folders_are_compared_by_name_and_what_has_no_partner_is_told(
    optimizr: Program, tmp_path: Path
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first / "sub", second / "sub", second / "other"):
        folder.mkdir(parents=True)
    photo(60, 50).jpegsave(str(first / "a.jpg"))
    photo(60, 50).webpsave(str(second / "a.webp"), Q=90)
    drawing(60, 50).pngsave(str(first / "sub/b.png"))
    drawing(60, 50).webpsave(str(second / "sub/b.png.webp"), Q=20)
    drawing(60, 50).pngsave(str(first / "alone.png"))
    photo(60, 50).webpsave(str(second / "c.webp"))
    photo(60, 50).webpsave(str(second / "other/d.webp"))
    (first / "notes.txt").write_text("no picture")
    found = compared(optimizr, first, second)
    pairs = {row["key"]: row["other"] for row in found["worst"]}
    assert pairs == {"sub/b.png": "sub/b.png.webp", "a.jpg": "a.webp"}
    assert found["worst"][0]["look"] <= found["worst"][1]["look"] < 100
    assert found["only_first"] == {"count": 1, "some": ["alone.png"]}
    assert found["only_second"] == {"count": 2, "some": ["c.webp", "other/d.webp"]}
    assert found["first_bytes"] == sum(
        (first / key).stat().st_size for key in ("a.jpg", "sub/b.png")
    )
    assert found["worst_look"] <= found["p5_look"] <= found["p50_look"] <= 100


def test_a_picture_that_cannot_be_read_is_a_problem_and_the_others_go_on(
    optimizr: Program, tmp_path: Path
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
        for name in ("a.webp", "b.webp", "c.webp", "d.webp"):
            photo(60, 50).webpsave(str(folder / name))
    (first / "a.webp").write_text("text")
    (second / "b.webp").write_bytes((second / "c.webp").read_bytes()[:-500])
    photo(60, 40).webpsave(str(second / "d.webp"))
    found = compared(optimizr, first, second)
    assert (found["pairs"], found["problems"]["count"]) == (1, 3)
    told = {problem["key"]: problem["message"] for problem in found["problems"]["some"]}
    assert "expected a picture" in told["a.webp"]
    assert "expected" in told["b.webp"]
    assert "got 60x50 and 60x40 pixels" in told["d.webp"]
    compared(optimizr, first, second, code=1, least_look="10")


def test_the_same_looks_like_100_turned_transparent_or_animated(
    optimizr: Program, tmp_path: Path
) -> None:
    turned = photo(60, 40).copy()
    turned.set_type(pyvips.GValue.gint_type, "orientation", 6)
    turned.tiffsave(str(tmp_path / "a.tif"))
    photo(60, 40).rot90().pngsave(str(tmp_path / "b.png"))
    assert compared(optimizr, tmp_path / "a.tif", tmp_path / "b.png")["worst_look"] == 100
    picture = with_alpha(photo(60, 40))
    picture.pngsave(str(tmp_path / "c.png"))
    picture.webpsave(str(tmp_path / "d.webp"), lossless=True)
    assert compared(optimizr, tmp_path / "c.png", tmp_path / "d.webp")["worst_look"] == 100
    frames = drawing(60, 40).pagejoin([drawing(60, 40, 1)])
    frames.gifsave(str(tmp_path / "e.gif"))
    given = ["--input", str(tmp_path / "e.gif"), "--output", str(tmp_path)]
    assert optimizr("run", *given, "--webp.mode=lossless", "--picture.formats=gif").returncode == 0
    assert compared(optimizr, tmp_path / "e.gif", tmp_path / "e.webp")["worst_look"] == 100
    still = compared(optimizr, tmp_path / "e.gif", tmp_path / "b.png")
    assert "as many frames in both, got 2 and 1" in still["problems"]["some"][0]["message"]


def test_what_was_made_smaller_is_compared_with_the_first_made_to_fit(
    optimizr: Program, tmp_path: Path
) -> None:
    photo(301, 200).jpegsave(str(tmp_path / "a.jpg"), Q=95)
    given = ["--input", str(tmp_path / "a.jpg"), "--output", str(tmp_path / "out")]
    run = optimizr("run", *given, "--picture.resize.max-width=100", "--quality=95")
    assert run.returncode == 0
    row = compared(optimizr, tmp_path / "a.jpg", tmp_path / "out/a.webp")["worst"][0]
    assert (row["width"], row["height"], row["is_fitted"]) == (100, 66, True)
    assert row["look"] > 60


def test_a_difference_picture_shows_what_was_changed_and_where(
    optimizr: Program, tmp_path: Path
) -> None:
    picture = photo(400, 300)
    picture.pngsave(str(tmp_path / "a.png"))
    changed = picture.draw_rect([255, 255, 255], 350, 10, 20, 20, fill=True)
    changed.pngsave(str(tmp_path / "b.png"))
    drawn, page = tmp_path / "difference.png", tmp_path / "page.html"
    both = tmp_path / "a.png", tmp_path / "b.png"
    compared(optimizr, *both, difference=str(drawn), html=str(page))
    pixels = np.asarray(Image.open(drawn)).astype(int).sum(axis=2)
    assert pixels[10:30, 350:370].min() > 0
    pixels[10:30, 350:370] = 0
    assert pixels.max() == 0
    assert page.read_text().count("data:image/webp;base64,") == 3


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (("in", "missing"), "expected a file or a folder, got"),
        (("in", "in/a.png"), "expected two files or two folders"),
        (("in", "in", "--difference=d.png"), "--difference: expected two files"),
        (("in/a.png", "in/a.png", "--difference=in"), "--difference: expected a file that can"),
        (("in/a.png", "in/text.png", "--difference=d.png"), "expected two pictures that compare"),
        (("in", "in", "--html=none/page.html"), "--html: expected a file that can be written"),
        (("in",), "the following arguments are required: SECOND"),
        (("in", "in", "--least-look=good"), "invalid float value"),
    ],
)
def test_what_cannot_be_compared_is_told_in_a_sentence(
    optimizr: Program, tmp_path: Path, flags: tuple[str, ...], told: str
) -> None:
    (tmp_path / "in").mkdir()
    drawing(20, 20).pngsave(str(tmp_path / "in/a.png"))
    (tmp_path / "in/text.png").write_text("text")
    names = [
        flag.replace("=", f"={tmp_path}/") if flag.startswith("--d") else flag
        for flag in (flag if flag.startswith("-") else str(tmp_path / flag) for flag in flags)
    ]
    result = optimizr("compare", *names)
    assert result.returncode == 2
    assert told in result.stderr
    assert "Traceback" not in result.stderr


def test_exit_1_if_a_pair_looks_worse_than_asked(optimizr: Program, tmp_path: Path) -> None:
    photo(60, 50).pngsave(str(tmp_path / "a.png"))
    photo(60, 50).webpsave(str(tmp_path / "b.webp"), Q=10)
    compared(optimizr, tmp_path / "a.png", tmp_path / "b.webp", least_look="1")
    compared(optimizr, tmp_path / "a.png", tmp_path / "b.webp", least_look="90", code=1)


def test_without_numpy_it_says_what_to_install(optimizr: Program, tmp_path: Path) -> None:
    hook = tmp_path / "hook"
    hook.mkdir()
    (hook / "numpy.py").write_text("raise ImportError('no numpy here')")
    result = optimizr("compare", str(tmp_path), str(tmp_path), PYTHONPATH=str(hook))
    assert result.returncode == 2
    assert "no numpy here; pip install 'optimizr[look]'" in result.stderr
    given = ["--input", str(tmp_path), "--output", str(tmp_path / "out"), "--webp.target-look=70"]
    result = optimizr("run", *given, PYTHONPATH=str(hook))
    assert result.returncode == 2
    assert "pip install 'optimizr[look]'" in result.stderr
    assert not (tmp_path / "out").exists()


@given(st.lists(st.floats(-300, 100), max_size=200))
def test_of_any_number_of_pairs_the_worst_few_are_kept(looks: list[float]) -> None:
    found = Comparison()
    for number, look in enumerate(looks):
        found.add(Row(look, str(number), str(number), 10, 5, 1, 1, False))
        found.add(Problem(str(number), "broken"))
    assert [row.look for row in found.worst] == sorted(looks)[:KEPT]
    assert found.pairs == found.problems.count == len(looks)
    assert len(found.problems.some) <= KEPT
    assert json.loads(to_json(found))["pairs"] == len(looks)
    assert f"{len(looks):,} compared" in to_text(found)


def test_names_on_the_page_are_text_whatever_they_are() -> None:
    found = Comparison()
    nasty = "<script>alert(1)</script>\u202e"
    found.add(Row(50, nasty, nasty, 10, 5, 1, 1, True))
    found.add(Problem(nasty, nasty))
    page = to_html(found, (nasty, nasty), [])
    assert "<script" not in page


@pytest.mark.parametrize(
    ("names", "other"),
    [
        ({b"a.jpg", b"a.webp"}, b"a.jpg"),
        ({b"a.webp", b"a.jpg.webp"}, b"a.jpg.webp"),
        ({b"a.webp", b"b.webp"}, b"a.webp"),
        ({b"b.webp"}, None),
    ],
)
def test_a_picture_is_paired_with_its_webp(names: set[bytes], other: bytes | None) -> None:
    assert partner(b"a.jpg", names) == other
