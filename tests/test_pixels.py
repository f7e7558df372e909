"""Every picture looks as its original does, by a reference that shares no code with convert.

The reference is Pillow: it decodes, turns, and goes from the profile to sRGB with its own
LittleCMS; what Pillow does not do (gamma of PNG) is a line of NumPy. Both are laid on grey and
compared. The yardstick is Pillow's own WebP of the right pixels at the same quality: ours may be
2 dB worse, no more.
"""

from __future__ import annotations

import io
import struct
import time
import weakref
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import pyvips
from PIL import ExifTags, Image, ImageCms, ImageOps

from optimizr import convert
from optimizr.convert import png
from optimizr.convert.deadline import Deadline
from optimizr.convert.formats import FORMATS
from optimizr.errors import PictureError, Reason
from tests.make_pictures import drawing, photo, with_alpha
from tests.odd_pictures import (
    GOOD,
    HEIGHT,
    SWAPPED,
    WIDTH,
    animated_png,
    builtin_profile,
    png_with,
    tagged,
    turned,
)

Pixels = Any


def to_webp(data: bytes, **options: Any) -> bytes:
    given = convert.Options(**options)
    return convert.convert(convert.probe(data, given), given).data


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def on_grey(image: Image.Image) -> Pixels:
    """Lay a picture on middle grey."""
    rgba = np.asarray(image.convert("RGBA"), dtype=float)
    alpha = rgba[..., 3:] / 255
    return rgba[..., :3] * alpha + 128 * (1 - alpha)


def psnr(one: Pixels, other: Pixels) -> float:
    error = float(np.mean((one - other) ** 2))
    return 99.0 if error < 1e-5 else min(99.0, 10 * np.log10(255**2 / error))


def looks_right(ours: Image.Image, right: Image.Image) -> bool:
    """Tell whether a WebP of quality 80 is at most 2 dB worse than Pillow's of the right pixels."""
    plain = io.BytesIO()
    mode = "RGBA" if right.has_transparency_data else "RGB"
    right.convert(mode).save(plain, "WEBP", quality=80, method=4)
    yardstick = psnr(on_grey(opened(plain.getvalue())), on_grey(right))
    return psnr(on_grey(ours), on_grey(right)) >= yardstick - 2


def to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    if profile is None:
        return image
    alpha = image.getchannel("A") if image.mode in ("RGBA", "LA") else None
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        space = source.profile.xcolor_space.strip()
        mode = {"RGB": "RGB", "CMYK": "CMYK", "GRAY": "L"}[space]
        if (mode == "L") != (image.mode in ("L", "LA")):
            return image
        made = ImageCms.profileToProfile(
            image if image.mode == "CMYK" else image.convert(mode),
            source,
            ImageCms.createProfile("sRGB"),
            outputMode="RGB",
        )
    except (OSError, ImageCms.PyCMSError):
        return image
    assert made is not None
    if alpha is not None:
        made.putalpha(alpha)
    return made


def reference(data: bytes, name: str) -> Image.Image:
    """Give the right pixels of a picture of tests/odd_pictures.py."""
    image = opened(data)
    image.seek(0)
    profile = image.info.get("icc_profile")
    if name == "cicp p3":
        profile = builtin_profile("p3")
    if image.mode == "CMYK" and profile is None:
        profile = builtin_profile("cmyk")
    if image.mode == "I;16":
        image = Image.fromarray((np.asarray(image) >> 8).astype("uint8"))
    if image.mode == "P":
        image = image.convert("RGBA" if "transparency" in image.info else "RGB")
    image = ImageOps.exif_transpose(to_srgb(image, profile))
    if name in ("gamma 0.45455", "gamma 1.0"):
        linear = (np.asarray(image.convert("RGB")) / 255) ** (1 / float(name.split()[1]))
        srgb = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
        image = Image.fromarray(np.uint8(np.round(srgb * 255)))
    return image


