"""A small part of a picture at 1:1, for people to look at."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from optimizr.convert.deadline import Deadline
from optimizr.convert.decode import decode
from optimizr.convert.options import Options
from optimizr.convert.probe import Probed
from optimizr.convert.vips import shape
from optimizr.convert.webpsave import webpsave

_NEAR_LOSSLESS, _EFFORT = 60, 0
"""libwebp's near_lossless: nothing that can be seen is lost, and a photograph takes half the bytes
of lossless. More effort would save a third of these, but take eight times as long: 55 ms a part."""


class Crop(NamedTuple):
    """A part of a picture as WebP, and the size of the whole, in pixels."""

    data: bytes
    width: int
    height: int
    whole_width: int
    whole_height: int


def crop(picture: Probed, options: Options, width: int, height: int, deadline: Deadline) -> Crop:
    """Cut at most `width` by `height` pixels out of the middle of what the WebP shall show.

    Of an animation, out of its first frame. Raises VipsError.
    """
    image = decode(picture, options, deadline)
    whole_width, all_frames = shape(image)[:2]
    whole_height = all_frames // picture.header.pages
    width, height = min(width, whole_width), min(height, whole_height)
    left, top = (whole_width - width) // 2, (whole_height - height) // 2
    part = image.extract_area(left, top, width, height)
    data = webpsave(part, _saved(options), "near_lossless", deadline)
    return Crop(data, width, height, whole_width, whole_height)


def _saved(options: Options) -> Options:
    return replace(
        options, quality=_NEAR_LOSSLESS, effort=_EFFORT, preset="default", metadata="none"
    )
