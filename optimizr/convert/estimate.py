"""The memory that converting a picture takes at its peak, from its header.

Decoding and encoding come one after the other and share only the planes that go from one to the
other, so the larger of the two counts; where `webpsave` does both at once, their sum.

The constants are bytes a pixel, measured as the rise of VmHWM over one conversion with libvips
8.18 and libwebp 1.6; `python -m benchmarks.memory` measures them again.
"""

from __future__ import annotations

import math
from dataclasses import replace

from optimizr.convert.choose import is_searched
from optimizr.convert.decode import shrink_on_load
from optimizr.convert.encode import is_direct
from optimizr.convert.formats import FORMATS
from optimizr.convert.options import Options
from optimizr.convert.probe import Header, Probed

_YUV = 1.5
"""Planes of a lossy picture, beside alpha: a byte of luma, a quarter of each chroma."""
_ARGB = 4.0
"""The plane of a lossless picture, and of one for `sharp_yuv`."""
_FRAME = 3.5
"""More for webpsave, which gathers the picture as RGB."""
_TOKENS = 15.0
"""The most that libwebp's tokens take at quality 80, with the output: dithered black and white."""
_OUTPUT_SHARE = 0.16
"""Of that the output alone, in a buffer that doubles as it grows: at most a twentieth was seen."""
_TOKENS_PER_JPEG_BYTE = 28.0
"""The same by a JPEG's bytes: what has little in it has few tokens. For one of the coarseness 1
(see `convert.jpeg`); noise, saved again, is what takes most."""
_GREY = 2.0
"""How much more that is for a grey one, which has no chroma to spend bytes on."""
_TOKENS_PER_PNG_BYTE = 130.0
"""The same by a PNG's bytes: a tile of noise, over and over, which PNG sees and WebP does not."""
_TOKENS_OF_PATTERNS = 2.0
"""More for patterns so regular that a PNG of them is next to nothing."""
_SHARP_YUV = 11.0
"""More while planes for `sharp_yuv` are made, in 16 bits."""
_ALPHA, _HARDEST_ALPHA = 36.0, 52.0
"""A lossless encode of noise as transparency, and the same at effort 6. In place of tokens, not
beside them."""
_LOSSLESS = 38.0
"""A lossless encode of noise: hash chains, references."""
_HARDEST_LOSSLESS = 66.0
"""The same at effort 6."""
_INTERLACED_PNG = 1.2
"""For each byte of an interlaced PNG, which is decoded as a whole."""
_COEFFICIENT = 2.2
"""For each sample of a progressive JPEG, whose coefficients are kept until the end."""
_READ_AGAIN = 1.2
"""For each byte of a progressive JPEG: what decoding it keeps grows with its file too."""
_WHOLE = 11.0
"""For formats that are decoded as a whole; most of all AVIF, with its planes and frame."""
_FRAMES = 7.0
"""For each pixel of all frames of an animation: those encoded so far, and the decoder's."""
_FITTED_FRAMES = 12.0
"""The same if they are made smaller, for which all are in memory at once."""
_BEST, _BEST_WITH_ALPHA = 1.0, 6.0
"""For each pixel: the best WebP so far, while the next is made; noise as alpha is larger."""
_MOST_LOOKED_AT = 1 << 20
"""Pixels: `convert.look.MOST_PIXELS`, which is not loaded for this."""
_LOOKED_AT, _LOOKS = 40.0, 8 << 20
"""For each pixel that is looked at, and whatever is: the reference, and the rows at hand."""
_STREAMED_ROWS, _FITTED_ROWS = 600, 2000
"""What libvips and malloc keep of rows that have been streamed, in rows of the picture; and of one
that is made smaller."""
_FIXED = 3 << 20
"""Contexts and the like, whatever the picture's size."""


def fit(picture: Probed, options: Options, most: int) -> tuple[Options, int]:
    """Give the options with which a picture takes at most `most` bytes, and what it takes.

    Those given if they do; else with `low_memory` where that is possible, even if it takes more.
    """
    peak = peak_bytes(picture, options)
    if peak <= most or options.mode != "lossy" or not is_direct(picture.header, options):
        return options, peak
    frugal = replace(options, low_memory=True)
    return frugal, peak_bytes(picture, frugal)


