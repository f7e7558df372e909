"""libwebp, called directly where a fit one is at hand.

The one inside the wheels of libvips is built for size (`-Os`), which costs a fifth of the time of
an encode; those of Pillow's wheel and of Debian are built for speed (`-O2`). And whoever calls it
directly can hand it the picture strip by strip, in the planes that it works on.

What follows is libwebp's own interface as `webp/encode.h` of 1.6 gives it. libwebp checks its
version itself (`WebPConfigInitInternal`); a library that says no, or gives anything unexpected,
is not used.
"""

from __future__ import annotations

import ctypes
import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import POINTER, byref, c_char_p, c_float, c_int, c_size_t, c_uint8, c_uint32, c_void_p
from pathlib import Path
from typing import ClassVar, NamedTuple

LEAST = (1, 6, 0)
"""The version inside the wheels of libvips 8.17 and 8.18: an older one is no gain, and what it
makes of lossless pictures and of transparency is not the same to the byte."""

_ABI = 0x0210
"""WEBP_ENCODER_ABI_VERSION of 1.6; libwebp refuses another high byte."""
_SYSTEM = "libwebp.so.7"
_WITH_ALPHA = 4
"""WEBP_YUV420A."""
_ALL_PLANES = 3
"""In WebPAuxStats, of luma and chroma together."""
_OPAQUE = 0xFF
_USER_ABORT = 10
"""VP8_ENC_ERROR_USER_ABORT."""
_ERRORS = {
    1: "out of memory",
    2: "out of memory for the output",
    5: "bad dimensions",
    6: "its first partition would be larger than 512 KiB",
    7: "a partition would be larger than 16 MiB",
    8: "out of memory for the output",
    9: "its output would be larger than 4 GiB",
}
"""What a person can make use of in WebPEncodingError."""

Hook = ctypes.CFUNCTYPE(c_int, c_int, c_void_p)
"""WebPProgressHook: libwebp goes on while it gives anything but 0."""
_abort = Hook(lambda _percent, _picture: 0)


class LibwebpError(Exception):
    """libwebp gave up."""

    def __init__(self, code: int) -> None:
        super().__init__(_ERRORS.get(code, f"error {code}"))
        self.aborted = code == _USER_ABORT


class Config(ctypes.Structure):
    """WebPConfig."""

    _fields_: ClassVar = [
        ("lossless", c_int),
        ("quality", c_float),
        *((name, c_int) for name in ("method", "image_hint", "target_size")),
        ("target_psnr", c_float),
        *(
            (name, c_int)
            for name in (
                *("segments", "sns_strength", "filter_strength", "filter_sharpness"),
                *("filter_type", "autofilter", "alpha_compression", "alpha_filtering"),
                *("alpha_quality", "pass_", "show_compressed", "preprocessing", "partitions"),
                *("partition_limit", "emulate_jpeg_size", "thread_level", "low_memory"),
                *("near_lossless", "exact", "use_delta_palette", "use_sharp_yuv"),
                *("qmin", "qmax"),
            )
        ),
        ("spare", c_uint32 * 16),  # should a later version have more
    ]


