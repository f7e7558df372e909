"""From pixels to WebP. Running this is what runs the whole pipeline."""

from __future__ import annotations

from typing import Any

from optimizr.convert.options import Options

_KEEP_EXIF, _KEEP_XMP, _KEEP_ICC = 1, 2, 8
"""Bits of libvips' VipsForeignKeep."""


def encode(image: Any, options: Options, mode: str) -> bytes:
    """Pull the picture through its pipeline and encode it as `mode` says. Raises VipsError.

    `mode` is `lossy`, `lossless` or `near_lossless`; for the last, `quality` is how near, where
    100 is lossless.
    """
    data: bytes = image.webpsave_buffer(
        Q=options.quality,
        effort=options.effort,
        lossless=mode == "lossless",
        near_lossless=mode == "near_lossless",
        alpha_q=options.alpha_quality,
        preset=options.preset,
        smart_subsample=options.sharp_yuv,
        exact=options.exact,
        keep=_kept(options),
    )
    return data


def _kept(options: Options) -> int:
    metadata = _KEEP_EXIF | _KEEP_XMP if options.metadata == "keep" else 0
    return metadata | (_KEEP_ICC if options.color == "keep" else 0)
