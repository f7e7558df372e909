"""What colours a picture has, and what becomes of them.

Loaders ignore profiles: they give the numbers of the file. Dropping the profile then would shift
every colour, so pixels are transformed to sRGB first, or the profile is kept beside them. What a
browser does with broken profiles is done here too: they count as none.
"""

from __future__ import annotations

from typing import Any

from optimizr.convert import icc, png
from optimizr.convert.options import Color
from optimizr.convert.vips import VipsError, blob, shape, with_blob

PROFILE = "icc-profile-data"

_INTENT = "perceptual"
"""Browsers use the perceptual tables of profiles that have tables; without tables all are equal."""


def to_output(image: Any, data: bytes, format_: str, color: Color) -> Any:
    """Give the picture in 8-bit RGB, with its alpha, in the colours that the WebP shall have.

    With `color` "keep" an RGB picture keeps its numbers and its profile. Grey and CMYK become
    sRGB anyway: WebP holds RGB alone, for which their profiles do not fit. Raises VipsError.
    """
    stated = png.profile(data) if format_ == "png" else None
    if stated is not None:
        # It is one for RGB: a grey picture is made RGB of the same numbers, so that it fits.
        image = image.colourspace("rgb16" if image.format == "ushort" else "srgb")
        image = with_blob(image, PROFILE, stated)
    profile = blob(image, PROFILE)
    if shape(image).interpretation == "cmyk":
        return _from_cmyk(image)
    if profile is not None and color == "srgb" and icc.is_srgb(profile):
        image = with_blob(image, PROFILE, None)  # the numbers are right already
    elif profile is not None and not (color == "keep" and profile[16:20] == b"RGB "):
        try:
            return _transform(image)
        except VipsError:  # the profile is broken, or not for this kind of picture
            image = with_blob(image, PROFILE, None)
    return _as_srgb(image)


def _transform(image: Any, fallback: str = "srgb") -> Any:
    """Go from the embedded profile to sRGB, and leave the profile behind."""
    image = image.icc_transform(
        "srgb", embedded=True, input_profile=fallback, intent=_INTENT, depth=8
    )
    return with_blob(image, PROFILE, None)


def _from_cmyk(image: Any) -> Any:
    """Go from CMYK to sRGB, by libvips' own CMYK profile where the picture has none that fits."""
    try:
        return _transform(image, fallback="cmyk")
    except VipsError:
        return _transform(with_blob(image, PROFILE, None), fallback="cmyk")


def _as_srgb(image: Any) -> Any:
    """Take the numbers for sRGB: grey to three bands, 16 bits to 8."""
    _, _, _, format_, interpretation = shape(image)
    if interpretation == "srgb" and format_ == "uchar":
        return image
    return image.colourspace("srgb")
