"""A few of libvips' functions, called without the introspection of pyvips.

pyvips finds out at each call what an operation takes and gives: some hundred calls from Python to C
to open a picture and read its header, which for small pictures is a twentieth of their whole time.
What follows calls the same functions of the same library that pyvips has loaded. It is there with
pyvips' binary module (`_libvips`); without it pyvips does all.
"""

from __future__ import annotations

import ctypes
from ctypes import byref, c_int, c_size_t, c_void_p
from typing import Any, NamedTuple

import pyvips

try:
    import _libvips
except ImportError:  # pyvips in ABI mode
    _path = None
else:
    _path = _libvips.__file__

_FORMATS = ("uchar", "char", "ushort", "short", "uint", "int", "float")
"""The first of VipsBandFormat, from 0."""
_INTERPRETATIONS = {1: "b-w", 15: "cmyk", 22: "srgb", 25: "rgb16", 26: "grey16"}
"""Of VipsInterpretation, those that matter here."""
_SEQUENTIAL = 1
"""Of VipsAccess."""
_FAIL_ON_ERROR = 2
"""Of VipsFailOn."""


class Shape(NamedTuple):
    """What libvips says of a picture, by its own names."""

    width: int
    height: int
    """Of all frames."""
    bands: int
    format: str
    interpretation: str


class _Functions:
    """libvips' functions, looked up once."""

    def __init__(self, path: str) -> None:
        long = ctypes.CDLL(path)
        self.loaders = {"jpeg": long.vips_jpegload_buffer, "png": long.vips_pngload_buffer}
        for loader in self.loaders.values():
            loader.argtypes = [ctypes.c_char_p, c_size_t, ctypes.POINTER(c_void_p)]  # then options
        quick = ctypes.PyDLL(path)  # keeps Python's lock: to let go of it takes longer
        names = ("width", "height", "bands", "format", "interpretation")
        self.getters = [getattr(quick, f"vips_image_get_{name}") for name in names]


_functions = None if _path is None else _Functions(_path)


def open_stream(data: bytes, format_: str) -> Any | None:
    """Open a picture to be read from top to bottom; None if that must be done by pyvips.

    Fails on what cannot be decoded, not on warnings. Raises pyvips.Error.
    """
    loader = None if _functions is None else _functions.loaders.get(format_)
    if loader is None:
        return None
    image = c_void_p()
    options = (b"access", c_int(_SEQUENTIAL), b"fail_on", c_int(_FAIL_ON_ERROR), None)
    if loader(data, c_size_t(len(data)), byref(image), *options):
        raise pyvips.Error(f"cannot open a {format_}")
    made = pyvips.Image(pyvips.ffi.cast("VipsImage *", image.value))
    made._references.append(data)  # noqa: SLF001 - as pyvips does: libvips does not copy it
    return made


def shape(image: Any) -> Shape:
    """Give what is asked most often."""
    if _functions is None:
        return Shape(image.width, image.height, image.bands, image.format, image.interpretation)
    pointer = c_void_p(int(pyvips.ffi.cast("uintptr_t", image.pointer)))
    width, height, bands, format_, interpretation = (get(pointer) for get in _functions.getters)
    return Shape(
        width,
        height,
        bands,
        _FORMATS[format_] if 0 <= format_ < len(_FORMATS) else image.format,
        _INTERPRETATIONS.get(interpretation) or image.interpretation,
    )
