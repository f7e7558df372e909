"""From bytes to pixels as they shall be: right colours, upright, fitted.

Of an upright picture nothing has run yet; one that is not must be in memory to be turned.
"""

from __future__ import annotations

from typing import Any

from optimizr.convert import colour
from optimizr.convert.deadline import Deadline
from optimizr.convert.options import Options
from optimizr.convert.probe import Header, Probed

_JPEG_SHRINKS = (8, 4, 2)
"""What libjpeg can divide sides by while it decodes, which saves most of the work."""


def decode(picture: Probed, options: Options, deadline: Deadline) -> Any:
    """Open a picture and give it as the WebP shall show it. Raises VipsError."""
    header = picture.header
    width, height = header.fitted(options)
    shrink = shrink_on_load(header, width)
    image = picture.load(**({"shrink": shrink} if shrink > 1 else {}))
    if picture.alpha_is_idle:
        image = image.extract_band(0, n=image.bands - 1)
    if not header.is_srgb or header.has_profile or header.format == "png":
        image = colour.to_output(image, picture.data, header.format, options.color)
    if (width, height) != (header.width, header.height):
        image = _fit(image, header, width, height, deadline)
    if header.is_turned:
        image = in_memory(image, deadline).autorot()
    return image


def in_memory(image: Any, deadline: Deadline) -> Any:
    """Run the picture's pipeline into memory. Raises VipsError."""
    with deadline.watch(image) as watched:
        return watched.copy_memory()


def shrink_on_load(header: Header, width: int) -> int:
    """Give by how much the sides are divided while it is decoded, if it shall be of `width`."""
    if header.format != "jpeg":
        return 1
    return next((shrink for shrink in _JPEG_SHRINKS if header.width >= width * shrink), 1)


def _fit(image: Any, header: Header, width: int, height: int, deadline: Deadline) -> Any:
    """Make the picture smaller; alpha is premultiplied meanwhile, so that edges do not darken."""
    if header.pages == 1:
        return image.thumbnail_image(width, height=height, size="force", no_rotate=True)
    pages = [
        page.thumbnail_image(width, height=height, size="force", no_rotate=True)
        for page in in_memory(image, deadline).pagesplit()
    ]
    return pages[0].pagejoin(pages[1:])
