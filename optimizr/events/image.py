"""What became of a picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from optimizr.events.base import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageConverted(Event):
    """One picture has its WebP."""

    name: ClassVar[str] = "image.converted"

    key: str
    """The picture's key in the input, as text (see `optimizr.keys`)."""
    output: str
    """The WebP's key in the output."""
    output_url: str | None = None
    """Where it is served, with `publish.base_url`."""
    format: str
    """What the picture was, by content: `jpeg`, `png`."""
    width: int
    """Pixels of the original, as stored: not turned, not resized."""
    height: int
    """Of one frame."""
    frames: int | None = None
    """Of an animation; none for a still."""
    mode: str
    """How the WebP was encoded: `lossy`, `lossless`, `near_lossless`."""
    quality: float | None = None
    """That it was encoded with, 0 to 100; none for `lossless`. A target may ask for any."""
    effort: int | None = None
    """That it was encoded with, 0 to 6."""
    psnr_db: float | None = None
    """Peak signal-to-noise ratio of all planes, in decibels, as libwebp tells it: before its own
    deblocking. None for what is lossless, animated, or keeps its metadata or profile."""
    look: float | None = None
    """How like the original it looks, by SSIMULACRA2: 100 is the same; with `webp.target_look`."""
    encodes: int | None = None
    """How often it was encoded until it was as asked for, if more than once."""
    why: str | None = None
    """Why `webp.mode auto` chose this mode, for people."""
    animation_dropped: bool | None = None
    """True for an animated PNG, of which the default image was converted."""
    low_memory: bool | None = None
    """True where libwebp had to do with less memory, which takes up to twice the CPU time."""
    duplicate_of: str | None = None
    """The key of a picture of equal bytes that was encoded in this run, and whose WebP this one has
    too: none was encoded for it."""
    input_bytes: int
    """Of the original's file."""
    output_bytes: int
    """Of the WebP."""
    fetch_ms: float
    """Reading."""
    convert_ms: float
    """Reading the header, decoding and encoding."""
    store_ms: float
    """Writing, syncing and renaming."""
    duration_ms: float
    """Fetch, convert and store together; waiting for memory or a CPU slot is not counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSkipped(Event):
    """One picture was left as it is, on purpose."""

    name: ClassVar[str] = "image.skipped"

    key: str
    """The picture's key in the input."""
    reason: str
    """A stable code: `up_to_date`, `resumed`, `output_exists`, `larger_skipped`, `larger_copied`,
    `webp_copied`, `returned`. What is `resumed` was converted by an earlier attempt at this very
    run (see `run_id`), and counts as converted."""
    input_bytes: int
    """Of the original's file."""
    output: str | None = None
    """The key in the output of what stands for it: its WebP, or a copy of the original."""
    output_url: str | None = None
    """Where that is served, with `publish.base_url`."""
    output_bytes: int = 0
    """Of the WebP that is up to date or resumed; 0 with other reasons."""
    webp_bytes: int | None = None
    """Of the WebP that was made and not kept, since it is not smaller."""
    cause: str | None = None
    """With `returned`: why it failed this time (see `optimizr.errors.Reason`). Its message comes
    again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFailed(Event):
    """One picture could not be done; the others go on."""

    name: ClassVar[str] = "image.failed"
    level: ClassVar[str] = "error"

    key: str
    """The picture's key in the input; of a folder that cannot be listed, the folder's."""
    source: str
    """The picture's full path."""
    reason: str
    """A stable code, see `optimizr.errors.Reason`."""
    message: str
    """What was expected, what came, and what to do where that is known."""
    stage: str
    """Where it failed: `list`, `fetch`, `probe`, `reserve`, `convert`, `store`."""
    input_bytes: int
    """Of the file as listed; 0 where that is not known."""
    duration_ms: float
    """Spent on it until it failed, without waiting."""
    attempts: int = 1
    """How many runs have tried this version of it, this one counted."""
    traceback: str | None = None
    """Only with `internal_error`, which is a mistake in optimizr."""
