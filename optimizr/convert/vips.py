"""libvips, loaded and set up once for the whole process.

One thread a picture: the pool runs many pictures at once, which uses the CPUs better than many
threads on one. No operation cache: no two pictures are the same, and it would keep memory that
the budget does not know of. Only the loaders of formats that are enabled are open, so that bytes
from strangers reach no other decoder.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from optimizr.convert.formats import FORMATS
from optimizr.errors import EnvironmentStop

_missing: Exception | None = None
try:
    import pyvips
except (ImportError, OSError) as error:  # no wheel for this platform, or a broken shared library
    _missing = error
else:
    from optimizr.convert import native

    VipsError: type[Exception] = pyvips.Error


def set_up() -> None:
    """Set libvips up for the process, with all loaders shut.

    Raises EnvironmentStop if libvips cannot be loaded.
    """
    if _missing is not None:
        raise EnvironmentStop(
            "libvips_missing",
            f"expected libvips to load, got: {_missing}; try `pip install 'pyvips[binary]'`",
        )
    pyvips.concurrency_set(1)
    pyvips.cache_set_max(0)
    pyvips.operation_block_set("VipsForeignLoad", True)
    native.limit_lines()


def open_loaders(formats: Iterable[str]) -> None:
    """Let these formats be read."""
    for name in formats:
        pyvips.operation_block_set(FORMATS[name].loader, False)


def made_up() -> Any:
    """Draw a picture of 2x2 pixels with alpha."""
    return pyvips.Image.black(2, 2, bands=4).copy(interpretation="srgb")


def version() -> str:
    """Give the version of libvips as `8.18.0`."""
    return ".".join(str(pyvips.version(part)) for part in range(3))


def load(data: bytes, format_: str, **options: Any) -> Any:
    """Open a picture for streaming from top to bottom; only its header is read yet.

    A damaged picture fails when it is decoded; one that only makes its decoder warn does not.
    Raises VipsError.
    """
    if not options and (image := native.open_stream(data, format_)) is not None:
        return image
    loader = FORMATS[format_]
    if loader.animates:
        options["n"] = -1
    read = getattr(pyvips.Image, loader.operation)
    return read(data, access="sequential", fail_on="error", **options)


def from_pixels(pixels: bytes, width: int, height: int) -> Any:
    """Give a picture of sRGB pixels, three bytes each, row by row."""
    return pyvips.Image.new_from_memory(pixels, width, height, 3, "uchar").copy(
        interpretation="srgb"
    )


def region(image: Any) -> Any:
    """Give a window on a picture, to fetch rows through: from top to bottom, each once."""
    return pyvips.Region.new(image)


def shape(image: Any) -> native.Shape:
    """Give its size, and what its numbers are."""
    return native.shape(image)


def blob(image: Any, name: str) -> bytes | None:
    """Give a piece of metadata such as `icc-profile-data`; None if the picture has none."""
    if not image.get_typeof(name):
        return None
    value: bytes = image.get(name)
    return value


def with_blob(image: Any, name: str, value: bytes | None) -> Any:
    """Give the picture with a piece of metadata set, or removed for None."""
    image = image.copy()
    if value is not None:
        image.set_type(pyvips.GValue.blob_type, name, value)
    elif image.get_typeof(name):
        image.remove(name)
    return image
