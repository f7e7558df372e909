"""Bytes in, bytes out: the only package that touches libvips.

    probe(bytes, options) -> Header              what it is; what is refused, is refused here
    peak_bytes(header, size, options) -> int     the memory that converting it will take
    convert(bytes, header, options) -> Converted

All are pure: no paths, no storage, no logging, so they can be fuzzed and measured alone. They
raise PictureError and nothing else, but for Cancelled, which was asked for. Call `start` once
before them.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

from optimizr.convert.choose import may_be_smaller_lossless
from optimizr.convert.deadline import Deadline
from optimizr.convert.decode import decode
from optimizr.convert.encode import encode
from optimizr.convert.estimate import peak_bytes
from optimizr.convert.options import Options
from optimizr.convert.probe import Header, damaged, probe
from optimizr.convert.vips import VipsError, start, version
from optimizr.errors import PictureError, Reason, Stage

__all__ = [
    "Converted",
    "Header",
    "Options",
    "convert",
    "peak_bytes",
    "probe",
    "start",
    "timeout",
    "version",
]


@dataclass(frozen=True, slots=True)
class Converted:
    """A picture's WebP, and how it was made."""

    data: bytes
    mode: str
    """`lossy`, `lossless` or `near_lossless`."""


def convert(
    data: bytes, header: Header, options: Options, cancelled: threading.Event | None = None
) -> Converted:
    """Decode a picture and encode it as WebP, streaming from one to the other where it can be.

    `header` is what `probe` said of the same bytes. Raises PictureError: `truncated`, `corrupt`
    or `timeout`; and Cancelled soon after `cancelled` is set by another thread.
    """
    with Deadline(options.timeout_seconds, cancelled) as deadline:
        try:
            converted = _smallest(data, header, options, deadline)
        except VipsError:
            deadline.check()
            if not deadline.expired:
                what = f"a {header.format} of {header.width}x{header.height} pixels"
                raise damaged(data, header.format, what, Stage.CONVERT) from None
        if deadline.expired:
            raise timeout(options)
    return converted


def timeout(options: Options) -> PictureError:
    """Make the error of a picture that takes too long."""
    return PictureError(
        Stage.CONVERT,
        Reason.TIMEOUT,
        f"expected to convert it within {options.timeout_seconds:g} s, got no result; "
        "raise limits.timeout, or lower webp.effort",
    )


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
