"""What became of a picture, as events."""

from __future__ import annotations

from typing import NamedTuple

from optimizr.convert import Converted, Header
from optimizr.errors import PictureError, Reason, Stage
from optimizr.events import ImageConverted, ImageFailed, ImageSkipped
from optimizr.keys import to_text
from optimizr.source import Item
from optimizr.stopwatch import Stopwatch

RETURNED = "returned"
"""The reason of skips whose messages come again."""


class Facts(NamedTuple):
    """What is told of a WebP, and is the same for pictures of equal bytes."""

    format: str
    width: int
    height: int
    frames: int | None
    mode: str
    quality: float | None
    effort: int
    psnr_db: float | None
    look: float | None
    encodes: int | None
    why: str | None
    animation_dropped: bool | None
    low_memory: bool | None
    output_bytes: int

    @classmethod
    def of(cls, header: Header, made: Converted) -> Facts:
        """Gather them from the picture and from what was made of it."""
        return cls(
            header.format,
            header.width,
            header.height,
            header.pages if header.pages > 1 else None,
            made.mode,
            made.quality,
            made.effort,
            None if made.psnr_db is None else round(made.psnr_db, 2),
            None if made.look is None else round(made.look, 2),
            made.encodes if made.encodes > 1 else None,
            made.why,
            header.animation_dropped or None,
            made.low_memory or None,
            len(made.data),
        )


def converted(
    item: Item, size: int, facts: Facts, watch: Stopwatch, duplicate_of: bytes | None = None
) -> ImageConverted:
    """Tell of a WebP that was stored: made, or cloned from that of the picture `duplicate_of`."""
    if duplicate_of is not None:
        facts = facts._replace(encodes=None)
    return ImageConverted(
        key=to_text(item.key),
        output=to_text(item.output),
        duplicate_of=None if duplicate_of is None else to_text(duplicate_of),
        input_bytes=size,
        **facts._asdict(),
        fetch_ms=watch.ms(Stage.FETCH),
        convert_ms=watch.ms(Stage.PROBE, Stage.CONVERT),
        store_ms=watch.ms(Stage.STORE),
        duration_ms=watch.ms(),
    )


def failed(
    item: Item, path: str, error: PictureError, watch: Stopwatch, trace: str | None = None
) -> ImageFailed:
    """Tell of a picture that cannot be done; `path` is where it is."""
    return ImageFailed(
        key=to_text(item.key),
        source=path,
        reason=error.reason,
        message=error.message,
        stage=error.stage,
        input_bytes=item.size,
        duration_ms=watch.ms(),
        traceback=trace,
    )


def returned(item: Item, cause: Reason) -> ImageSkipped:
    """Tell of a picture that failed in passing, and whose message comes again."""
    return ImageSkipped(key=to_text(item.key), reason=RETURNED, input_bytes=item.size, cause=cause)


def skipped_as(
    item: Item,
    size: int,
    reason: str,
    output: bytes | None = None,
    webp_bytes: int | None = None,
) -> ImageSkipped:
    """Tell of a picture that was left as it is, of what stands for it, and of the WebP not kept."""
    return ImageSkipped(
        key=to_text(item.key),
        reason=reason,
        input_bytes=size,
        output=None if output is None else to_text(output),
        webp_bytes=webp_bytes,
    )
