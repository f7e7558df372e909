"""What fails in passing is tried again: I/O errors of disks and network file systems."""

from __future__ import annotations

import errno
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from tenacity import retry, retry_if_exception, stop_after_attempt, wait_random_exponential

P = ParamSpec("P")
R = TypeVar("R")

TRANSIENT = frozenset(
    {
        errno.EIO,
        errno.EAGAIN,
        errno.ETIMEDOUT,
        errno.ESTALE,
        errno.ECONNRESET,
        errno.EHOSTDOWN,
        errno.EHOSTUNREACH,
        errno.ENETDOWN,
        errno.ENETUNREACH,
        errno.ENOBUFS,
    }
)
"""Errors that may be over in a moment. A missing file or a full disk is not among them."""

TRIES = 5


def retried(function: Callable[P, R]) -> Callable[P, R]:
    """Try a function that may raise OSError up to 5 times while the error is a transient one.

    The second try comes at once, the others after a random time of at most 0.2, 0.4 and 0.8 s.
    """
    again = retry(
        retry=retry_if_exception(_is_transient),
        stop=stop_after_attempt(TRIES - 1),
        wait=wait_random_exponential(multiplier=0.2, max=2),
        reraise=True,
    )(function)

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        # tenacity takes 20 microseconds a call; a stat takes two, and there are millions.
        try:
            return function(*args, **kwargs)
        except OSError as error:
            if not _is_transient(error):
                raise
        return again(*args, **kwargs)

    return call


def _is_transient(error: BaseException) -> bool:
    return isinstance(error, OSError) and error.errno in TRANSIENT
