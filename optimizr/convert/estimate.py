"""The memory that converting a picture takes at its peak, from its header.

The constants are bytes a pixel, measured as the rise of VmHWM over one conversion with libvips
8.18 and libwebp 1.6; `python -m benchmarks.memory` measures them again.
"""

from __future__ import annotations

from optimizr.convert.formats import FORMATS
from optimizr.convert.options import Options
from optimizr.convert.probe import Header, Probed

_FRAME = 5.0
"""A flat picture: webpsave's frame of RGB (3), libwebp's planes of YUV (1.5), its records."""
_ALPHA = 38.0
"""More for transparency: a fourth band, and a lossless encode of noise in it. In place of tokens,
not beside them: the peak is the same at quality 80 and 100."""
_SHARP_YUV = 11.0
"""More for `sharp_yuv`, which works on 16-bit planes."""
_LOSSLESS = 46.0
"""A lossless encode in place of a lossy one: pixels, hash chains, references."""
_TOKENS_AT_80 = 20.0
"""More for noise at quality 80, the most that libwebp's tokens and the output take."""
_TOKENS_PER_INPUT_BYTE = 20.0
"""The same by input at quality 80: a picture with little in it compresses well, has few tokens."""
_HARDEST_LOSSLESS = 72.0
"""The same at effort 6."""
_INTERLACED_PNG = 1.2
"""More for each byte of an interlaced PNG, which is decoded as a whole."""
_COEFFICIENT = 2.2
"""More for each channel of a progressive JPEG, whose coefficients are kept until the end."""
_WHOLE = 11.0
"""More for formats that are decoded as a whole; most of all AVIF, with its planes and frame."""
_FRAMES = 7.0
"""For each pixel of all frames of an animation: those encoded so far, and the decoder's."""
_FITTED_FRAMES = 12.0
"""The same if they are made smaller, for which all are in memory at once."""
_FIXED = 6 << 20
"""Line buffers, contexts and what malloc keeps, whatever the picture's size."""


def peak_bytes(picture: Probed, options: Options) -> int:
    """Estimate the memory that converting takes at its peak, beside the input, in bytes."""
    header, input_bytes = picture.header, len(picture.data)
    width, height = header.fitted(options)
    encoded = width * height  # of an animation one frame at a time
    return int(
        _decoding(header) * header.width * header.height
        + _turning(header) * encoded
        + _encoding(header, input_bytes, options) * encoded
        + _animating(header, options) * header.pixels
        + _FIXED
    )


def _decoding(header: Header) -> float:
    if not FORMATS[header.format].streams:
        return max(_WHOLE, 3.0 + 2 * header.bands * header.sample_bytes)
    if not header.interlaced:
        return 0
    if header.format == "jpeg":
        return _COEFFICIENT * header.bands
    return _INTERLACED_PNG * header.bands * header.sample_bytes


def _animating(header: Header, options: Options) -> float:
    if header.pages == 1:
        return 0
    fits = header.fitted(options) == (header.width, header.height)
    return _FRAMES if fits else _FITTED_FRAMES


def _turning(header: Header) -> float:
    return 3.0 + header.has_alpha if header.is_turned else 0


def _encoding(header: Header, input_bytes: int, options: Options) -> float:
    if options.mode != "lossy":
        return (_HARDEST_LOSSLESS if options.effort == 6 else _LOSSLESS) + 3
    finest = max(0, options.quality - 80) / 20
    by_pixel = _TOKENS_AT_80 * (0.5 + options.quality / 160 + finest / 2)
    by_input = _TOKENS_PER_INPUT_BYTE * (1 + 1.7 * finest) * input_bytes / header.pixels
    tokens = min(by_pixel, by_input)
    work = max(tokens, _ALPHA) if header.has_alpha else tokens
    return _FRAME + work + _SHARP_YUV * options.sharp_yuv