def look_bytes(picture: Probed) -> int:
    """Estimate the memory that looking at each pixel once takes, in bytes."""
    return int(_streaming(picture.header, picture.header.width))


def peak_bytes(picture: Probed, options: Options) -> int:
    """Estimate the memory that converting takes at its peak, beside the input, in bytes."""
    header = picture.header
    if options.mode == "auto" and not is_searched(header, options):
        options = replace(options, mode="lossy")
    width, height = header.fitted(options)
    encoded = width * height  # of an animation one frame at a time
    planes = _planes(header, options) * encoded
    decoding = _decoding(header) * header.width * header.height + _turning(header) * encoded
    if header.format == "jpeg" and header.interlaced:
        decoding += _READ_AGAIN * len(picture.data)
    encoding = _encoding(picture, options) * encoded
    if is_direct(header, options):
        both = planes + max(decoding, encoding)
    else:
        both = planes + decoding + encoding + (_FRAME + header.has_alpha) * encoded
    searching = _searching(header, options, width * height * header.pages)
    return int(
        both + searching + _animating(header, options) * header.pixels + _streaming(header, width)
    )


def _planes(header: Header, options: Options) -> float:
    """Give what libwebp works on; where ways to encode are compared, there are both kinds."""
    yuv = _ARGB if options.sharp_yuv else _YUV + header.has_alpha
    if options.mode == "auto":
        return yuv + _ARGB
    return yuv if options.mode == "lossy" else _ARGB


def _searching(header: Header, options: Options, pixels: int) -> float:
    """Give what it takes to encode again and again: the picture, the best so far, and the look."""
    if not is_searched(header, options):
        return 0
    kept = (3 + header.has_alpha + (_BEST_WITH_ALPHA if header.has_alpha else _BEST)) * pixels
    if options.target_look is None:
        return kept
    looked_at = min(pixels, _MOST_LOOKED_AT)
    return kept + (3 + header.has_alpha) * pixels + _LOOKED_AT * looked_at + _LOOKS


def _decoding(header: Header) -> float:
    if not FORMATS[header.format].streams:
        return max(_WHOLE, 3.0 + 2 * header.bands * header.sample_bytes)
    if not header.interlaced:
        return 0
    if header.format == "jpeg":
        return _COEFFICIENT * header.samples
    return _INTERLACED_PNG * header.bands * header.sample_bytes


def _streaming(header: Header, width: int) -> float:
    shrink = 1 if header.interlaced else shrink_on_load(header, width)
    row = header.width / shrink * header.bands * header.sample_bytes
    rows = _STREAMED_ROWS if width == header.width else _FITTED_ROWS
    return rows * row + _FIXED


def _animating(header: Header, options: Options) -> float:
    if header.pages == 1:
        return 0
    fits = header.fitted(options) == (header.width, header.height)
    return _FRAMES if fits else _FITTED_FRAMES


def _turning(header: Header) -> float:
    return 3.0 + header.has_alpha if header.is_turned else 0


def _encoding(picture: Probed, options: Options) -> float:
    """Give what the encode takes beside its planes; what is too large is tried with all effort."""
    effort = options.effort if options.target_size is None else 6
    if options.mode != "lossy":
        return _HARDEST_LOSSLESS if effort == 6 else _LOSSLESS
    work = _tokens(picture, options)
    if effort <= 2 or options.low_memory:  # then libwebp writes what it would gather
        work *= _OUTPUT_SHARE
    if picture.header.has_alpha:
        work = max(work, _HARDEST_ALPHA if effort == 6 else _ALPHA)
    return max(work + _YUV, _SHARP_YUV) if options.sharp_yuv else work


def _tokens(picture: Probed, options: Options) -> float:
    quality = 100 if options.has_target else options.quality
    finest = max(0, quality - 80) / 20
    by_quality = 0.5 + quality / 160
    most = _TOKENS * (by_quality + 0.6 * finest)
    header = picture.header
    by_input = by_quality * (1 + finest) * len(picture.data) / header.pixels
    if header.bands == 1:
        by_input *= _GREY
    if header.format == "jpeg" and header.coarseness:
        return min(most, by_input * _TOKENS_PER_JPEG_BYTE * math.pow(header.coarseness, 0.42) + 0.5)
    if header.format == "png":
        return min(most, by_input * _TOKENS_PER_PNG_BYTE + _TOKENS_OF_PATTERNS)
    return most
