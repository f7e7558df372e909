"""Pictures of the kinds that are out in the wild, each named by what is odd in it."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from functools import partial
from typing import Any

import pyvips
from PIL import Image

from optimizr.convert import icc
from tests.make_pictures import drawing, photo, with_alpha

WIDTH, HEIGHT = 181, 127

ADOBE_RGB = icc.profile(
    icc.Primaries(icc.D65, (0.64, 0.33), (0.21, 0.71), (0.15, 0.06)), icc.gamma_curve(563 / 256)
)
SWAPPED = icc.profile(
    icc.Primaries(icc.D65, (0.15, 0.06), (0.64, 0.33), (0.30, 0.60)),
    icc.parametric_curve(*icc.SRGB_CURVE),
)
"""Red is blue, green is red, blue is green: whoever passes the profile over is seen at once."""


def builtin_profile(name: str) -> bytes:
    """Give one of libvips' own profiles: `cmyk`, `p3`, `srgb`."""
    return bytes(pyvips.Operation.call("profile_load", name))


def tagged(image: Any, profile: bytes) -> Any:
    """Say that the numbers of a picture are those of a profile."""
    image = image.copy()
    image.set_type(pyvips.GValue.blob_type, "icc-profile-data", profile)
    return image


def turned(orientation: int, kind: str = "jpegsave_buffer") -> bytes:
    """Draw a picture that says it is to be turned."""
    image = photo(WIDTH, HEIGHT, 8, noise=0).copy()
    image.set_type(pyvips.GValue.gint_type, "orientation", orientation)
    data: bytes = getattr(image, kind)()
    return data


def cmyk(profile: bytes | None) -> bytes:
    """Draw a CMYK JPEG as libvips writes them: YCCK with an Adobe marker."""
    image = photo(WIDTH, HEIGHT, 2, noise=0).icc_transform("cmyk", input_profile="srgb")
    image = image.copy()
    image.remove("icc-profile-data")
    data: bytes = (image if profile is None else tagged(image, profile)).jpegsave_buffer(Q=95)
    return data


def adobe_cmyk() -> bytes:
    """Draw a CMYK JPEG that is not YCCK: inverted numbers with an Adobe marker, by Pillow."""
    rgb = Image.open(io.BytesIO(photo(WIDTH, HEIGHT, 2, noise=0).pngsave_buffer()))
    out = io.BytesIO()
    rgb.convert("CMYK").save(out, "JPEG", quality=95)
    return out.getvalue()


def png_with(data: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    """Put chunks behind the header of a PNG."""
    made = b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )
    return data[:33] + made + data[33:]


def gamma(encoding: float, *more: tuple[bytes, bytes]) -> bytes:
    """Draw a PNG that states its gamma."""
    plain = photo(WIDTH, HEIGHT, 3, noise=0).pngsave_buffer(keep="none")
    return png_with(plain, (b"gAMA", struct.pack(">I", round(encoding * 100_000))), *more)


def code_points(*numbers: int) -> bytes:
    """Draw a PNG that states its colours as cICP."""
    plain = photo(WIDTH, HEIGHT, 3, noise=0).pngsave_buffer(keep="none")
    return png_with(plain, (b"cICP", bytes(numbers)))


def animated_png() -> bytes:
    """Draw an APNG of three frames, by Pillow; its default image is the first."""
    frames = [
        Image.open(io.BytesIO(drawing(WIDTH, HEIGHT, seed).pngsave_buffer())) for seed in range(3)
    ]
    out = io.BytesIO()
    frames[0].save(out, "PNG", save_all=True, append_images=frames[1:], duration=100)
    return out.getvalue()


def two_pictures() -> bytes:
    """Draw an MPO: a JPEG with a second picture behind it."""
    frames = [
        Image.open(io.BytesIO(photo(WIDTH, HEIGHT, seed, noise=0).pngsave_buffer()))
        for seed in range(2)
    ]
    out = io.BytesIO()
    frames[0].save(out, "MPO", save_all=True, append_images=frames[1:], quality=95)
    return out.getvalue()


def palette(transparency: bool, bits: int = 8) -> bytes:
    """Draw a palette PNG, by Pillow; with tRNS, half of its colours are half transparent."""
    image = Image.open(io.BytesIO(drawing(WIDTH, HEIGHT, 5).pngsave_buffer()))
    few = image.quantize(2**bits if bits < 8 else 32)
    out = io.BytesIO()
    extra: dict[str, Any] = {"transparency": bytes([128, 255] * 8)} if transparency else {}
    few.save(out, "PNG", bits=bits, **extra)
    return out.getvalue()


def deep(image: Any, interpretation: str) -> bytes:
    """Draw a PNG of 16 bits."""
    data: bytes = (image.cast("ushort") * 257).copy(interpretation=interpretation).pngsave_buffer()
    return data


def grey(alpha: bool = False) -> Any:
    """Draw in one band, or two."""
    image = photo(WIDTH, HEIGHT, 4, noise=0)
    one = image.colourspace("b-w")
    return with_alpha(one).copy(interpretation="b-w") if alpha else one