@pytest.mark.parametrize("name", GOOD)
def test_what_a_browser_shows_of_the_original_it_shows_of_the_webp(name: str) -> None:
    data = GOOD[name]()
    right = reference(data, name)
    ours = opened(to_webp(data))
    assert ours.size == right.size
    assert looks_right(ours, right)


def test_the_reference_can_tell() -> None:
    """Prove of the yardstick that it fails: a profile passed over, a picture not turned."""
    swapped = tagged(photo(WIDTH, HEIGHT, 7, noise=0), SWAPPED).pngsave_buffer()
    assert psnr(on_grey(opened(swapped)), on_grey(reference(swapped, "swapped"))) < 15
    flipped = turned(3)
    assert psnr(on_grey(opened(flipped)), on_grey(reference(flipped, "turned"))) < 20


def test_nothing_is_kept_by_default() -> None:
    for name in ("orientation 6", "display p3", "junk in the header"):
        assert not set(opened(to_webp(GOOD[name]())).info) & {"exif", "xmp", "icc_profile"}


def test_metadata_is_kept_if_asked_for_with_the_orientation_reset() -> None:
    image = photo(60, 40).copy()
    for field, value in (("exif-ifd0-Artist", "somebody"), ("exif-ifd0-Orientation", "6")):
        image.set_type(pyvips.GValue.gstr_type, field, value)
    image.set_type(pyvips.GValue.gint_type, "orientation", 6)
    made = opened(to_webp(image.jpegsave_buffer(), metadata="keep"))
    exif = made.getexif()
    assert exif[0x013B].startswith("somebody")
    assert exif.get(0x0112, 1) == 1
    assert made.size == (40, 60)


def test_the_profile_is_kept_if_asked_for_and_the_pixels_with_it() -> None:
    data = GOOD["swapped primaries"]()
    kept = opened(to_webp(data, color="keep", quality=100))
    assert kept.info["icc_profile"] == SWAPPED
    assert psnr(on_grey(kept), on_grey(opened(data))) > 30
    assert "icc_profile" not in opened(to_webp(GOOD["grey jpeg"](), color="keep")).info


def test_no_word_of_turning_is_kept_in_xmp_and_no_thumbnail() -> None:
    image = opened(photo(90, 60).jpegsave_buffer())
    exif = Image.Exif()
    exif[0x0112] = 6
    exif.get_ifd(ExifTags.IFD.IFD1)[0x0112] = 6
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    out = io.BytesIO()
    image.save(out, "JPEG", exif=exif, xmp=xmp)
    made = opened(to_webp(out.getvalue(), metadata="keep"))
    assert made.size == (60, 90)
    assert b'tiff:Orientation="1"' in made.info["xmp"]
    kept = made.getexif()
    assert kept.get(0x0112, 1) == 1
    assert not kept.get_ifd(ExifTags.IFD.IFD1)


@pytest.mark.parametrize("kind", ["b-w", "grey16"])
def test_a_gamma_counts_for_grey_pictures_too(kind: str) -> None:
    flat = (pyvips.Image.black(20, 20) + 100).cast("uchar").copy(interpretation="b-w")
    if kind == "grey16":
        flat = (flat.cast("ushort") * 257).copy(interpretation="grey16")
    data = png_with(flat.pngsave_buffer(keep="none"), (b"gAMA", struct.pack(">I", 100_000)))
    for image in (flat, flat.bandjoin(255 if kind == "b-w" else 65535)):
        data = png_with(
            image.copy(interpretation=kind).pngsave_buffer(keep="none"),
            (b"gAMA", struct.pack(">I", 100_000)),
        )
        made = opened(to_webp(data, mode="lossless")).convert("RGB")
        assert made.getpixel((9, 9)) == (168, 168, 168)  # 255 * srgb(100 / 255)


