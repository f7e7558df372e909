from __future__ import annotations

import os
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizr.convert.formats import FORMATS
from optimizr.source.names import EXTENSIONS, OutputNames, extensions, is_picture
from optimizr.values import Format, Naming

# Few letters, so that names clash in every way that they can.
NAMES = st.lists(
    st.builds(
        lambda stem, *ends: (stem + "".join(ends)).encode(),
        st.sampled_from(["a", "A", "b", "a.jpg", "\u00df", "ss"]),
        st.sampled_from([".jpg", ".JPG", ".png", ".jpeg"]),
        st.sampled_from(["", "", ".png", ".webp.jpg"]),
    ),
    unique=True,
    max_size=12,
)
BOTH = st.sampled_from(["replace", "append"])


def outputs(names: list[bytes], naming: Naming = "replace", prefix: bytes = b"") -> list[bytes]:
    made = OutputNames(prefix, names, naming)
    return [made.of(name) for name in names]


def fold(name: bytes) -> str:
    return name.decode().casefold()


@given(NAMES, BOTH)
def test_no_two_pictures_share_an_output_even_where_letter_case_is_folded(
    names: list[bytes], naming: Naming
) -> None:
    made = outputs(names, naming)
    assert len({fold(output) for output in made}) == len(names)


@given(NAMES, BOTH, st.randoms())
def test_names_do_not_depend_on_the_order_of_the_directory(
    names: list[bytes], naming: Naming, random: st.DrawFn
) -> None:
    shuffled = list(names)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    before = dict(zip(names, outputs(names, naming), strict=True))
    assert dict(zip(shuffled, outputs(shuffled, naming), strict=True)) == before


@given(NAMES)
def test_the_rule_is_that_of_the_design_word_for_word(names: list[bytes]) -> None:
    replaced = {name: os.path.splitext(name)[0] + b".webp" for name in names}
    appended = {name: name + b".webp" for name in names}
    for name, output in zip(names, outputs(names), strict=True):
        siblings = [other for other in names if other != name]
        rivals = {fold(replaced[other]) for other in siblings}
        rivals |= {fold(appended[other]) for other in siblings}
        if fold(replaced[name]) not in rivals:
            assert output == replaced[name]
        elif fold(appended[name]) not in {fold(appended[other]) for other in siblings}:
            assert output == appended[name]
        else:
            stem, digits, end = output.rsplit(b".", 2)
            assert (stem, end) == (name, b"webp")
            assert len(digits) == 6
            int(digits, 16)


def test_twins_keep_their_extensions() -> None:
    assert outputs([b"x.jpg", b"x.png", b"y.jpg"]) == [b"x.jpg.webp", b"x.png.webp", b"y.webp"]


def test_a_name_that_another_could_append_to_is_not_taken() -> None:
    assert outputs([b"photo.jpg", b"photo.jpg.png"]) == [b"photo.webp", b"photo.jpg.png.webp"]


def test_a_name_that_a_subfolder_has_is_not_taken() -> None:
    made = OutputNames(b"", [b"photo.png", b"b.png"], "replace", folders=[b"Photo.webp"])
    assert (made.of(b"photo.png"), made.of(b"b.png")) == (b"photo.png.webp", b"b.webp")
    made = OutputNames(b"", [b"a.png"], "append", folders=[b"a.png.webp"])
    assert made.of(b"a.png") not in (b"a.png.webp", b"a.webp")


def test_the_same_name_in_another_folder_gets_other_digits() -> None:
    twins = [b"a.jpg", b"A.JPG"]
    assert not set(outputs(twins, prefix=b"one/")) & set(outputs(twins, prefix=b"two/"))


def test_a_hashed_name_that_is_taken_gets_more_digits() -> None:
    twins = [b"a.jpg", b"A.JPG"]
    hashed = outputs(twins)[0]
    squatter = hashed.removesuffix(b".webp") + b".png"
    made = outputs([*twins, squatter])
    assert len({fold(output) for output in made}) == 3
    assert made[0] != hashed


@pytest.mark.parametrize("name", [b"a.jpg", b"a.JPEG", b"a.b.png", b"\xff.Jfif", b"-.jpe"])
def test_pictures_are_known_by_extension_in_any_case(name: bytes) -> None:
    assert is_picture(name)


@pytest.mark.parametrize("name", [b"a.webp", b"jpg", b".jpg", b"a.jpg.txt", b"a.jpg "])
def test_other_names_are_no_pictures(name: bytes) -> None:
    assert not is_picture(name, extensions(["jpeg", "png"]))


def test_every_format_that_can_be_enabled_has_extensions_and_a_loader() -> None:
    assert set(EXTENSIONS) == set(get_args(Format)) == set(FORMATS)


@given(NAMES, BOTH)
def test_under_copies_no_output_is_another_pictures_own_name(
    names: list[bytes], naming: Naming
) -> None:
    names = [*names, *(name + b".webp" for name in names[:3])]
    made = OutputNames(b"", names, naming, copies=True)
    for name in names:
        assert fold(made.of(name)) not in {fold(other) for other in names if other != name}
    assert len({fold(made.of(name)) for name in names}) == len(names)
