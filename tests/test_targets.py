from __future__ import annotations

import importlib
import threading
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvips
from PIL import Image

from optimizr import convert
from optimizr.convert import Converted, Options, alone
from optimizr.convert.deadline import Deadline
from optimizr.convert.decode import decode
from optimizr.convert.look import Reference
from optimizr.errors import PictureError, Reason
from tests.make_pictures import HOME, drawing, photo, with_alpha

encode = importlib.import_module("optimizr.convert.encode")  # its function has its name
STILLS = [path for path in sorted(HOME.rglob("*")) if path.suffix in (".jpg", ".png")]


@pytest.fixture(autouse=True)
def _started() -> None:
    convert.start(("jpeg", "png", "gif", "tiff"), looks=True)


def made(data: bytes, **options: Any) -> Converted:
    asked = Options(**{"formats": ("jpeg", "png", "gif", "tiff"), "effort": 2, **options})
    return convert.convert(convert.probe(data, asked), asked)


def jpeg(image: Any) -> bytes:
    data: bytes = image.jpegsave_buffer(Q=90)
    return data


def png(image: Any) -> bytes:
    data: bytes = image.pngsave_buffer(compression=1)
    return data


def rgb(data: bytes) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.asarray(Image.open(BytesIO(data)).convert("RGB"))


@pytest.mark.parametrize("path", STILLS, ids=lambda path: path.name)
@pytest.mark.parametrize("share", [0.3, 1.0, 3.0])
def test_a_cap_is_kept_and_filled_where_the_range_allows(path: Path, share: float) -> None:
    data = path.read_bytes()
    smallest, largest = (len(made(data, quality=quality).data) for quality in (0, 100))
    cap = max(smallest, round(share * len(made(data).data)))
    found = made(data, target_size=cap)
    assert len(found.data) <= cap
    if len(found.data) < 0.9 * min(cap, largest):  # a step: the sizes on its sides are far apart
        assert found.quality is not None
        assert found.encodes == 8 or len(made(data, quality=found.quality + 0.1).data) > cap
    assert Image.open(BytesIO(found.data)).size == Image.open(BytesIO(made(data).data)).size


def test_a_cap_takes_four_encodes_on_average_at_most() -> None:
    pictures = [jpeg(photo(200, 150, seed)) for seed in range(4)]
    pictures += [png(drawing(200, 150, seed)) for seed in range(4)]
    encodes = [
        made(data, target_size=round(share * len(made(data).data))).encodes
        for data in pictures
        for share in (0.4, 0.7, 1.1, 1.6)
    ]
    assert sum(encodes) / len(encodes) <= 4


def test_what_is_too_large_at_the_lowest_quality_gets_all_effort_and_then_fails() -> None:
    data = jpeg(photo(200, 150))
    lowest = [len(made(data, quality=50, effort=effort).data) for effort in (0, 6)]
    assert lowest[1] < lowest[0]
    found = made(data, effort=0, min_quality=50, target_size=lowest[1])
    assert (found.quality, found.effort) == (50, 6)
    with pytest.raises(PictureError) as failure:
        made(data, effort=0, min_quality=50, target_size=lowest[1] - 1)
    assert failure.value.reason is Reason.CANNOT_REACH_TARGET
    assert f"at most {lowest[1] - 1} bytes, got {lowest[1]} by lossy 50" in str(failure.value)


def test_keep_takes_the_smallest_where_a_cap_cannot_be_met() -> None:
    data = jpeg(photo(200, 150))
    found = made(data, target_size=10, if_unreachable="keep")
    assert (found.quality, found.effort) == (0, 6)
    assert len(found.data) == len(made(data, quality=0, effort=6).data)


@pytest.mark.parametrize("least", [40, 60])
@pytest.mark.parametrize("image", [photo(300, 200), drawing(300, 200), photo(300, 200, 3, 1)])
def test_a_look_is_held_and_told_and_less_would_not_hold_it(image: Any, least: float) -> None:
    data = png(image)
    found = made(data, target_look=least)
    assert found.look is not None
    assert found.look >= least
    assert found.look == pytest.approx(Reference(rgb(data)).look(rgb(found.data)), abs=0.01)
    assert found.quality is not None
    if found.quality > 8 and found.look > least + 2:
        fewer = made(data, quality=found.quality - 8)
        assert Reference(rgb(data)).look(rgb(fewer.data)) < least + 2


def test_for_a_look_the_deblocking_spares_edges_unless_a_preset_says_how() -> None:
    data = png(photo(300, 200, noise=1))
    for preset, is_sharper in (("default", True), ("photo", False)):
        found = made(data, target_look=50, preset=preset)
        plain = made(data, quality=found.quality, preset=preset)
        assert len(found.data) == len(plain.data)
        assert (found.data != plain.data) is is_sharper


