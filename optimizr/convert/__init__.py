"""Bytes in, bytes out: the only package that touches libvips.

    probe(bytes, options) -> Header              what it is; what is refused, is refused here
    peak_bytes(header, size, options) -> int     the memory that converting it will take
    convert(bytes, header, options) -> Converted

All are pure: no paths, no storage, no logging, so they can be fuzzed and measured alone. They
raise PictureError and nothing else. Call `start` once before them.
"""

from __future__ import annotations

from dataclasses import dataclass

from optimizr.convert.choose import may_be_smaller_lossless
from optimizr.convert.deadline import Deadline
from optimizr.convert.decode import decode, end_is_missing
from optimizr.convert.encode import encode
from optimizr.convert.estimate import peak_bytes
from optimizr.convert.options import Options
from optimizr.convert.probe import Header, probe
from optimizr.convert.vips import VipsError, start, version
from optimizr.errors import PictureError, Reason, Stage

__all__ = ["Converted", "Header", "Options", "convert", "peak_bytes", "probe", "start", "version"]


@dataclass(frozen=True, slots=True)
class Converted:
    """A picture's WebP, and how it was made."""

    data: bytes
    mode: str
    """`lossy`, `lossless` or `near_lossless`."""


def convert(data: bytes, header: Header, options: Options) -> Converted:
    """Decode a picture and encode it as WebP, streaming from one to the other where it can be.

    `header` is what `probe` said of the same bytes. Raises PictureError: `truncated`, `corrupt`
    or `timeout`.
    """
    with Deadline(options.timeout_seconds) as deadline:
        try:
            converted = _smallest(data, header, options, deadline)
        except VipsError:
            if not deadline.expired:
                raise _undecodable(data, header) from None
        if deadline.expired:
            raise PictureError(
                Stage.CONVERT,
                Reason.TIMEOUT,
                f"expected to convert it within {options.timeout_seconds:g} s, got no result; "
                "raise limits.timeout, or lower webp.effort",
            )
    return converted


def _smallest(data: bytes, header: Header, options: Options, deadline: Deadline) -> Converted:
    def encoded(mode: str) -> Converted:
        image = deadline.watch(decode(data, header, options, deadline))
        return Converted(encode(image, options, mode), mode)

    if options.mode != "auto":
        return encoded(options.mode)
    lossy = encoded("lossy")
    if not may_be_smaller_lossless(data, header):
        return lossy
    return min(encoded("lossless"), lossy, key=lambda made: len(made.data))


def _undecodable(data: bytes, header: Header) -> PictureError:
    """Tell by facts why libvips gave up; its own text may be about another picture."""
    what = f"a {header.format} of {header.width}x{header.height} pixels"
    if end_is_missing(data, header.format):
        return PictureError(
            Stage.CONVERT,
            Reason.TRUNCATED,
            f"expected the whole of {what}, got a file that ends after {len(data)} bytes; "
            "fetch the original again",
        )
    return PictureError(
        Stage.CONVERT,
        Reason.CORRUPT,
        f"expected {what}, got data that cannot be decoded; fetch the original again",
    )
