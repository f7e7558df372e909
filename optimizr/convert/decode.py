"""From bytes to pixels, as a libvips pipeline that has not run yet."""

from __future__ import annotations

from typing import Any

from optimizr.convert.vips import load


def sniff(data: bytes) -> str | None:
    """Tell the format by the first bytes; None for what is not read here."""
    if data.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    return None


def decode(data: bytes) -> Any:
    """Open a picture so that a damaged one fails and one that only makes its decoder warn does not.

    Raises VipsError.
    """
    return load(data, sniff(data) or "", fail_on="error")


def end_is_missing(data: bytes, format_: str) -> bool:
    """Tell whether a picture lacks its end marker: JPEG's EOI, PNG's IEND chunk."""
    return (b"\xff\xd9" if format_ == "jpeg" else b"IEND") not in data[-65536:]