def test_a_look_is_that_of_the_picture_upright_and_resized() -> None:
    image = photo(400, 300, noise=1).copy()
    image.set_type(pyvips.GValue.gint_type, "orientation", 6)
    found = made(jpeg(image), target_look=60, max_width=150)
    assert Image.open(BytesIO(found.data)).size == (150, 200)
    assert found.look is not None
    assert found.look >= 60


def test_a_look_that_no_quality_has_fails_or_is_kept_as_good_as_can_be() -> None:
    data = png(drawing(200, 150))
    best = made(data, target_look=100, if_unreachable="keep")
    assert best.quality == 100
    with pytest.raises(PictureError, match=r"a look of at least 100, got .* lossy 100"):
        made(data, target_look=100)
    assert made(data, target_look=100, mode="lossless").look == 100


def test_under_both_targets_both_hold_or_the_picture_fails() -> None:
    data = jpeg(photo(300, 200, noise=1))
    alone = made(data, target_look=60)
    both = made(data, target_look=60, target_size=len(alone.data))
    assert both.data == alone.data
    with pytest.raises(PictureError, match=r"or raise webp\.target_size above"):
        made(data, target_look=90, target_size=len(alone.data))
    kept = made(data, target_look=90, target_size=len(alone.data), if_unreachable="keep")
    assert len(kept.data) <= len(alone.data)


def test_auto_takes_of_a_drawing_what_is_smallest_and_says_why() -> None:
    data = png(drawing(300, 200))
    found = made(data, mode="auto")
    lossless, lossy = (made(data, mode=mode) for mode in ("lossless", "lossy"))
    assert len(found.data) <= min(len(lossless.data), len(lossy.data))
    assert found.mode in ("lossless", "near_lossless")
    assert found.why is not None
    assert f"lossless {len(lossless.data)}" in found.why
    assert f"lossy 80 {len(lossy.data)}" in found.why


def test_auto_tries_photographs_lossy_alone_and_once() -> None:
    found = made(png(photo(300, 200)), mode="auto")
    assert (found.mode, found.encodes) == ("lossy", 1)


