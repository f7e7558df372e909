"""libvips' own saver: always there, and the one way to animations and to metadata that is kept."""

from __future__ import annotations

import re
from typing import Any

from optimizr.convert.deadline import Deadline
from optimizr.convert.options import Options
from optimizr.convert.vips import blob, with_blob

_TURNING = {"orientation", "exif-ifd0-Orientation", "jpeg-thumbnail-data"}
_XMP_TURNING = re.compile(rb"""(tiff:Orientation(?:>|=["']))[2-8]""")
_KEEP_EXIF, _KEEP_XMP, _KEEP_ICC = 1, 2, 8
"""Bits of libvips' VipsForeignKeep."""


def webpsave(image: Any, options: Options, mode: str, deadline: Deadline) -> bytes:
    """Pull the picture through its pipeline and encode it as `mode` says. Raises VipsError."""
    if options.metadata == "keep":
        image = _as_upright(image)
    with deadline.watch(image) as watched:
        data: bytes = watched.webpsave_buffer(
            Q=round(options.quality),
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


def _as_upright(image: Any) -> Any:
    """Leave no word of turning in the metadata that is kept: the pixels are upright already.

    The thumbnail goes too: it shows the picture as it was before.
    """
    image = image.copy()
    for name in image.get_fields():
        if name in _TURNING or name.startswith("exif-ifd1-"):
            image.remove(name)
    xmp = blob(image, "xmp-data")
    return image if xmp is None else with_blob(image, "xmp-data", _XMP_TURNING.sub(rb"\g<1>1", xmp))


def _kept(options: Options) -> int:
    metadata = _KEEP_EXIF | _KEEP_XMP if options.metadata == "keep" else 0
    return metadata | (_KEEP_ICC if options.color == "keep" else 0)
