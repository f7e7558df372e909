"""`mode: auto`: which pictures are worth a lossless try.

Drawings, screenshots and logos often come out smaller, and sharp, without loss. Photographs never
do, and trying costs several times a lossy encode. What tells them apart is cheap to see: in a
drawing most pixels equal their left neighbour.
"""

from __future__ import annotations

from optimizr.convert.probe import Probed

_FLAT = 0.6
"""Share of equal neighbours from which a picture counts as flat. Photographs and noisy renderings
measured stay below 0.3, drawings above 0.8."""


def may_be_smaller_lossless(picture: Probed) -> bool:
    """Tell whether a lossless encode is worth trying: a still PNG with flat areas.

    Looks at the whole picture once, which costs a decode. Raises VipsError.
    """
    header = picture.header
    if header.format != "png" or header.pages > 1:
        return False
    image = picture.load()
    if header.width < 2:
        return True
    left = image.crop(0, 0, header.width - 1, header.height)
    right = image.crop(1, 0, header.width - 1, header.height)
    same: float = (left == right).bandand().avg()
    return same / 255 >= _FLAT
