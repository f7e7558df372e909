"""What converting a picture may be asked for, in the terms of libvips and libwebp."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Mode = Literal["lossy", "lossless", "near_lossless", "auto"]
Preset = Literal["default", "picture", "photo", "drawing", "icon", "text"]
Color = Literal["srgb", "keep"]
Metadata = Literal["none", "keep"]

Unreachable = Literal["fail", "keep"]

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
    quality: float = 80
    effort: int = 4
    target_size: int | None = None
    """Bytes that the WebP may have at most."""
    target_look: float | None = None
    """Of SSIMULACRA2, see `convert.look`: what the WebP's look may be at least."""
    min_quality: int = 0
    """The lowest quality that is tried for a target."""
    if_unreachable: Unreachable = "fail"
    alpha_quality: int = 100
    preset: Preset = "default"
    sharp_yuv: bool = False
    exact: bool = False
    low_memory: bool = False
    """libwebp keeps no tokens: up to twice the time for the same look in about the same bytes."""

    @property
    def has_target(self) -> bool:
        """Tell whether the quality is to be searched for."""
        return self.target_size is not None or self.target_look is not None
