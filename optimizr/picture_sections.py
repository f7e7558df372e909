"""The settings of what becomes of a picture: how it is read, and how its WebP is encoded."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Self

from pydantic import BeforeValidator, Field, model_validator
from pydantic_settings import NoDecode

from optimizr.sections import Section
from optimizr.units import Duration, Size
from optimizr.values import Auto, Color, Format, Metadata, Mode, Preset, Unreachable


class WebpSettings(Section):
    """How the WebP is encoded, in libwebp's own terms."""

    quality: int = Field(default=80, ge=0, le=100)
    """Quality of lossy encoding, 0 (smallest) to 100 (best)."""
    effort: Annotated[int, Field(ge=0, le=6)] | Auto = 4
    """CPU spent on compression, 0 (fastest) to 6 (smallest); `auto` chooses for each picture, so
    that the CPU time of `webp.deadline` or `webp.cpu_per_image` goes where it saves most bytes."""
    mode: Mode = "lossy"
    """`lossy`, `lossless`, `near_lossless` (then `quality` is how near, 100 is lossless), or
    `auto`: lossy, but of PNGs with flat areas the best of all three: the smallest that will do, or
    what loses least of what fits, with `target_size` alone."""
    target_size: Annotated[Size, Field(ge=1)] | None = None
    """Bytes that no WebP may exceed, such as `200KB`; the quality is the highest that fits."""
    target_look: float | None = Field(default=None, ge=0, le=100)
    """How good every WebP must look beside its original, by SSIMULACRA2: 90 as if nothing was lost,
    70 good, 50 fair, 30 poor; the quality is the lowest that does (extra `look`)."""
    min_quality: int = Field(default=0, ge=0, le=100)
    """The lowest quality that is tried for a target."""
    if_unreachable: Unreachable = "fail"
    """What becomes of a picture of which no WebP reaches the target: `fail`, or `keep` what comes
    nearest."""
    deadline: Duration | None = Field(default=None, gt=timedelta())
    """With `effort: auto`: when the run is to have ended, counted from its start."""
    cpu_per_image: Duration | None = Field(default=None, gt=timedelta())
    """With `effort: auto`: CPU time for decoding and encoding a picture, on average."""
    alpha_quality: int = Field(default=100, ge=0, le=100)
    """Quality of transparency, 0 to 100; 100 is lossless."""
    preset: Preset = "default"
    """Tunes lossy encoding to a kind of picture."""
    sharp_yuv: bool = False
    """Convert to YUV more exactly: sharper coloured edges, more CPU."""
    exact: bool = False
    """Keep the colours of pixels that are wholly transparent."""

    @model_validator(mode="after")
    def _check_budget(self) -> Self:
        budgets = [self.deadline, self.cpu_per_image]
        if self.effort == "auto" and budgets.count(None) != 1:
            raise ValueError("either a deadline or a cpu_per_image with `effort: auto`")
        if self.effort != "auto" and any(budgets):
            raise ValueError("`effort: auto` with a deadline or a cpu_per_image")
        return self


def _split(value: object) -> object:
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


class ResizeSettings(Section):
    """A box that pictures are made to fit into; never enlarged."""

    max_width: int | None = Field(default=None, ge=1)
    """Pixels of the upright picture."""
    max_height: int | None = Field(default=None, ge=1)
    """Pixels of the upright picture."""


class PictureSettings(Section):
    """How pictures are read."""

    color: Color = "srgb"
    """`srgb` converts colours to sRGB; `keep` keeps the numbers and the ICC profile."""
    metadata: Metadata = "none"
    """`none` drops all metadata; `keep` keeps EXIF and XMP, with the orientation reset."""
    formats: Annotated[
        tuple[Format, ...], NoDecode, BeforeValidator(_split), Field(min_length=1)
    ] = ("jpeg", "png")
    """Formats that are read, of jpeg, png, gif, webp, tiff, heif, avif."""
    resize: ResizeSettings = ResizeSettings()
