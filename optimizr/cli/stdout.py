"""Printing what a command was asked for, and what else is to say."""

from __future__ import annotations

import sys
from contextlib import suppress

from optimizr.errors import EnvironmentStop


def write(text: str) -> None:
    """Print to stdout at once. Raises EnvironmentStop if it is full, BrokenPipeError if gone."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise EnvironmentStop(
            "stdout_lost", f"expected to write to stdout, got: {error.strerror}"
        ) from None


def complain(text: str) -> None:
    """Print a sentence to stderr, with the program's name."""
    say(f"optimizr: {text}")


def say(sentence: str) -> None:
    """Print a sentence to stderr; that nobody hears it is no error."""
    with suppress(OSError):
        sys.stderr.write(f"{sentence}\n")
        sys.stderr.flush()
