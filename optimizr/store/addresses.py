"""Which keys a bucket's object can be asked for by.

obstore takes a key for a path: it refuses empty segments, `.`, `..` and control characters, and
drops slashes at the ends without a word, so that the answer would be another object's.
"""

from __future__ import annotations

import re

from optimizr.errors import PictureError, Reason, Stage
from optimizr.keys import to_text

_MOST_BYTES = 1024
"""Of a key: the most that S3 and Google Cloud take; Azure takes 1024 characters."""
_CONTROL = re.compile("[\x00-\x1f\x7f]")


def path_of(key: bytes, stage: Stage) -> str:
    """Give a key as obstore takes it. Raises PictureError if it is none that can be asked for."""
    try:
        path = key.decode()
    except UnicodeDecodeError:
        raise _odd(key, stage, "bytes that are no UTF-8") from None
    if len(key) > _MOST_BYTES:
        raise PictureError(
            stage,
            Reason.NAME_TOO_LONG,
            f"expected a key of at most {_MOST_BYTES} bytes, got one of {len(key)}; shorten the "
            "picture's name",
        )
    if not {"", ".", ".."}.isdisjoint(path.split("/")):
        raise _odd(key, stage, "an empty segment, '.' or '..' between its slashes")
    if _CONTROL.search(path):
        raise _odd(key, stage, "a control character")
    return path


def _odd(key: bytes, stage: Stage, what: str) -> PictureError:
    return PictureError(
        stage,
        Reason.KEY_NOT_ADDRESSABLE,
        f"expected a key that can be asked for, got {to_text(key)!r} with {what}; give the picture "
        "another key",
    )
