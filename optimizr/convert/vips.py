"""libvips, loaded and set up once for the whole process.

One thread a picture: the pool runs many pictures at once, which uses the CPUs better than many
threads on one. No operation cache: no two pictures are the same, and it would keep memory that
the budget does not know of. Only the loaders of JPEG and PNG are open, so that bytes from
strangers reach no other decoder.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from optimizr.errors import EnvironmentStop

LOADERS = {"jpeg": "jpegload_buffer", "png": "pngload_buffer"}
"""Which libvips operation reads which format."""

_missing: Exception | None = None
try:
    import pyvips
except (ImportError, OSError) as error:  # no wheel for this platform, or a broken shared library
    _missing = error
else:
    VipsError: type[Exception] = pyvips.Error


@cache
def start() -> None:
    """Set libvips up; further calls do nothing. Raises EnvironmentStop if it cannot be loaded."""
    if _missing is not None:
        raise EnvironmentStop(
            "libvips_missing",
            f"expected libvips to load, got: {_missing}; try `pip install 'pyvips[binary]'`",
        )
    pyvips.concurrency_set(1)
    pyvips.cache_set_max(0)
    pyvips.operation_block_set("VipsForeignLoad", True)
    for format_ in LOADERS:
        pyvips.operation_block_set(f"VipsForeignLoad{format_.capitalize()}", False)


def version() -> str:
    """Give the version of libvips as `8.18.0`."""
    return ".".join(str(pyvips.version(part)) for part in range(3))


def load(data: bytes, format_: str, **options: Any) -> Any:
    """Open a picture for streaming from top to bottom; only its header is read yet.

    Raises VipsError.
    """
    loader = getattr(pyvips.Image, LOADERS[format_])
    return loader(data, access="sequential", **options)
