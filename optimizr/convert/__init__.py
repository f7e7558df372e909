"""Bytes in, bytes out: the only package that touches libvips.

    probe(bytes) -> Header           what it is, and the memory that converting it will take
    convert(bytes, options) -> Converted

Both are pure: no paths, no storage, no logging, so they can be fuzzed and measured alone. Both
raise PictureError and nothing else. Call `start` once before them.
"""

from __future__ import annotations

from dataclasses import dataclass

from optimizr.convert.decode import decode, end_is_missing
from optimizr.convert.encode import Options, encode
from optimizr.convert.probe import Header, probe
from optimizr.convert.vips import VipsError, start, version
from optimizr.errors import PictureError, Reason, Stage

__all__ = ["Converted", "Header", "Options", "convert", "probe", "start", "version"]


@dataclass(frozen=True, slots=True)
class Converted:
    """A picture's WebP, and what was learned on the way."""

    data: bytes
    header: Header


def convert(data: bytes, options: Options, header: Header) -> Converted:
    """Decode a picture and encode it as WebP, streaming from one to the other.

    `header` is what `probe` said of the same bytes. Raises PictureError: `truncated` or `corrupt`.
    """
    try:
        return Converted(encode(decode(data), options), header)
    except VipsError:
        raise _undecodable(data, header) from None


def _undecodable(data: bytes, header: Header) -> PictureError:
    """Tell by facts why libvips gave up; its own text may be about another picture."""
    if end_is_missing(data, header.format):
        return PictureError(
            Stage.CONVERT,
            Reason.TRUNCATED,
            f"expected a whole {header.format} of {header.width}x{header.height} pixels, got one "
            f"that ends after {len(data)} bytes; fetch the original again",
        )
    return PictureError(
        Stage.CONVERT,
        Reason.CORRUPT,
        f"expected a {header.format} of {header.width}x{header.height} pixels, got data that "
        "cannot be decoded; fetch the original again",
    )
