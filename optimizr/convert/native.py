"""A few of libvips' functions, called without pyvips or its introspection.

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
_TILE_ROWS = b"16"
"""For `limit_lines`."""


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
        self.library = long = ctypes.CDLL(path)
        self.loaders = {"jpeg": long.vips_jpegload_buffer, "png": long.vips_pngload_buffer}
        for loader in self.loaders.values():
            loader.argtypes = [ctypes.c_char_p, c_size_t, ctypes.POINTER(c_void_p)]  # then options
        quick = ctypes.PyDLL(path)  # keeps Python's lock: to let go of it takes longer
        names = ("width", "height", "bands", "format", "interpretation")
        self.getters = [getattr(quick, f"vips_image_get_{name}") for name in names]


_functions = None if _path is None else _Functions(_path)


def limit_lines() -> None:
    """Have libvips keep fewer of the rows that it has streamed. Once, at the start.

    How many it keeps follows from the height of its tiles, by default 128 rows: of a JPEG of 60
    megapixels 62 MB where now it is 9, of a small one all its rows. For tiles there is only
    libvips' option for command lines (`vips_add_option_entries`), so that is what is given here.
    """
    if _functions is None:
        return
    library = _functions.library
    for name in ("g_option_context_new", "g_option_group_new"):
        getattr(library, name).restype = c_void_p
    group = c_void_p(library.g_option_group_new(b"vips", b"", b"", None, None))
    context = c_void_p(library.g_option_context_new(None))
    library.vips_add_option_entries(group)
    library.g_option_context_set_main_group(context, group)
    words = (ctypes.c_char_p * 3)(b"optimizr", b"--vips-tile-height=" + _TILE_ROWS, None)
    library.g_option_context_parse(
        context, byref(c_int(2)), byref(ctypes.cast(words, c_void_p)), None
    )
    library.g_option_context_free(context)  # and the group with it


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
