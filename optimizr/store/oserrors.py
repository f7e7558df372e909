"""What an error of the operating system means for one file, as a sentence."""

from __future__ import annotations

import errno
import os

from optimizr.errors import PictureError, Reason, Stage


def unreadable(error: OSError, stage: Stage, path: bytes) -> PictureError:
    """Say why a file cannot be read."""
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        came = "a link that leads nowhere" if os.path.islink(path) else "none: it is gone since"
        return PictureError(
            stage, Reason.NOT_FOUND, f"expected the file that was listed, got {came}; bring it back"
        )
    return PictureError(
        stage,
        Reason.UNREADABLE,
        f"expected a file that can be read, got: {strerror(error)}; "
        "mend its permissions or its disk",
    )


def unwritable(error: OSError, path: str) -> PictureError:
    """Say why a file cannot be written where others can."""
    if error.errno == errno.ENAMETOOLONG:
        return PictureError(
            Stage.STORE,
            Reason.NAME_TOO_LONG,
            f"expected a name that the output's file system can hold, got {path!r}; "
            "shorten the picture's name",
        )
    return PictureError(
        Stage.STORE,
        Reason.OUTPUT_BLOCKED,
        f"expected to write {path!r}, got: {strerror(error)}; "
        "move away what stands there, or mend its permissions",
    )


def strerror(error: OSError) -> str:
    """Give the system's own words."""
    return error.strerror or type(error).__name__
