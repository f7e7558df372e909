"""From the settings to what `convert` is asked for."""

from __future__ import annotations

from optimizr.config import Settings
from optimizr.convert import Options

EFFORT = 4
"""What `effort: auto` begins with."""


def options_of(settings: Settings) -> Options:
    """Say how pictures are read and encoded."""
    picture = settings.picture
    webp = settings.webp.model_dump(exclude={"deadline", "cpu_per_image"})
    if webp["effort"] == "auto":
        webp["effort"] = EFFORT
    return Options(
        formats=picture.formats,
        max_pixels=settings.limits.max_pixels,
        timeout_seconds=settings.limits.timeout.total_seconds(),
        color=picture.color,
        metadata=picture.metadata,
        max_width=picture.resize.max_width,
        max_height=picture.resize.max_height,
        **webp,
    )
