"""From the settings to what `convert` is asked for."""

from __future__ import annotations

from optimizr.config import Settings
from optimizr.convert import Options


def options_of(settings: Settings) -> Options:
    """Say how pictures are read and encoded."""
    webp, picture = settings.webp, settings.picture
    return Options(
        formats=picture.formats,
        max_pixels=settings.limits.max_pixels,
        timeout_seconds=settings.limits.timeout.total_seconds(),
        color=picture.color,
        metadata=picture.metadata,
        max_width=picture.resize.max_width,
        max_height=picture.resize.max_height,
        **webp.model_dump(),
    )
