"""What converting a picture may be asked for, in the terms of libvips and libwebp."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Mode = Literal["lossy", "lossless", "near_lossless", "auto"]
Preset = Literal["default", "picture", "photo", "drawing", "icon", "text"]
Color = Literal["srgb", "keep"]
Metadata = Literal["none", "keep"]

MAX_SIDE = 16383
"""The longest side that WebP can hold, in pixels (libwebp's WEBP_MAX_DIMENSION)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a picture is read, fitted and encoded; ranges are those of the settings."""

    formats: tuple[str, ...] = ("jpeg", "png")
    max_pixels: int = MAX_SIDE * MAX_SIDE
    """Pixels of all frames together."""
    timeout_seconds: float = 300
    color: Color = "srgb"
    metadata: Metadata = "none"
    max_width: int | None = None
    """Pixels of the upright picture; None does not bound it."""
    max_height: int | None = None

    mode: Mode = "lossy"
    quality: int = 80
    effort: int = 4
    alpha_quality: int = 100
    preset: Preset = "default"
    sharp_yuv: bool = False
    exact: bool = False
    low_memory: bool = False
    """libwebp keeps no tokens: up to twice the time for the same look in about the same bytes."""