def junk_in_header() -> bytes:
    """Draw a JPEG with bytes of no meaning between its markers and EXIF that is none."""
    data = photo(WIDTH, HEIGHT, 6, noise=0).jpegsave_buffer(Q=95, keep="none")
    bad_exif = b"Exif\0\0" + b"\xde\xad\xbe\xef" * 8
    segment = b"\xff\xe1" + struct.pack(">H", len(bad_exif) + 2) + bad_exif
    return bytes(data[:2] + segment + b"\xff\xff\xff" + data[2:])


def odd_unit() -> bytes:
    """Draw a JPEG whose EXIF states its resolution in no unit that there is: libvips warns."""
    data = photo(WIDTH, HEIGHT, 6, noise=0).jpegsave_buffer(Q=95, keep="none")
    entries = (
        struct.pack("<HHII", 0x011A, 5, 1, 50),  # XResolution, at byte 50
        struct.pack("<HHII", 0x011B, 5, 1, 50),
        struct.pack("<HHII", 0x0128, 3, 1, 7),  # ResolutionUnit, of which there are 1 to 3
    )
    tiff = b"II*\0" + struct.pack("<IH", 8, len(entries)) + b"".join(entries)
    exif = b"Exif\0\0" + tiff + struct.pack("<III", 0, 72, 1)
    return bytes(data[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + data[2:])


GOOD: dict[str, Callable[[], bytes]] = {
    **{f"orientation {n}": partial(turned, n) for n in range(1, 9)},
    **{f"png, orientation {n}": partial(turned, n, "pngsave_buffer") for n in (3, 6)},
    "cmyk without profile": lambda: cmyk(None),
    "cmyk with profile": lambda: cmyk(builtin_profile("cmyk")),
    "cmyk, not ycck": adobe_cmyk,
    "srgb profile": lambda: tagged(
        photo(WIDTH, HEIGHT, 7, noise=0), builtin_profile("srgb")
    ).jpegsave_buffer(Q=95),
    "display p3": lambda: tagged(
        photo(WIDTH, HEIGHT, 7, noise=0), builtin_profile("p3")
    ).jpegsave_buffer(Q=95),
    "adobe rgb": lambda: tagged(photo(WIDTH, HEIGHT, 7, noise=0), ADOBE_RGB).jpegsave_buffer(Q=95),
    "swapped primaries": lambda: tagged(photo(WIDTH, HEIGHT, 7, noise=0), SWAPPED).pngsave_buffer(),
    "p3 with alpha": lambda: tagged(
        with_alpha(photo(WIDTH, HEIGHT, 7, noise=0)), builtin_profile("p3")
    ).pngsave_buffer(),
    "broken profile": lambda: tagged(
        photo(WIDTH, HEIGHT, 7, noise=0), b"no profile at all" * 20
    ).pngsave_buffer(),
    "grey with rgb profile": lambda: tagged(grey(), builtin_profile("p3")).jpegsave_buffer(Q=95),
    "grey jpeg": lambda: grey().jpegsave_buffer(Q=95),
    "grey png": lambda: grey().pngsave_buffer(),
    "grey with alpha": lambda: grey(alpha=True).pngsave_buffer(),
    "palette": lambda: palette(transparency=False),
    "palette with tRNS": lambda: palette(transparency=True),
    "palette of 1 bit": lambda: palette(transparency=False, bits=1),
    "1 bit": lambda: grey().pngsave_buffer(bitdepth=1),
    "16 bits": lambda: deep(photo(WIDTH, HEIGHT, 9, noise=0), "rgb16"),
    "16 bits with alpha": lambda: deep(with_alpha(photo(WIDTH, HEIGHT, 9, noise=0)), "rgb16"),
    "16 bits, grey": lambda: deep(grey(), "grey16"),
    "16 bits, p3": lambda: tagged(
        (photo(WIDTH, HEIGHT, 9, noise=0).cast("ushort") * 257).copy(interpretation="rgb16"),
        builtin_profile("p3"),
    ).pngsave_buffer(),
    "gamma 0.45455": lambda: gamma(0.45455),
    "gamma 1.0": lambda: gamma(1.0),
    "gamma overridden by sRGB": lambda: gamma(1.0, (b"sRGB", b"\0")),
    "gamma that makes no sense": lambda: gamma(0),
    "cicp srgb": lambda: code_points(1, 13, 0, 1),
    "cicp p3": lambda: code_points(12, 13, 0, 1),
    "animated png": animated_png,
    "two pictures": two_pictures,
    "ultra hdr": lambda: (
        photo(WIDTH, HEIGHT, 3, noise=0).colourspace("scrgb").uhdrsave_buffer(Q=95)
    ),
    "progressive": lambda: photo(WIDTH, HEIGHT, 3).jpegsave_buffer(Q=90, interlace=True),
    "interlaced": lambda: drawing(WIDTH, HEIGHT, 3).pngsave_buffer(interlace=True),
    "half transparent": lambda: with_alpha(drawing(WIDTH, HEIGHT, 4)).pngsave_buffer(),
    "one pixel": lambda: photo(1, 1).pngsave_buffer(),
    "1x16383": lambda: drawing(1, 16383).pngsave_buffer(),
    "odd sides": lambda: photo(17, 3, noise=0).jpegsave_buffer(Q=95, subsample_mode="off"),
    "junk in the header": junk_in_header,
    "odd unit": odd_unit,
}
"""Pictures that browsers show, so all of them convert."""
