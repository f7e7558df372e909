"""What a look at all pixels tells.

`mode: auto`: which pictures are worth a lossless try. Drawings, screenshots and logos often come
out smaller, and sharp, without loss. Photographs never do, and trying costs several times a lossy
encode. What tells them apart is cheap to see: in a drawing most pixels equal their left neighbour.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from optimizr.convert.deadline import Deadline
from optimizr.convert.formats import FORMATS
from optimizr.convert.options import Options
from optimizr.convert.probe import Header, Probed
from optimizr.convert.vips import shape

_FLAT = 0.6
"""Share of equal neighbours from which a picture counts as flat. Photographs and noisy renderings
measured stay below 0.3, drawings above 0.8."""


def is_searched(header: Header, options: Options) -> bool:
    """Tell whether the picture is encoded in several ways, of which one is taken."""
    return options.has_target or (options.mode == "auto" and may_be_drawing(header))


def may_be_drawing(header: Header) -> bool:
    """Tell whether a look at the pixels may show a drawing: of a still PNG."""
    return header.format == "png" and header.pages == 1


def is_flat(image: Any) -> bool:
    """Tell whether a picture in memory has so many flat areas as only drawings have.

    Raises VipsError.
    """
    width, height = shape(image)[:2]
    if width < 2:
        return True
    left = image.crop(0, 0, width - 1, height)
    right = image.crop(1, 0, width - 1, height)
    same: float = (left == right).bandand().avg()
    return same / 255 >= _FLAT


def without_idle_alpha(picture: Probed, deadline: Deadline) -> Probed:
    """Give the picture without its alpha band, if that is opaque everywhere; else as it is.

    A lossless encode of transparency is what takes most memory of all, so it is worth a look
    where there is none for it. Raises VipsError, and what `deadline.check` raises.
    """
    header = picture.header
    with deadline.watch(picture.load()) as image:
        opaque = (1 << 8 * header.sample_bytes) - 1
        is_idle = image.extract_band(header.bands - 1).min() >= opaque
    deadline.check()
    if not is_idle:
        return picture
    return replace(picture, header=replace(header, has_alpha=False), alpha_is_idle=True)


def may_have_idle_alpha(picture: Probed) -> bool:
    """Tell whether a look is cheap and may help: at a streamed still that has a band of alpha."""
    header = picture.header
    return (
        header.has_alpha
        and header.pages == 1
        and header.bands in (2, 4)  # not by a palette or a colour that counts as transparent
        and FORMATS[header.format].streams
        and not header.interlaced
    )
