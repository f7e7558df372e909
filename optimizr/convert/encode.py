"""From pixels to WebP. Running this is what runs the whole pipeline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Options:
    """What the WebP shall be like, in libwebp's terms."""

    quality: int = 80
    """0 to 100."""
    effort: int = 4
    """0 to 6."""


def encode(image: Any, options: Options) -> bytes:
    """Pull the image through its pipeline and encode it, without metadata. Raises VipsError."""
    data: bytes = image.webpsave_buffer(Q=options.quality, effort=options.effort, keep="none")
    return data