@pytest.mark.parametrize("name", ["cmyk with profile", "grey with rgb profile"])
def test_profiles_that_a_webp_cannot_have_are_not_kept(name: str) -> None:
    data = GOOD[name]()
    kept = opened(to_webp(data, color="keep"))
    assert "icc_profile" not in kept.info
    assert psnr(on_grey(kept), on_grey(reference(data, name))) > 25


def test_of_an_animated_png_the_default_image_is_converted_and_that_is_known() -> None:
    data = animated_png()
    assert convert.probe(data, convert.Options()).header.animation_dropped
    assert not convert.probe(
        drawing(9, 9).pngsave_buffer(), convert.Options()
    ).header.animation_dropped
    assert getattr(opened(to_webp(data)), "n_frames", 1) == 1


def test_lossless_is_lossless_and_near_lossless_is_near() -> None:
    data = with_alpha(drawing(120, 90)).pngsave_buffer()
    exact = opened(to_webp(data, mode="lossless", exact=True))
    assert np.array_equal(np.asarray(exact), np.asarray(opened(data)))
    near = on_grey(opened(to_webp(data, mode="near_lossless", quality=40)))
    assert psnr(near, on_grey(opened(data))) > 35


def test_auto_takes_the_smaller_and_says_which() -> None:
    options = convert.Options(mode="auto")
    for data, mode in (
        (drawing(400, 300).pngsave_buffer(), "lossless"),
        (photo(400, 300).pngsave_buffer(), "lossy"),
        (photo(400, 300).jpegsave_buffer(), "lossy"),
    ):
        made = convert.convert(convert.probe(data, options), options)
        assert made.mode == mode
        assert len(made.data) <= len(to_webp(data, mode="lossy"))


@pytest.mark.parametrize(
    "options",
    [
        {"alpha_quality": 10},
        {"preset": "text"},
        {"sharp_yuv": True},
        {"exact": True},
        {"effort": 6},
        {"quality": 30},
        {"mode": "lossless"},
    ],
    ids=str,
)
def test_every_option_reaches_the_encoder(options: dict[str, Any]) -> None:
    data = with_alpha(photo(200, 150, 3)).pngsave_buffer()
    assert to_webp(data, **options) != to_webp(data)


@pytest.mark.parametrize(
    ("bounds", "size"),
    [
        ({"max_width": 90}, (90, 63)),
        ({"max_height": 63}, (90, 63)),
        ({"max_width": 90, "max_height": 20}, (29, 20)),
        ({"max_width": 1000}, (181, 127)),
        ({"max_width": 1}, (1, 1)),
    ],
)
def test_resize_fits_inside_and_never_enlarges(
    bounds: dict[str, int], size: tuple[int, int]
) -> None:
    for name in ("orientation 1", "half transparent", "16 bits, p3"):
        assert opened(to_webp(GOOD[name](), **bounds)).size == size


@pytest.mark.parametrize("orientation", range(1, 9))
def test_resize_is_of_the_upright_picture(orientation: int) -> None:
    made = opened(to_webp(turned(orientation), max_width=60, quality=95))
    right = reference(turned(orientation), "turned")
    right = right.resize(made.size, Image.Resampling.LANCZOS)
    assert made.width == 60
    assert psnr(on_grey(made), on_grey(right)) > 28


def test_a_large_jpeg_is_shrunk_while_it_is_decoded() -> None:
    data = photo(1600, 1200, noise=0).jpegsave_buffer(Q=95)
    made = opened(to_webp(data, max_width=200, quality=95))
    right = opened(data).resize((200, 150), Image.Resampling.LANCZOS)
    assert psnr(on_grey(made), on_grey(right)) > 28


def animated_gif() -> bytes:
    frames = [opened(drawing(80, 60, seed).pngsave_buffer()) for seed in range(4)]
    out = io.BytesIO()
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:], duration=70, loop=0)
    return out.getvalue()


@pytest.fixture
def all_formats() -> Iterator[None]:
    """Open all loaders; the settings of other tests are those of a run with defaults."""
    convert.start(FORMATS)
    yield
    convert.start()