class Picture(ctypes.Structure):
    """WebPPicture. Its planes are libwebp's; `Libwebp.picture` frees them."""

    _fields_: ClassVar = [
        ("use_argb", c_int),
        ("colorspace", c_int),
        ("width", c_int),
        ("height", c_int),
        ("y", c_void_p),
        ("u", c_void_p),
        ("v", c_void_p),
        ("y_stride", c_int),
        ("uv_stride", c_int),
        ("a", c_void_p),
        ("a_stride", c_int),
        ("pad1", c_uint32 * 2),
        ("argb", c_void_p),
        ("argb_stride", c_int),
        ("pad2", c_uint32 * 3),
        ("writer", c_void_p),
        ("custom_ptr", c_void_p),
        ("extra_info_type", c_int),
        ("extra_info", c_void_p),
        ("stats", c_void_p),
        ("error_code", c_int),
        ("progress_hook", Hook),
        ("user_data", c_void_p),
        ("pad3", c_uint32 * 3),
        ("pad4", c_void_p * 2),
        ("pad6", c_uint32 * 8),
        ("memory", c_void_p * 2),
        ("pad7", c_void_p * 2),
        ("spare", c_uint32 * 16),  # should a later version have more
    ]

    def put(self, strip: Picture, top: int) -> None:
        """Copy a strip of the same width to its place; `top`, in rows, is even."""
        if self.use_argb:
            ctypes.memmove(self.argb + 4 * top * self.width, strip.argb, 4 * _luma(strip))
            return
        ctypes.memmove(self.y + top * self.y_stride, strip.y, _luma(strip))
        chroma = strip.uv_stride * ((strip.height + 1) // 2)
        ctypes.memmove(self.u + top // 2 * self.uv_stride, strip.u, chroma)
        ctypes.memmove(self.v + top // 2 * self.uv_stride, strip.v, chroma)
        if self.a and strip.a:
            ctypes.memmove(self.a + top * self.a_stride, strip.a, _luma(strip))
        elif self.a:  # libwebp makes no plane for what is opaque
            ctypes.memset(self.a + top * self.a_stride, _OPAQUE, _luma(strip))

    def abort(self) -> None:
        """Make an encode in another thread give up soon."""
        self.progress_hook = _abort


def _luma(picture: Picture) -> int:
    return int(picture.width * picture.height)


class Encoded(NamedTuple):
    """A WebP, and what libwebp says of it."""

    data: bytes
    psnr_db: float | None = None
    """Peak signal-to-noise ratio of all planes, before libwebp's own deblocking; None if it was not
    measured, or nothing was lost."""


class _Statistics(ctypes.Structure):
    """WebPAuxStats."""

    _fields_: ClassVar = [
        ("coded_size", c_int),
        ("psnr", c_float * 5),  # Y, U, V, all, alpha
        ("spare", c_uint32 * 64),  # what is of no use here, and should a later version have more
    ]


class _MemoryWriter(ctypes.Structure):
    """WebPMemoryWriter."""

    _fields_: ClassVar = [
        ("mem", POINTER(c_uint8)),
        ("size", c_size_t),
        ("max_size", c_size_t),
        ("pad", c_uint32 * 1),
    ]


class Libwebp:
    """A libwebp that is loaded."""

    def __init__(self, path: str) -> None:
        """Load it. Raises OSError if it cannot be loaded, AttributeError if it is no libwebp."""
        self.path = path
        self._library = library = ctypes.CDLL(path)
        self._quick = quick = ctypes.PyDLL(path)  # keeps Python's lock: to let go takes longer
        quick.WebPConfigInitInternal.argtypes = [POINTER(Config), c_int, c_float, c_int]
        quick.WebPPictureInitInternal.argtypes = [POINTER(Picture), c_int]
        self._importing = {3: library.WebPPictureImportRGB, 4: library.WebPPictureImportRGBA}
        for importing in self._importing.values():
            importing.argtypes = [POINTER(Picture), c_void_p, c_int]
        for decoding in (library.WebPDecodeRGBInto, library.WebPDecodeRGBAInto):
            decoding.argtypes = [c_char_p, c_size_t, c_void_p, c_size_t, c_int]
            decoding.restype = c_void_p
        library.WebPPictureFree.restype = quick.WebPMemoryWriterClear.restype = None
        self._writer = ctypes.cast(library.WebPMemoryWrite, c_void_p).value
        packed = library.WebPGetEncoderVersion()
        self.version = (packed >> 16, packed >> 8 & 0xFF, packed & 0xFF)

    def config(self, preset: int, quality: float) -> Config:
        """Make a WebPConfig. Raises LibwebpError if the library is of another ABI."""
        config = Config()
        if not self._quick.WebPConfigInitInternal(byref(config), preset, quality, _ABI):
            raise LibwebpError(0)
        return config

    @contextmanager
    def picture(self, *, argb: bool = False) -> Iterator[Picture]:
        """Make a WebPPicture without size or planes; these are freed at the end of the `with`."""
        picture = Picture()
        if not self._quick.WebPPictureInitInternal(byref(picture), _ABI):
            raise LibwebpError(0)
        picture.use_argb = argb
        try:
            yield picture
        finally:
            self._library.WebPPictureFree(byref(picture))

    def allocate(self, picture: Picture, width: int, height: int, bands: int) -> None:
        """Give a picture its planes: for 3 or 4 bands. Raises LibwebpError."""
        picture.width, picture.height = width, height
        picture.colorspace = _WITH_ALPHA if bands == 4 else 0
        self._check(self._library.WebPPictureAlloc(byref(picture)), picture)

    def fill(
        self, picture: Picture, width: int, height: int, bands: int, pixels: bytearray
    ) -> None:
        """Give a picture its planes, from rows of RGB or RGBA. Raises LibwebpError."""
        if len(pixels) != width * height * bands:
            raise ValueError(f"expected {width}x{height}x{bands} bytes, got {len(pixels)}")
        picture.width, picture.height = width, height
        rows = (c_uint8 * len(pixels)).from_buffer(pixels)
        self._check(self._importing[bands](byref(picture), rows, width * bands), picture)

    def encode(self, picture: Picture, config: Config) -> Encoded:
        """Give the WebP. Raises LibwebpError."""
        writer, statistics = _MemoryWriter(), _Statistics()
        self._quick.WebPMemoryWriterInit(byref(writer))
        picture.writer = self._writer
        picture.custom_ptr = ctypes.addressof(writer)
        picture.stats = ctypes.addressof(statistics)
        try:
            self._check(self._library.WebPEncode(byref(config), byref(picture)), picture)
            psnr = None if config.lossless else statistics.psnr[_ALL_PLANES]
            return Encoded(ctypes.string_at(writer.mem, writer.size), psnr)
        finally:
            picture.stats = None
            self._quick.WebPMemoryWriterClear(byref(writer))

    def decode(
        self, data: bytes, pixels: int, pixels_bytes: int, row_bytes: int, *, alpha: bool
    ) -> None:
        """Decode a still into rows of RGB, or RGBA, at an address. Raises LibwebpError."""
        decode = self._library.WebPDecodeRGBAInto if alpha else self._library.WebPDecodeRGBInto
        if not decode(data, len(data), pixels, pixels_bytes, row_bytes):
            raise LibwebpError(0)

    @staticmethod
    def _check(done: int, picture: Picture) -> None:
        if not done:
            raise LibwebpError(picture.error_code)


def works(library: Libwebp) -> bool:
    """Try a library on a picture of 2x2 pixels. Raises LibwebpError."""
    with library.picture() as picture:
        library.fill(picture, 2, 2, 4, bytearray(16))
        made = library.encode(picture, library.config(0, 75)).data
    return made[:4] == b"RIFF" and made[8:12] == b"WEBP"


def candidates() -> Iterator[str]:
    """Name where a libwebp may be: in Pillow's wheel, which need not be imported, the system's."""
    pillow = importlib.util.find_spec("PIL")
    for place in (pillow and pillow.submodule_search_locations) or ():
        for path in sorted(Path(place).parent.glob("pillow.libs/libwebp-*.so*")):
            yield str(path)
    yield _SYSTEM


def newest(paths: Iterator[str]) -> tuple[Libwebp | None, str]:
    """Give the newest that is fit, and why this one or none, as a clause for people."""
    best: Libwebp | None = None
    why = "none was found: install optimizr[fast]"
    for path in paths:
        try:
            library = Libwebp(path)
            if not works(library):
                continue
        except (OSError, AttributeError, LibwebpError):
            continue  # not there, or not what its name says
        if library.version < LEAST:
            if best is None:
                why = f"{path} is of {dotted(library.version)}, older than that of libvips' wheel"
        elif best is None or library.version > best.version:
            best, why = library, f"the newest that was found, {path}"
    return best, why


def dotted(version: tuple[int, ...]) -> str:
    """Give a version as text."""
    return ".".join(map(str, version))
