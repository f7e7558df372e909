from __future__ import annotations

import importlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pyvips

from optimizr import convert
from optimizr.convert import libwebp
from optimizr.convert.formats import FORMATS
from optimizr.errors import PictureError, Reason
from tests.make_pictures import HOME, drawing, photo, with_alpha
from tests.odd_pictures import GOOD

encode = importlib.import_module("optimizr.convert.encode")  # its function has its name
PICTURES = {
    path.relative_to(HOME).as_posix(): path.read_bytes
    for path in sorted(HOME.rglob("*"))
    if path.is_file()
}
Convert = Callable[[bytes, convert.Options], bytes]


def directly(data: bytes, options: convert.Options) -> bytes:
    return convert.convert(convert.probe(data, options), options).data


@pytest.fixture
def by_webpsave(monkeypatch: pytest.MonkeyPatch) -> Convert:
    def made(data: bytes, options: convert.Options) -> bytes:
        with monkeypatch.context() as patch:
            patch.setattr(encode, "_direct", None)
            return directly(data, options)

    return made


def in_strips(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut small pictures too, into many strips."""
    monkeypatch.setattr(encode, "_STRIP_BYTES", 4000)


OPTIONS = [
    {},
    {"quality": 0, "effort": 0},
    {"quality": 100, "effort": 6},
    {"effort": 2, "exact": True, "alpha_quality": 30},
    {"mode": "lossless"},
    {"mode": "lossless", "quality": 30, "effort": 1, "exact": True},
    {"mode": "near_lossless", "quality": 60, "effort": 2},
    {"mode": "near_lossless", "quality": 20, "effort": 1, "preset": "text"},
    {"mode": "auto"},
    {"sharp_yuv": True},
    {"sharp_yuv": True, "quality": 95, "exact": True},
    {"max_width": 100, "effort": 5},
    *({"preset": name} for name in ("picture", "photo", "drawing", "icon", "text")),
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_both_ways_give_the_same_bytes(
    options: dict[str, Any], by_webpsave: Convert, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert convert.encoder().name == "libwebp"
    in_strips(monkeypatch)
    given = convert.Options(**options)
    for name, read in PICTURES.items():
        assert directly(read(), given) == by_webpsave(read(), given), name


def test_both_ways_give_the_same_bytes_of_odd_pictures(
    by_webpsave: Convert, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_strips(monkeypatch)
    convert.start(FORMATS)
    given = convert.Options(formats=tuple(FORMATS))
    for name, make in GOOD.items():
        data = make()
        assert directly(data, given) == by_webpsave(data, given), name


def test_transparency_that_begins_far_down_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    in_strips(monkeypatch)
    image = drawing(120, 100).bandjoin(255).copy(interpretation="srgb")
    image = image.draw_rect([10, 20, 30, 128], 20, 70, 40, 20, fill=True)
    data = directly(image.pngsave_buffer(), convert.Options())
    pyvips.operation_block_set("VipsForeignLoadWebp", False)
    alpha = pyvips.Image.new_from_buffer(data, "")[3]
    assert (alpha.crop(0, 0, 120, 70).min(), alpha.crop(20, 70, 40, 20).max()) == (255, 128)


def test_a_picture_is_not_encoded_directly_if_its_metadata_or_profile_is_kept() -> None:
    data = photo(64, 48).jpegsave_buffer()
    header = convert.probe(data, convert.Options()).header
    assert encode.is_direct(header, convert.Options())
    tagged = photo(64, 48).jpegsave_buffer(profile="srgb")
    header = convert.probe(tagged, convert.Options()).header
    assert encode.is_direct(header, convert.Options())
    assert not encode.is_direct(header, convert.Options(color="keep"))


def libraries() -> list[str]:
    return [path for path in libwebp.candidates() if Path(path).exists()]


def test_the_newest_library_is_called_and_one_that_is_older_than_that_of_libvips_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (path,) = libraries()  # Pillow's wheel has one
    library, why = libwebp.newest(iter(["/nowhere/libwebp.so", path]))
    assert library is not None
    assert library.path == path
    assert path in why
    monkeypatch.setattr(libwebp, "LEAST", (9, 0, 0))
    assert libwebp.newest(iter([path])) == (
        None,
        f"{path} is of {libwebp.dotted(library.version)}, older than that of libvips' wheel",
    )


def test_without_a_library_webpsave_encodes_and_it_is_said_why(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    library, why = libwebp.newest(iter(["/nowhere/libwebp.so"]))
    assert library is None
    monkeypatch.setattr(encode, "_direct", library)
    monkeypatch.setattr(encode, "_why", why)
    assert convert.encoder().name == "webpsave"
    assert "optimizr[fast]" in convert.encoder().why
    assert directly(photo(64, 48).jpegsave_buffer(), convert.Options())[8:12] == b"WEBP"


def test_what_is_no_libwebp_is_not_called(tmp_path: Path) -> None:
    (tmp_path / "libwebp-text.so").write_text("no library")
    (path,) = libraries()
    other = next(Path(path).parent.glob("libsharpyuv*"))
    shutil.copy(other, tmp_path / "libwebp-other.so")
    assert libwebp.newest(map(str, tmp_path.iterdir()))[0] is None


def test_a_library_of_another_abi_is_not_called(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libwebp, "_ABI", 0x0310)
    assert libwebp.newest(iter(libraries()))[0] is None


def test_a_picture_that_cannot_be_encoded_says_so_and_is_not_called_corrupt(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def out_of_memory(*_: object) -> bytes:
        raise libwebp.LibwebpError(1)

    monkeypatch.setattr(libwebp.Libwebp, "encode", out_of_memory)
    with pytest.raises(PictureError) as caught:
        directly(photo(64, 48).jpegsave_buffer(), convert.Options())
    assert caught.value.reason is Reason.ENCODER_FAILED
    assert "64x48 pixels, but libwebp gave up: out of memory" in caught.value.message


def test_a_strip_of_the_wrong_size_is_refused_before_it_is_read() -> None:
    (path,) = libraries()
    library = libwebp.Libwebp(path)
    with library.picture() as picture, pytest.raises(ValueError, match="expected 4x4x3 bytes"):
        library.fill(picture, 4, 4, 3, bytearray(47))


def test_alpha_of_every_kind_of_strip_meets_in_one_plane(by_webpsave: Convert) -> None:
    data = with_alpha(photo(1700, 900)).pngsave_buffer(compression=1)
    assert directly(data, convert.Options()) == by_webpsave(data, convert.Options())


def test_a_picture_without_its_opaque_alpha_becomes_the_same_bytes() -> None:
    image = photo(300, 200).bandjoin(255).copy(interpretation="srgb")
    picture = convert.probe(image.pngsave_buffer(), convert.Options())
    assert convert.may_have_idle_alpha(picture)
    looked = convert.without_alpha(picture, convert.Options())
    assert not looked.header.has_alpha
    made = convert.convert(looked, convert.Options()).data
    assert made == directly(image.pngsave_buffer(), convert.Options())


@pytest.mark.parametrize("name", ["fading", "damaged"])
def test_a_look_leaves_real_transparency_and_tells_of_damage(name: str) -> None:
    if name == "fading":
        picture = convert.probe(with_alpha(photo(60, 40)).pngsave_buffer(), convert.Options())
        assert convert.without_alpha(picture, convert.Options()) is picture
        return
    data = photo(300, 200).bandjoin(255).copy(interpretation="srgb").pngsave_buffer()
    with pytest.raises(PictureError) as caught:
        convert.without_alpha(
            convert.probe(data[: len(data) // 2], convert.Options()), convert.Options()
        )
    assert caught.value.reason is Reason.TRUNCATED


def two_components() -> bytes:
    """Make a JPEG of two components: by hand, since no encoder at hand does."""
    data = bytearray(photo(64, 48).colourspace("b-w").jpegsave_buffer(keep="none"))
    frame, scan = data.index(b"\xff\xc0"), data.index(b"\xff\xda")
    second = bytes(data[frame + 10 : frame + 13])
    in_scan = bytes(data[scan + 5 : scan + 7])
    data[scan + 7 : scan + 7] = bytes([2]) + in_scan[1:]
    data[scan + 3 : scan + 5] = bytes([data[scan + 3] + 2, 2])
    data[frame + 13 : frame + 13] = bytes([2]) + second[1:]
    data[frame + 3] += 3
    data[frame + 9] = 2
    return bytes(data)


@pytest.mark.parametrize(
    "make",
    [
        two_components,
        lambda: photo(90, 70).bandjoin([255, 9]).tiffsave_buffer(),
        lambda: photo(90, 70).colourspace("b-w").bandjoin([255, 9]).tiffsave_buffer(),
    ],
    ids=["two components", "two bands more", "grey and two bands more"],
)
def test_bands_that_are_no_rgb_are_left_to_libvips(
    make: Callable[[], bytes], by_webpsave: Convert
) -> None:
    convert.start(FORMATS)
    given, data = convert.Options(formats=tuple(FORMATS)), make()
    try:
        expected: object = by_webpsave(data, given)
    except PictureError as error:
        expected = error.reason
    try:
        made: object = directly(data, given)
    except PictureError as error:
        made = error.reason
    assert made == expected
