"""Files that a flag names, written whole."""

from __future__ import annotations

from optimizr.errors import ConfigError


def write_file(flag: str, path: str, content: str | bytes) -> None:
    """Write a file that `flag` names. Raises ConfigError if it cannot be written."""
    data = content if isinstance(content, bytes) else content.encode("utf-8", "backslashreplace")
    try:
        with open(path, "wb") as file:
            file.write(data)
    except OSError as error:
        raise ConfigError(
            f"{flag}: expected a file that can be written to, got {path!r} ({error.strerror})"
        ) from None
