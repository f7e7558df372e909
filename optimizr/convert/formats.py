"""The formats that can be read: how a file of each begins, and which libvips loader reads it.

What a file is, its first bytes decide; its name is never looked at here.
"""

from __future__ import annotations

from typing import NamedTuple

from optimizr.convert import gif


class Format(NamedTuple):
    """One format, by libvips' names."""

    operation: str
    """Reads it from memory."""
    loader: str
    """The class of loaders that is opened for it; all others stay shut."""
    streams: bool
    """Read from top to bottom in little memory, unless it is interlaced."""
    animates: bool = False
    """All frames are read, for an animated WebP."""


FORMATS = {
    "jpeg": Format("jpegload_buffer", "VipsForeignLoadJpeg", streams=True),
    "png": Format("pngload_buffer", "VipsForeignLoadPng", streams=True),
    "gif": Format("gifload_buffer", "VipsForeignLoadNsgif", streams=False, animates=True),
    "webp": Format("webpload_buffer", "VipsForeignLoadWebp", streams=False, animates=True),
    "tiff": Format("tiffload_buffer", "VipsForeignLoadTiff", streams=False),
    "heif": Format("heifload_buffer", "VipsForeignLoadHeif", streams=False),
    "avif": Format("heifload_buffer", "VipsForeignLoadHeif", streams=False),
}

_MAGIC = (
    (b"\xff\xd8\xff", "jpeg"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"II*\x00", "tiff"),
    (b"MM\x00*", "tiff"),
    (b"II+\x00", "tiff"),
    (b"MM\x00+", "tiff"),
)
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
_AVIF_BRANDS = {b"avif", b"avis"}


def sniff(data: bytes) -> str | None:
    """Tell the format by the first bytes; None for what is none of these."""
    for magic, name in _MAGIC:
        if data.startswith(magic):
            return name
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    if data[4:8] == b"ftyp":
        # The brands that a file declares: the main one, a version, then the compatible ones.
        end = min(int.from_bytes(data[:4], "big"), 256, len(data))
        brands = {data[8:12], *(data[place : place + 4] for place in range(16, end, 4))}
        return "avif" if brands & _AVIF_BRANDS else "heif" if brands & _HEIF_BRANDS else None
    return None


def end_is_missing(data: bytes, format_: str) -> bool:
    """Tell whether a picture lacks its end: JPEG's EOI, PNG's IEND chunk, GIF's trailer.

    False for formats that have none, or say their length at the beginning.
    """
    if format_ == "jpeg":
        return b"\xff\xd9" not in data[-65536:]
    if format_ == "png":
        return b"IEND" not in data[-65536:]
    if format_ == "gif":
        return not gif.is_whole(data)
    if format_ == "webp":
        return len(data) < int.from_bytes(data[4:8], "little") + 8
    return False
