"""What became of a picture, as events."""

from __future__ import annotations

from optimizr.convert import Converted, Header
from optimizr.errors import PictureError, Reason, Stage
from optimizr.events import ImageConverted, ImageFailed, ImageSkipped
from optimizr.keys import to_text
from optimizr.source import Item
from optimizr.stopwatch import Stopwatch

RETURNED = "returned"
"""The reason of skips whose messages come again."""


def converted(
    item: Item, size: int, header: Header, made: Converted, watch: Stopwatch
) -> ImageConverted:
    """Tell of a WebP that was made and stored."""
    return ImageConverted(
        key=to_text(item.key),
        output=to_text(item.output),
        format=header.format,
        width=header.width,
        height=header.height,
        mode=made.mode,
        quality=made.quality,
        effort=made.effort,
        psnr_db=None if made.psnr_db is None else round(made.psnr_db, 2),
        look=None if made.look is None else round(made.look, 2),
        encodes=made.encodes if made.encodes > 1 else None,
        why=made.why,
        animation_dropped=header.animation_dropped or None,
        low_memory=made.low_memory or None,
        input_bytes=size,
        output_bytes=len(made.data),
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
