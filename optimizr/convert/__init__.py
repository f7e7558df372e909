"""Bytes in, bytes out: the only package that touches libvips.

    probe(bytes, options) -> Probed                what it is; what is refused, is refused here
    fit(probed, options, most) -> options, int     how it takes at most so much memory, and how much
    convert(probed, options) -> Converted

All are pure: no paths, no storage, no logging, so they can be fuzzed and measured alone. They
raise PictureError and nothing else, but for Cancelled, which was asked for. Call `start` once
before them.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from optimizr.convert import crop as crops
from optimizr.convert.candidates import ONLY_DRAWINGS
from optimizr.convert.choose import is_searched, may_have_idle_alpha, without_idle_alpha
from optimizr.convert.crop import Crop
from optimizr.convert.deadline import Deadline, Expired
from optimizr.convert.decode import decode
from optimizr.convert.encode import encode, encoder, is_direct
from optimizr.convert.estimate import fit, look_bytes, peak_bytes
from optimizr.convert.libwebp import LibwebpError
from optimizr.convert.options import Options
from optimizr.convert.probe import Header, Probed, damaged, probe
from optimizr.convert.startup import start
from optimizr.convert.targets import Chosen, choose
from optimizr.convert.vips import VipsError, version
from optimizr.errors import PictureError, Reason, Stage

__all__ = [
    "Converted",
    "Crop",
    "Header",
    "Options",
    "Probed",
    "convert",
    "crop",
    "encoder",
    "fit",
    "look_bytes",
    "may_have_idle_alpha",
    "peak_bytes",
    "probe",
    "start",
    "timeout",
    "version",
    "without_alpha",
]


@dataclass(frozen=True, slots=True)
class Converted:
    """A picture's WebP, and how it was made."""

    data: bytes
    mode: str
    """`lossy`, `lossless` or `near_lossless`."""
    low_memory: bool = False
    """Whether libwebp was asked to do with less memory, which takes more time."""
    quality: float | None = None
    """That it was encoded with, 0 to 100; None for lossless."""
    effort: int = 0
    psnr_db: float | None = None
    """As libwebp measures it, see `convert.libwebp.Encoded`; None without."""
    look: float | None = None
    """Of SSIMULACRA2, with `target_look`; see `convert.look`."""
    encodes: int = 1
    """How often the whole picture was encoded until it was as asked for."""
    why: str | None = None
    """Why this mode was chosen, for people; None if there was no choice."""


def convert(
    picture: Probed, options: Options, cancelled: threading.Event | None = None
) -> Converted:
    """Decode a picture and encode it as WebP, streaming from one to the other where it can be.

    Raises PictureError: `truncated`, `corrupt`, `encoder_failed`, `cannot_reach_target` or
    `timeout`; and Cancelled soon after `cancelled` is set by another thread.
    """
    with _in_time(picture, options, cancelled) as deadline:
        return _made(picture, options, deadline)


def without_alpha(
    picture: Probed, options: Options, cancelled: threading.Event | None = None
) -> Probed:
    """Give a picture without its alpha if a look at each pixel shows that it is opaque.

    Only for one that `may_have_idle_alpha`; takes `look_bytes`. Raises as `convert` does.
    """
    with _in_time(picture, options, cancelled) as deadline:
        return without_idle_alpha(picture, deadline)


def crop(
    picture: Probed,
    options: Options,
    width: int,
    height: int,
    cancelled: threading.Event | None = None,
) -> Crop:
    """Cut a part out of the middle of a picture as its WebP shall show it, for people to look at.

    Takes no more memory than `convert` does. Raises as `convert` does.
    """
    with _in_time(picture, options, cancelled) as deadline:
        return crops.crop(picture, options, width, height, deadline)


@contextmanager
def _in_time(
    picture: Probed, options: Options, cancelled: threading.Event | None
) -> Iterator[Deadline]:
    """Bound the time of a `with`, and tell what went wrong in it as one of our errors."""
    with Deadline(options.timeout_seconds, cancelled) as deadline:
        try:
            yield deadline
            deadline.check()
        except Expired:
            raise timeout(options) from None
        except (VipsError, LibwebpError) as error:
            raise _failed(picture, options, deadline, error) from None


def _failed(
    picture: Probed, options: Options, deadline: Deadline, error: Exception
) -> PictureError:
    """Tell why it did not go well: because it was stopped, or because of the picture."""
    try:
        deadline.check()
    except Expired:
        return timeout(options)
    header = picture.header
    what = f"a {header.format} of {header.size} pixels"
    if isinstance(error, LibwebpError):
        return PictureError(
            Stage.CONVERT,
            Reason.ENCODER_FAILED,
            f"expected to encode {what}, but libwebp gave up: {error}; try a lower webp.quality",
        )
    return damaged(picture.data, header.format, what, Stage.CONVERT)


def timeout(options: Options) -> PictureError:
    """Make the error of a picture that takes too long."""
    return PictureError(
        Stage.CONVERT,
        Reason.TIMEOUT,
        f"expected to convert it within {options.timeout_seconds:g} s, got no result; "
        "raise limits.timeout, or lower webp.effort",
    )


def _made(picture: Probed, options: Options, deadline: Deadline) -> Converted:
    if is_searched(picture.header, options):
        return _chosen(choose(picture, options, deadline), options)

    def decoded() -> Any:
        return decode(picture, options, deadline)

    is_auto = options.mode == "auto"
    mode = "lossy" if is_auto else options.mode
    direct = is_direct(picture.header, options)
    made = encode(decoded, options, mode, deadline, direct=direct)
    return Converted(
        *(made.data, mode, options.low_memory),
        *(_told_quality(mode, options.quality), options.effort, made.psnr_db),
        why=ONLY_DRAWINGS if is_auto else None,
    )


def _chosen(chosen: Chosen, options: Options) -> Converted:
    of = chosen.candidate
    quality = _told_quality(of.mode, of.quality)
    return Converted(
        *(of.data, of.mode, options.low_memory, quality, of.effort, of.psnr_db, of.look),
        *(chosen.encodes, chosen.why),
    )


def _told_quality(mode: str, quality: float) -> float | None:
    return None if mode == "lossless" else quality