def test_auto_under_a_cap_loses_the_least_of_what_fits() -> None:
    data = png(drawing(300, 200).insert(photo(100, 200), 200, 0))
    lossless = len(made(data, mode="lossless").data)
    assert made(data, mode="auto", target_size=lossless).mode == "lossless"
    cap = len(made(data, mode="near_lossless", quality=40).data)
    near = made(data, mode="auto", target_size=cap)
    assert (near.mode, near.quality) == ("near_lossless", 40)
    assert near.why == f"near_lossless 40 loses the least of what fits into {cap} bytes"
    lossy = made(data, mode="auto", target_size=lossless // 4)
    assert lossy.mode == "lossy"
    assert len(lossy.data) <= lossless // 4


def test_auto_holds_a_look_that_lossy_cannot_by_losing_nothing() -> None:
    found = made(png(drawing(200, 150)), mode="auto", target_look=99)
    assert found.mode in ("lossless", "near_lossless")
    assert found.look is not None
    assert found.look >= 99


def test_auto_loses_nothing_of_a_photograph_of_which_no_lossy_webp_looks_well_enough() -> None:
    found = made(png(photo(200, 150)), mode="auto", target_look=98)
    assert (found.mode, found.look) == ("lossless", 100)
    assert found.why is not None
    assert found.why.startswith("lossless is the smallest at a look of 98 or more")


def test_near_lossless_is_as_near_as_its_target_asks() -> None:
    data = png(photo(200, 150))
    sizes = [len(made(data, mode="near_lossless", quality=level).data) for level in (0, 60)]
    found = made(data, mode="near_lossless", target_size=sizes[1])
    assert (found.quality, len(found.data)) == (60, sizes[1])
    held = made(data, mode="near_lossless", target_look=60)
    assert held.look is not None
    assert held.look >= 60
    assert len(held.data) < sizes[1]


def animation() -> bytes:
    frames = [photo(80, 60, seed) for seed in range(3)]
    data: bytes = frames[0].pagejoin(frames[1:]).gifsave_buffer()
    return data


@pytest.mark.parametrize(
    ("data", "options"),
    [
        (jpeg(photo(160, 120)), {"metadata": "keep"}),
        (png(with_alpha(photo(160, 120))), {}),
        (png(with_alpha(photo(160, 120))), {"sharp_yuv": True}),
        (animation(), {}),
        (bytes(photo(80, 60).bandjoin([photo(80, 60)[0]] * 2).tiffsave_buffer()), {}),
        (png(photo(1, 1)), {}),
        (png(photo(5, 300)), {}),
    ],
    ids=["metadata", "alpha", "sharp yuv", "animation", "5 bands", "a pixel", "narrow"],
)
@pytest.mark.parametrize("by_libwebp", [True, False])
def test_targets_hold_for_all_kinds_and_by_either_encoder(
    data: bytes, options: dict[str, Any], by_libwebp: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not by_libwebp:
        monkeypatch.setattr(encode, "_direct", None)
    cap = round(0.8 * len(made(data, **options).data)) + 30
    assert len(made(data, target_size=cap, **options).data) <= cap
    found = made(data, target_look=30, **options)
    assert found.look is not None
    assert found.look >= 30


@pytest.mark.parametrize("effort", [2, 4])
def test_where_effort_costs_much_the_least_comes_first_and_is_not_taken(
    effort: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    efforts = []
    ours: Callable[..., Any] = encode.Trial.__call__

    def noted(trial: Any, options: Options, mode: str) -> Any:
        efforts.append(options.effort)
        return ours(trial, options, mode)

    monkeypatch.setattr(encode.Trial, "__call__", noted)
    found = made(jpeg(photo(500, 400)), target_look=55, effort=effort)
    quick = efforts.count(0)
    assert quick == (0 if effort == 2 else pytest.approx(2, abs=1))
    assert efforts == [0] * quick + [effort] * (found.encodes - quick)
    assert found.effort == effort
    assert found.look is not None
    assert found.look >= 55


def test_a_search_stops_when_its_time_is_up() -> None:
    data = jpeg(photo(1400, 1000))
    options = Options(target_size=1000, effort=6, timeout_seconds=0.05)
    with pytest.raises(PictureError) as failure:
        convert.convert(convert.probe(data, options), options)
    assert failure.value.reason is Reason.TIMEOUT


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("sharp_yuv", [False, True])
def test_what_is_encoded_again_is_as_if_it_were_encoded_first(exact: bool, sharp_yuv: bool) -> None:
    hidden = with_alpha(photo(160, 120))
    data = png(hidden[:3].bandjoin((hidden[3] > 128).ifthenelse(hidden[3], 0)))
    asked = Options(effort=2, exact=exact, sharp_yuv=sharp_yuv)
    with Deadline(60) as deadline:
        image = decode(convert.probe(data, asked), asked, deadline).copy_memory()
        with encode.Trial(image, deadline, direct=True) as trial:
            for mode in (
                "lossy",
                "lossless",
                "near_lossless",
                "lossy",
                "near_lossless",
                "lossless",
            ):
                for quality in (60, 20):
                    again = trial(replace(asked, quality=quality), mode).data
                    first = made(data, mode=mode, quality=quality, exact=exact, sharp_yuv=sharp_yuv)
                    assert again == first.data


def repeating() -> bytes:
    frames = [photo(80, 60, seed) for seed in (0, 0, 1, 1, 1, 2)]
    data: bytes = frames[0].pagejoin(frames[1:]).gifsave_buffer()
    return data


def test_an_animation_looks_like_its_webp_though_that_has_fewer_frames() -> None:
    found = made(repeating(), target_look=30)
    assert found.look is not None
    assert 30 <= found.look < 40
    assert found.quality is not None
    assert found.quality < 60


def test_both_targets_are_reached_where_a_cap_leaves_just_enough() -> None:
    data = jpeg(photo(181, 211, noise=3))
    by_look = made(data, target_look=50)
    for less in (1, 40, 120):
        cap = len(by_look.data) - less
        possible = [made(data, quality=q / 2) for q in range(40, 200)]
        looks = Reference(rgb(data))
        if any(len(c.data) <= cap * 0.98 and looks.look(rgb(c.data)) > 50.5 for c in possible):
            both = made(data, target_look=50, target_size=cap)
            assert len(both.data) <= cap


def test_the_cap_is_filled_where_it_leaves_too_little_for_the_look() -> None:
    data = jpeg(photo(181, 211))
    cap = len(made(data, quality=50).data)
    kept = made(data, target_look=95, target_size=cap, if_unreachable="keep")
    assert 0.9 * cap <= len(kept.data) <= cap


def test_auto_never_writes_what_was_only_to_tell_whether_lossless_pays() -> None:
    data = png(drawing(300, 200).insert(photo(60, 200), 240, 0))
    found = made(data, mode="auto", target_look=85, effort=4)
    assert found.look is not None
    assert found.look >= 85
    assert found.effort == 4
    near = made(data, mode="near_lossless", target_look=85, effort=4)
    assert len(found.data) <= len(near.data)


def test_near_lossless_keeps_min_quality_and_goes_up_to_lossless() -> None:
    data = png(photo(100, 80))
    assert made(data, mode="near_lossless", min_quality=95, target_size=10**6).quality == 100
    assert made(data, mode="near_lossless", target_look=99.9).look == pytest.approx(100)


def test_a_child_process_can_look_too() -> None:
    options = Options(formats=("gif",), target_look=30)
    _, found = alone.convert(animation(), options, 1 << 30, threading.Event())
    assert found.look is not None
    assert found.look >= 30
