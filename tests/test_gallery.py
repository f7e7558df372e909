"""The pictures on the report's page: which, and that they are what they are said to be."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from optimizr import convert, pipeline
from optimizr.budget import Budget
from optimizr.config import Settings
from optimizr.convert import Options
from optimizr.errors import Cancelled
from optimizr.events import Event, ImageConverted
from optimizr.gallery import HEIGHT, WIDTH, Gallery
from optimizr.limits import Limits
from optimizr.measures import saved_percent
from optimizr.pool import Stop
from optimizr.report.gallery import Pair
from optimizr.store.local import LocalStore
from tests.make_pictures import photo, with_alpha
from tests.odd_pictures import turned

LIMITS = Limits(2, Budget(2), 1 << 30, 1 << 30, Budget(1 << 28), Budget(3 << 28))
NOWHERE = LocalStore("/nonexistent")


def picture(
    key: str, before: int, after: int, look: float | None = None, psnr_db: float | None = None
) -> ImageConverted:
    return ImageConverted(
        key=key, output=f"{key}.webp", format="jpeg", width=10, height=10, mode="lossy",
        look=look, psnr_db=psnr_db, input_bytes=before, output_bytes=after,
        fetch_ms=1, convert_ms=2, store_ms=3, duration_ms=6,
    )  # fmt: skip


@given(
    st.lists(st.tuples(st.integers(1, 1000), st.integers(0, 3000)), max_size=60), st.integers(0, 20)
)
def test_the_best_the_median_and_the_worst_are_shown_and_none_twice(
    sizes: list[tuple[int, int]], count: int
) -> None:
    gallery = Gallery(NOWHERE, NOWHERE, Options(), LIMITS, count)
    for number, (before, after) in enumerate(sizes):
        gallery(picture(f"{number:03}", before, after))
    chosen = list(gallery._chosen())
    assert len(chosen) <= count
    assert (len(chosen) == 0) == (count == 0 or not sizes)
    assert len({pick.key for _, pick in chosen}) == len(chosen)
    savings = sorted(saved_percent(*pair) for pair in sizes)
    shown = {
        kind: [saved_percent(p.input_bytes, p.output_bytes) for k, p in chosen if k == kind]
        for kind in ("best", "median", "worst")
    }
    if shown["best"]:
        assert shown["best"][0] == savings[-1]
    if shown["worst"]:
        assert shown["worst"][0] == savings[0]
    if shown["median"]:
        assert min(shown["best"]) >= max(shown["median"])
        assert min(shown["median"]) >= max(shown["worst"])


@given(
    st.lists(
        st.tuples(
            st.integers(0, 4).map(lambda quarters: 25 * quarters),
            st.none() | st.integers(-9, 100),
            st.none() | st.integers(0, 99),
        ),
        min_size=12,
        max_size=60,
    ),
    st.integers(0, 20),
)
def test_the_worst_looks_join_the_savings_by_look_where_it_is_known_else_by_psnr(
    told: list[tuple[int, int | None, int | None]], count: int
) -> None:
    gallery = Gallery(NOWHERE, NOWHERE, Options(), LIMITS, count)
    pictures = [picture(f"{n:02}", 100, *facts) for n, facts in enumerate(told)]
    for event in pictures:
        gallery(event)
    chosen = list(gallery._chosen())
    most = min(count, len(told))
    assert len({pick.key for _, pick in chosen}) == len(chosen) <= most
    by_look = sorted((e.look, e.psnr_db or 0, e.key) for e in pictures if e.look is not None)
    by_psnr = sorted(
        (e.psnr_db, e.key) for e in pictures if e.look is None and e.psnr_db is not None
    )
    shown = [pick for kind, pick in chosen if kind == "look"]
    assert len(shown) == min(most // 4, len(by_look) + len(by_psnr))
    assert [pick.look for pick in shown if pick.look is not None] == [
        look for look, *_ in by_look[: len(shown)]
    ]
    rest = [pick.key for pick in shown if pick.look is None]
    assert rest == [key for _, key in by_psnr[: len(rest)]]
    others = {e.key: e.output_bytes for e in pictures if e.key not in {p.key for p in shown}}
    best = [pick.output_bytes for kind, pick in chosen if kind == "best"]
    assert best == sorted(others.values())[: len(best)]


def test_what_is_kept_for_choosing_is_bounded_however_many_pictures_there_are() -> None:
    gallery = Gallery(NOWHERE, NOWHERE, Options(), LIMITS, 12)
    for number in range(20_000):
        gallery(picture(str(number), 1000, number % 2500, psnr_db=number / 400))
    assert sum(map(len, [gallery._worst_looks, *gallery._kept.values()])) <= 201 * 6 + 3


def run_and_show(
    folder: Path,
    pictures: dict[str, bytes],
    before_the_end: Callable[[Path, Path], None] = lambda _source, _output: None,
    **given: Any,
) -> dict[str, Pair]:
    """Convert pictures, do something to the folders, and only then make the gallery."""
    source, output = folder / "in", folder / "out"
    source.mkdir()
    for name, data in pictures.items():
        (source / name).write_bytes(data)
    told: list[Event] = []
    given["report"] = {"html": False}
    settings = Settings(input=str(source), output=str(output), **given)
    pipeline.run(settings, told.append)
    before_the_end(source, output)
    resize = settings.picture.resize
    options = Options(max_width=resize.max_width, max_height=resize.max_height)
    gallery = Gallery(LocalStore(str(source)), LocalStore(str(output)), options, LIMITS, 12)
    for event in told:
        gallery(event)
    stop = Stop()
    gallery.make(stop)
    assert stop.error is None
    return {pair.key: pair for pair in gallery.pairs}


def pixels(data: bytes) -> Any:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), np.float64)


def middle(image: Any) -> Any:
    height, width = image.shape[:2]
    top, left = max(0, height - HEIGHT) // 2, max(0, width - WIDTH) // 2
    return image[top : top + HEIGHT, left : left + WIDTH]


def test_a_pair_is_the_middle_of_the_original_and_of_the_webp(tmp_path: Path) -> None:
    original = photo(1001, 703).jpegsave_buffer(Q=90)
    small = with_alpha(photo(40, 30)).pngsave_buffer()
    shown = run_and_show(tmp_path, {"large.jpg": original, "small.png": small})
    large = shown["large.jpg"]
    assert (large.width, large.height) == (WIDTH, HEIGHT)
    assert large.psnr_db is not None
    assert 30 < large.psnr_db < 60
    assert np.abs(pixels(large.original) - middle(pixels(original))).mean() < 2
    webp = (tmp_path / "out/large.webp").read_bytes()
    assert np.abs(pixels(large.made) - middle(pixels(webp))).mean() < 2
    assert (shown["small.png"].width, shown["small.png"].height) == (40, 30)
    assert len(large.original) + len(large.made) < 200_000


def test_a_pair_shows_turned_and_resized_pictures_as_the_webp_does(tmp_path: Path) -> None:
    pictures = {"turned.jpg": turned(6), "wide.png": photo(900, 300).pngsave_buffer()}
    shown = run_and_show(tmp_path, pictures, picture={"resize": {"max_width": 60}})
    assert set(shown) == set(pictures)
    for pair in shown.values():
        assert pair.width <= 60
        assert np.abs(pixels(pair.original) - pixels(pair.made)).mean() < 12


def gone(source: Path, _output: Path) -> None:
    (source / "a.jpg").unlink()


def other(source: Path, _output: Path) -> None:
    (source / "a.jpg").write_bytes(photo(300, 200, 9).jpegsave_buffer())


def cut(_source: Path, output: Path) -> None:
    webp = output / "a.webp"
    webp.write_bytes(webp.read_bytes()[:100])


@pytest.mark.parametrize("before_the_end", [gone, other, cut])
def test_what_has_changed_or_gone_since_is_left_out(
    tmp_path: Path, before_the_end: Callable[[Path, Path], None]
) -> None:
    pictures = {
        name: photo(200, 200, n).jpegsave_buffer() for n, name in enumerate(["a.jpg", "b.jpg"])
    }
    assert set(run_and_show(tmp_path, pictures, before_the_end)) == {"b.jpg"}


def test_while_a_stuck_picture_keeps_memory_there_is_no_gallery_and_no_waiting() -> None:
    limits = Limits(2, Budget(2), 1 << 30, 1 << 30, Budget(1 << 28), Budget(3 << 28))
    gallery = Gallery(NOWHERE, NOWHERE, Options(), limits, 12)
    gallery(picture("a", 100, 50))
    with limits.peak.hold(limits.peak.total):
        gallery.make(Stop())
    assert gallery.pairs == []


def test_a_stop_ends_the_making_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stop, begun = Stop(), threading.Event()

    def endless(*args: Any) -> None:
        begun.set()
        stop.signal = 15
        cancelled: threading.Event = args[-1]
        cancelled.wait()
        raise Cancelled

    monkeypatch.setattr(convert, "crop", endless)
    (tmp_path / "a.jpg").write_bytes(data := photo(50, 50).jpegsave_buffer())
    store = LocalStore(str(tmp_path))
    gallery = Gallery(store, store, Options(), LIMITS, 12)
    gallery(picture("a.jpg", len(data), 50))
    gallery.make(stop)
    assert begun.is_set()
    assert (gallery.pairs, stop.error) == ([], None)


def test_parts_have_no_more_than_their_share_of_the_memory_budget(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(data := photo(300, 300, noise=90).jpegsave_buffer())
    (tmp_path / "a.jpg.webp").write_bytes(webp := photo(300, 300, noise=90).webpsave_buffer())
    store = LocalStore(str(tmp_path))
    for budget, shown in ((1 << 20, 0), (1 << 30, 1)):
        limits = Limits(2, Budget(2), 1 << 30, budget, Budget(1 << 28), Budget(3 << 28))
        gallery = Gallery(store, store, Options(), limits, 12)
        gallery(picture("a.jpg", len(data), len(webp)))
        gallery.make(Stop())
        assert len(gallery.pairs) == shown


def test_of_pictures_that_are_equal_one_is_shown() -> None:
    gallery = Gallery(NOWHERE, NOWHERE, Options(), LIMITS, 12)
    gallery(picture("b", 100, 50))
    for key in ("a", "c"):
        gallery(replace(picture(key, 100, 50), duplicate_of="b"))
    assert [pick.key for _, pick in gallery._chosen()] == ["b"]