@pytest.mark.usefixtures("all_formats")
def test_an_animated_gif_stays_animated_also_when_it_is_made_smaller() -> None:
    for options, size in (({}, (80, 60)), ({"max_width": 40}, (40, 30))):
        made = opened(to_webp(animated_gif(), formats=("gif",), **options))
        assert (made.size, made.n_frames) == (size, 4)  # type: ignore[attr-defined]
        made.seek(3)
        made.load()
        assert made.info["duration"] == 70


@pytest.mark.usefixtures("all_formats")
def test_a_gif_cut_anywhere_is_truncated_and_what_stands_behind_its_end_does_not_matter() -> None:
    whole = animated_gif()
    for percent in range(5, 100, 3):
        with pytest.raises(PictureError) as caught:
            to_webp(whole[: len(whole) * percent // 100], formats=("gif",))
        assert caught.value.reason is Reason.TRUNCATED
    assert getattr(opened(to_webp(whole + b"junk", formats=("gif",))), "n_frames", 1) == 4


def saved(form: str, **options: Any) -> bytes:
    out = io.BytesIO()
    opened(photo(120, 90, 2, noise=0).pngsave_buffer()).save(out, form, **options)
    return out.getvalue()


@pytest.mark.parametrize(
    ("format_", "data"),
    [
        ("gif", animated_gif()),
        ("webp", saved("WEBP", quality=95)),
        ("tiff", saved("TIFF")),
        ("avif", saved("AVIF", quality=90)),
    ],
)
@pytest.mark.usefixtures("all_formats")
def test_other_formats_are_read_only_if_asked_for(format_: str, data: bytes) -> None:
    with pytest.raises(PictureError) as caught:
        to_webp(data)
    assert caught.value.reason is Reason.FORMAT_NOT_ENABLED
    made = opened(to_webp(data, formats=("jpeg", "png", format_), quality=95))
    assert psnr(on_grey(made), on_grey(opened(data))) > 25


def test_what_takes_too_long_is_killed_while_decoding_or_encoding() -> None:
    data = photo(3000, 2000).pngsave_buffer(compression=1)
    for seconds in (0.0, 0.3):
        with pytest.raises(PictureError) as caught:
            to_webp(data, effort=6, timeout_seconds=seconds)
        assert caught.value.reason is Reason.TIMEOUT
        assert "limits.timeout" in caught.value.message


def test_a_deadline_lets_go_of_pictures_that_are_done() -> None:
    class Picture:
        def copy(self) -> Picture:
            return self

        def set_progress(self, _: bool) -> None:
            """Be a picture."""

    picture = Picture()
    gone = weakref.ref(picture)
    with Deadline(30) as deadline, deadline.watch(picture):
        time.sleep(0.15)  # the watchman has been by
    del picture
    assert gone() is None


def test_a_file_of_millions_of_chunks_takes_no_time() -> None:
    empty = struct.pack(">I4sI", 0, b"teXt", zlib.crc32(b"teXt"))
    data = drawing(9, 9).pngsave_buffer()
    made = data[:33] + empty * 1_000_000 + data[33:]
    start = time.process_time()
    png.is_animated(made)
    png.profile(made)
    assert time.process_time() - start < 1  # a million turns of the loop take more


def test_too_many_pixels_are_refused_by_the_header() -> None:
    data = photo(100, 100).jpegsave_buffer()
    to_webp(data, max_pixels=10_000)
    with pytest.raises(PictureError) as caught:
        to_webp(data, max_pixels=9_999)
    assert caught.value.reason is Reason.TOO_MANY_PIXELS


def test_sides_too_long_for_webp_convert_if_they_are_made_shorter() -> None:
    data = drawing(16384, 2).pngsave_buffer()
    with pytest.raises(PictureError) as caught:
        to_webp(data)
    assert caught.value.reason is Reason.TOO_LARGE_FOR_WEBP
    assert opened(to_webp(data, max_width=1000)).size == (1000, 1)
