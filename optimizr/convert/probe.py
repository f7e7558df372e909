"""What a picture is, from its header alone, and the memory that converting it will take."""

from __future__ import annotations

from dataclasses import dataclass

from optimizr.convert.decode import sniff
from optimizr.convert.vips import VipsError, load
from optimizr.errors import PictureError, Reason, Stage

MAX_SIDE = 16383
"""The longest side that WebP can hold, in pixels (libwebp's WEBP_MAX_DIMENSION)."""

# Bytes a pixel, measured as the rise of VmHWM over one conversion of 24 megapixels with libvips
# 8.18 and libwebp 1.6 (benchmarks/memory.py measures them again).
_FRAME = 5.0
"""A flat picture: webpsave's frame of RGB (3), libwebp's planes of YUV (1.5), its records."""
_ALPHA = 36.0
"""More for transparency: a frame of four bands and a lossless alpha plane."""
_TOKENS_AT_80 = 19.0
"""More for noise at quality 80, the most that libwebp's tokens and the output take."""
_TOKENS_PER_INPUT_BYTE = 18.0
"""The same by input at quality 80: a picture with little in it compresses well, has few tokens."""
_INTERLACED_PNG = 3.5
"""More for an interlaced PNG, which is decoded as a whole."""
_PROGRESSIVE_JPEG = 6.5
"""More for a progressive JPEG, whose coefficients are kept (2 bytes each, 3 a pixel at most)."""
_FIXED = 4 << 20
"""Line buffers, contexts and what malloc keeps, whatever the picture's size."""


@dataclass(frozen=True, slots=True)
class Header:
    """What the header says."""

    format: str
    """`jpeg` or `png`, by content."""
    width: int
    height: int
    has_alpha: bool
    interlaced: bool
    """A progressive JPEG or an interlaced PNG: it cannot be decoded as a stream."""

    @property
    def pixels(self) -> int:
        """Of the whole picture."""
        return self.width * self.height


def probe(data: bytes) -> Header:
    """Read the header.

    Raises PictureError: `empty_file`, `not_a_picture`, `corrupt` or `too_large_for_webp`.
    """
    if not data:
        raise PictureError(
            Stage.PROBE,
            Reason.EMPTY_FILE,
            "expected a picture, got a file of 0 bytes; fetch the original again",
        )
    format_ = sniff(data)
    if format_ is None:
        raise PictureError(
            Stage.PROBE,
            Reason.NOT_A_PICTURE,
            f"expected a JPEG or a PNG, got a file that begins with {data[:8]!r}; "
            "delete it, or fetch the original again",
        )
    try:
        image = load(data, format_)
    except VipsError:
        raise PictureError(
            Stage.PROBE,
            Reason.CORRUPT,
            f"expected the header of a {format_}, got one that cannot be read; "
            "fetch the original again",
        ) from None
    if max(image.width, image.height) > MAX_SIDE:
        raise PictureError(
            Stage.PROBE,
            Reason.TOO_LARGE_FOR_WEBP,
            f"expected sides of at most {MAX_SIDE} pixels, which is all that WebP can hold, "
            f"got {image.width}x{image.height}",
        )
    return Header(
        format=format_,
        width=image.width,
        height=image.height,
        has_alpha=bool(image.hasalpha()),
        interlaced=bool(image.get_typeof("interlaced") and image.get("interlaced")),
    )


def peak_bytes(header: Header, input_bytes: int, quality: int) -> int:
    """Estimate the memory that converting takes at its peak, beside the input, in bytes."""
    finest = max(0, quality - 80) / 20
    noise = min(
        _TOKENS_AT_80 * (0.5 + quality / 160 + finest / 2) * header.pixels,
        _TOKENS_PER_INPUT_BYTE * (1 + 1.7 * finest) * input_bytes,
    )
    each = _FRAME + _ALPHA * header.has_alpha
    if header.interlaced:
        each += _PROGRESSIVE_JPEG if header.format == "jpeg" else _INTERLACED_PNG
    return int(each * header.pixels + noise + _FIXED)
