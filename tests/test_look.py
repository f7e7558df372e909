from __future__ import annotations

import itertools
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from ssimulacra2 import compute_ssimulacra2

from optimizr.convert.look import MOST_PIXELS, Eye, Reference, Sample
from tests.make_pictures import drawing, photo, with_alpha

Pixels = NDArray[np.uint8]


def pixels(image: Any) -> Pixels:
    return np.asarray(image.numpy())[..., :3].copy()


def as_webp(picture: Pixels, quality: int) -> bytes:
    data = BytesIO()
    Image.fromarray(picture).save(data, "webp", quality=quality, method=2)
    return data.getvalue()


def compressed(picture: Pixels, quality: int) -> Pixels:
    return np.asarray(Image.open(BytesIO(as_webp(picture, quality))).convert("RGB"))


def by_reference(picture: Pixels, other: Pixels) -> float:
    """Judge by another implementation, which takes names of files or whatever opens like one."""
    files = [BytesIO(), BytesIO()]
    for file, shown in zip(files, (picture, other), strict=True):
        Image.fromarray(shown).save(file, "png")
    return float(compute_ssimulacra2(*files))


def ranks(values: list[float]) -> NDArray[np.intp]:
    return np.argsort(np.argsort(values))


def test_a_look_is_that_of_ssimulacra2_but_for_edges() -> None:
    pairs = []
    for seed in range(4):
        for made in (photo, drawing):
            picture = pixels(made(320, 256, seed))
            reference = Reference(picture)
            for quality in (10, 40, 70, 90):
                other = compressed(picture, quality)
                pairs.append((reference.look(other), by_reference(picture, other)))
    ours, theirs = map(list, zip(*pairs, strict=True))
    assert np.corrcoef(ranks(ours), ranks(theirs))[0, 1] > 0.98  # Spearman
    assert max(abs(a - b) for a, b in pairs) < 6
    assert np.mean([abs(a - b) for a, b in pairs]) < 2


def test_what_is_the_same_looks_like_100_and_more_quality_looks_better() -> None:
    picture = pixels(photo(200, 150))
    reference = Reference(picture)
    assert reference.look(picture) == 100
    looks = [reference.look(compressed(picture, quality)) for quality in (5, 30, 60, 95)]
    assert looks == sorted(looks)
    assert looks[0] < 40 < 60 < looks[-1] < 100


@pytest.mark.parametrize("size", [(1, 1), (7, 3), (8, 8), (9, 301), (16, 17)])
def test_the_smallest_pictures_have_a_look_too(size: tuple[int, int]) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (*size, 3), dtype=np.uint8)
    reference = Reference(noise)
    assert reference.look(noise) == 100
    assert reference.look(255 - noise) < 80


def test_rows_that_are_worked_on_one_after_the_other_give_what_all_at_once_give(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    picture = pixels(photo(123, 211))
    other = compressed(picture, 30)
    whole = Reference(picture).look(other)
    monkeypatch.setattr("optimizr.convert.look.ssimulacra2._CACHED", 123 * 7)
    assert Reference(picture).look(other) == pytest.approx(whole, abs=1e-3)


@pytest.mark.parametrize(("width", "height"), [(1000, 700), (800, 9), (300, 300)])
@pytest.mark.parametrize("quality", [20, 60, 90])
def test_a_few_rows_tell_what_all_tell_and_of_what_is_small_all_are_looked_at(
    width: int, height: int, quality: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = [pixels(made(width, height, 5)) for made in (photo, drawing)]
    pairs = [(picture, compressed(picture, quality)) for picture in pictures]
    few = [Reference(picture).look(other) for picture, other in pairs]
    monkeypatch.setattr("optimizr.convert.look.ssimulacra2._STEPS", (1, 1, 1, 1, 1))
    every = [Reference(picture).look(other) for picture, other in pairs]
    assert (few == every) is (width < 1000)
    assert few == pytest.approx(every, abs=0.3)


def test_tiles_are_looked_at_one_by_one() -> None:
    picture = pixels(photo(400, 100))
    other = compressed(picture, 50)
    tiles, others = (np.split(shown, 4, axis=1) for shown in (picture, other))
    together = Reference(*tiles).look(*others)
    assert together == pytest.approx(Reference(*tiles[::-1]).look(*others[::-1]), abs=1e-6)
    assert together != pytest.approx(Reference(picture).look(other), abs=1e-6)


@given(width=st.integers(1, 16383), height=st.integers(1, 16383))
def test_a_sample_is_the_whole_or_tiles_of_whole_macroblocks_within_it(
    width: int, height: int
) -> None:
    sample = Sample.of(width, height)
    assert sample.pixels <= MOST_PIXELS
    if width * height <= MOST_PIXELS:
        assert sample == ((0,), (0,), width, height)
        return
    assert sample.pixels >= MOST_PIXELS / 4 or min(width, height) < 256
    for starts, side, whole in (
        (sample.lefts, sample.width, width),
        (sample.tops, sample.height, height),
    ):
        assert all(start % 16 == 0 and 0 <= start <= whole - side for start in starts)
        assert all(b - a >= side for a, b in itertools.pairwise(starts))


def test_a_large_picture_is_looked_at_in_tiles_and_looks_much_the_same() -> None:
    picture = photo(1600, 1200)
    eye = Eye(picture.copy_memory())
    whole = Reference(pixels(picture))
    for quality in (30, 80):
        of_all = whole.look(compressed(pixels(picture), quality))
        assert eye.look(as_webp(pixels(picture), quality)) == pytest.approx(of_all, abs=3)


def test_what_nobody_sees_behind_transparency_does_not_count() -> None:
    picture = with_alpha(photo(160, 120)).copy_memory()
    alpha = picture[3]
    hidden = (alpha > 0).ifthenelse(picture[:3], [1, 2, 3]).bandjoin(alpha)
    webp = hidden.webpsave_buffer(lossless=True, exact=True)
    assert Eye(picture).look(webp) == 100
