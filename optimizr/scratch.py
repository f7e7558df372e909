"""Where temporary files go; in a container that is read-only there may be no such place."""

from __future__ import annotations

import tempfile

from optimizr.errors import EnvironmentStop


def scratch() -> str:
    """Name the folder of temporary files. Raises EnvironmentStop if there is none to write to."""
    try:
        return tempfile.gettempdir()
    except FileNotFoundError:
        raise EnvironmentStop(
            "no_scratch",
            "expected a folder for temporary files, got none that can be written to; set TMPDIR to "
            "one, or mount one at /tmp (`docker run --tmpfs /tmp`)",
        ) from None
