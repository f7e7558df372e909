"""Profiles written from numbers, read by LittleCMS through Pillow."""

from __future__ import annotations

import io

import pytest
from PIL import Image, ImageCms

from optimizr.convert import icc
from tests.odd_pictures import ADOBE_RGB, SWAPPED, builtin_profile

SRGB = icc.profile(icc.BT709, icc.parametric_curve(*icc.SRGB_CURVE))
STEPS = Image.frombytes("RGB", (256, 3), bytes(n * k % 256 for k in (1, 3, 7) for n in range(768)))


def through(profile: bytes) -> bytes:
    """Give what LittleCMS makes of all steps, going from a profile to its own sRGB."""
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    made = ImageCms.profileToProfile(STEPS, source, ImageCms.createProfile("sRGB"))
    assert made is not None
    return made.tobytes()


def worst(profile: bytes) -> int:
    return max(abs(a - b) for a, b in zip(through(profile), STEPS.tobytes(), strict=True))


def test_srgb_written_from_numbers_is_srgb() -> None:
    assert worst(SRGB) <= 1
    opened = ImageCms.ImageCmsProfile(io.BytesIO(SRGB))
    assert opened.profile.is_matrix_shaper
    assert opened.profile.profile_description == "optimizr"


def test_a_gamma_of_one_is_linear() -> None:
    grey = Image.new("RGB", (1, 1), (128, 128, 128))
    source = ImageCms.ImageCmsProfile(io.BytesIO(icc.profile(icc.BT709, icc.gamma_curve(1.0))))
    made = ImageCms.profileToProfile(grey, source, ImageCms.createProfile("sRGB"))
    assert made is not None
    assert made.getpixel((0, 0)) == (188, 188, 188)


@pytest.mark.parametrize(
    "profile",
    [
        SRGB,
        builtin_profile("srgb"),
        ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
        icc.profile(
            icc.BT709,
            icc.table_curve([(((n / 1023) + 0.055) / 1.055) ** 2.4 if n / 1023 > 0.04045
                             else n / 1023 / 12.92 for n in range(1024)]),
        ),
    ],
    ids=["ours", "libvips", "littlecms", "table"],
)  # fmt: skip
def test_srgb_is_known_under_any_name_and_transforming_it_would_change_nothing(
    profile: bytes,
) -> None:
    assert icc.is_srgb(profile)
    assert worst(profile) <= 1


@pytest.mark.parametrize(
    "profile",
    [
        ADOBE_RGB,
        SWAPPED,
        builtin_profile("p3"),
        builtin_profile("cmyk"),
        icc.profile(icc.BT709, icc.gamma_curve(2.2)),
        icc.profile(icc.BT709, icc.gamma_curve(1.0)),
        b"",
        b"no profile at all" * 20,
        SRGB[:200],
        SRGB[:131],
    ],
)
def test_other_profiles_are_not_taken_for_srgb(profile: bytes) -> None:
    assert not icc.is_srgb(profile)


def test_primaries_that_span_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="span a colour space"):
        icc.profile(icc.Primaries(icc.D65, (0.3, 0.3), (0.3, 0.3), (0.3, 0.3)), b"")
    with pytest.raises(ValueError, match="y above 0"):
        icc.profile(icc.Primaries(icc.D65, (0.3, 0.0), (0.3, 0.6), (0.15, 0.06)), b"")
