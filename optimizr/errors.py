"""What can go wrong, as one tree, and the exit code that each branch ends in.

    OptimizrError
    ├── ConfigError       a person's mistake in a setting, flag or config file; nothing was started
    ├── PictureError      one picture cannot be done; the others go on
    ├── EnvironmentStop   the world cannot go on (disk full, output gone); the run stops
    └── Cancelled         the run has ended without this picture; it is left undone, not failed

Foreign exceptions are translated where they enter: those of the operating system in `store`,
those of SQLite in `ledger`, those of libvips in `convert`, those of pydantic in `config`. A
`PictureError` never carries libvips' own text: libvips keeps one error buffer for the whole
process, so under threads that text may speak of another picture.
"""

from __future__ import annotations

import errno
from enum import IntEnum, StrEnum


class ExitCode(IntEnum):
    """What the process tells the shell, a Kubernetes Job or a script. A contract."""

    DONE = 0
    """Everything done, or no more failed than `policy.max_failed` allows."""
    FAILURES = 1
    """Finished; more pictures failed than `policy.max_failed` allows."""
    USAGE = 2
    """A mistake in a flag, a setting or a config file, or another run is at work on the output.
    Nothing was started."""
    ENVIRONMENT = 3
    """Stopped by the environment: disk full, output gone, ledger unusable. Mend it, run again.
    A mistake in optimizr ends so too; please report it."""
    INTERRUPTED = 130
    """Stopped by SIGINT. Run again to finish."""
    TERMINATED = 143
    """Stopped by SIGTERM. Run again to finish."""


class Stage(StrEnum):
    """Where in its way a picture failed."""

    LIST = "list"
    FETCH = "fetch"
    PROBE = "probe"
    RESERVE = "reserve"
    CONVERT = "convert"
    STORE = "store"


class Reason(StrEnum):
    """Why a picture failed: stable codes, for scripts and dashboards."""

    BAD_LINE = "bad_line"
    """A line of the list that was given as `input` cannot be used."""
    BAD_MESSAGE = "bad_message"
    """A message of the queue is of no form that is known, or about a picture elsewhere."""
    CANNOT_REACH_TARGET = "cannot_reach_target"
    """No WebP of it is within `webp.target_size`, or looks as well as `webp.target_look` asks."""
    CHANGED = "changed"
    """The source changed between listing and reading."""
    CORRUPT = "corrupt"
    """The header is that of a picture; what follows cannot be decoded."""
    CRASHED = "crashed"
    """Two runs ended while it was being converted, and so did a process of its own."""
    EMPTY_FILE = "empty_file"
    """Zero bytes."""
    ENCODER_FAILED = "encoder_failed"
    """Decoded well, but libwebp could not encode it: out of memory, or more than WebP can hold."""
    FOLDER_UNREADABLE = "folder_unreadable"
    """A folder cannot be listed, so its pictures are unknown. Never within `policy.max_failed`."""
    FORMAT_NOT_ENABLED = "format_not_enabled"
    """A picture of a format that `picture.formats` does not name, or that libvips cannot read."""
    INTERNAL_ERROR = "internal_error"
    """A mistake in optimizr. The event carries the traceback; please report it."""
    KEY_NOT_ADDRESSABLE = "key_not_addressable"
    """A bucket has a key that cannot be asked for: with `//`, `/./`, or a control character."""
    NAME_TOO_LONG = "name_too_long"
    """The output's name is longer than the file system or the bucket allows."""
    NOT_A_PICTURE = "not_a_picture"
    """The content is of no picture format, whatever the name says."""
    NOT_FOUND = "not_found"
    """Listed, then gone; or a link that leads nowhere."""
    OUTPUT_BLOCKED = "output_blocked"
    """Something in the output stands where a file or folder of ours must be."""
    OUTPUT_NOT_OURS = "output_not_ours"
    """A file stands at the output's name that optimizr did not make; see `policy.overwrite`."""
    TIMEOUT = "timeout"
    """Took longer to convert than `limits.timeout`."""
    TOO_LARGE_FILE = "too_large_file"
    """More bytes than `limits.max_file_size`; not read."""
    TOO_LARGE_FOR_MEMORY = "too_large_for_memory"
    """Would need more memory than the whole budget; see `pool.memory`."""
    TOO_LARGE_FOR_WEBP = "too_large_for_webp"
    """A side is longer than the 16383 pixels that WebP can hold."""
    TOO_MANY_PIXELS = "too_many_pixels"
    """More pixels than `limits.max_pixels`, by its header; not decoded."""
    TRUNCATED = "truncated"
    """The file ends before its picture does."""
    UNREADABLE = "unreadable"
    """The file cannot be read: permissions, or an I/O error."""


PASSING = frozenset({Reason.CHANGED, Reason.OUTPUT_BLOCKED, Reason.UNREADABLE})
"""What may be over in a moment, so that a queue is given its message back."""


class OptimizrError(Exception):
    """Any error that optimizr raises on purpose; its text is written for the user."""


class ConfigError(OptimizrError):
    """A setting is wrong: names the setting, what was expected, and what came."""


class PictureError(OptimizrError):
    """One picture cannot be done.

    Its text is one sentence: what was expected, what came, and what to do where that is known.
    """

    def __init__(self, stage: Stage, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.stage = stage
        self.reason = reason
        self.message = message

    def __reduce__(self) -> tuple[type[PictureError], tuple[Stage, Reason, str]]:
        """Be pickled whole: one may come from another process."""
        return type(self), (self.stage, self.reason, self.message)


class EnvironmentStop(OptimizrError):  # noqa: N818 - it stops the run, which is the point
    """The run cannot go on, whichever picture it is at. `cause` is a stable code."""

    def __init__(self, cause: str, message: str) -> None:
        super().__init__(message)
        self.cause = cause


WORLD_ERRORS = {
    errno.ENOSPC: ("disk_full", "the disk is full; make room and run the same command again"),
    errno.EDQUOT: ("disk_full", "the disk quota is used up; make room and run it again"),
    errno.EROFS: ("output_read_only", "the file system is read-only; mend it and run it again"),
    errno.EIO: ("output_io_error", "the device reports I/O errors; mend it and run it again"),
    errno.EMFILE: ("too_many_open_files", "too many files are open; raise `ulimit -n`"),
    errno.ENFILE: ("too_many_open_files", "the system has too many files open"),
}
"""What the operating system says that concerns every file: the cause, and what to do."""


def stopped_by(error: OSError, cause: str, expected: str) -> EnvironmentStop:
    """Make the stop of what a write for the run as a whole came to; `cause` unless it is known."""
    advice = f"{error.strerror or type(error).__name__}; mend it and run the same command again"
    cause, advice = WORLD_ERRORS.get(error.errno or 0, (cause, advice))
    return EnvironmentStop(cause, f"expected {expected}, got: {advice}")


class Cancelled(OptimizrError):  # noqa: N818 - no mistake was made
    """The picture was being worked on when the run's patience ended."""


def mistake(error: BaseException) -> str:
    """Tell of an error that is nobody's on purpose: what it is, and to report it."""
    return f"optimizr made a mistake ({type(error).__name__}: {error}); please report it"
