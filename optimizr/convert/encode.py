"""From pixels to WebP. Running this is what runs the whole pipeline.

Two ways lead there and give the same bytes: libvips' own saver, and libwebp called directly, which
takes less time and memory. The direct way takes the picture in strips as libvips streams it, and
converts each into the planes that libwebp works on (1.5 bytes a pixel for lossy pictures) where
`webpsave` first gathers the whole as RGB (3 more). The decoder is let go before the encode begins.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from optimizr.convert.deadline import Deadline
from optimizr.convert.libwebp import Config, Libwebp, Picture, candidates, dotted, newest
from optimizr.convert.options import Options
from optimizr.convert.probe import Header
from optimizr.convert.vips import region, shape, version
from optimizr.convert.webpsave import webpsave

_STRIP_BYTES = 1 << 17
"""Of RGB: enough that Python's part is lost in libvips' and libwebp's, little beside the caches."""
_PRESETS = ("default", "picture", "photo", "drawing", "icon", "text")
"""In the order of WebPPreset."""
_NEAR_LOSSLESS_QUALITY = 75
"""How hard to try: libwebp's default, as `webpsave` leaves it."""

_direct: Libwebp | None = None
_why = "it was not looked for"


class Encoder(NamedTuple):
    """What encodes stills without metadata; the rest is always libvips' `webpsave`."""

    name: str
    """`libwebp`, called directly, or `webpsave`."""
    version: str
    """Of that libwebp, or of libvips."""
    why: str
    """How it came to be chosen, as a clause for people."""

    def __str__(self) -> str:
        """Give name and version."""
        return f"{self.name} {self.version}"


def choose_encoder() -> None:
    """Look for a libwebp to call directly. Once for the process, while it has one thread."""
    global _direct, _why
    _direct, _why = newest(candidates())


def encoder() -> Encoder:
    """Tell what encodes."""
    if _direct is None:
        return Encoder("webpsave", version(), f"of the libwebps that could be called, {_why}")
    return Encoder("libwebp", dotted(_direct.version), _why)


def is_direct(header: Header, options: Options) -> bool:
    """Tell whether libwebp is called directly for a picture: a still of which only pixels stay."""
    return not (
        _direct is None
        or header.pages > 1
        or (header.has_metadata and options.metadata == "keep")
        or (header.has_profile and options.color == "keep")
    )


def encode(
    decode: Callable[[], Any], options: Options, mode: str, deadline: Deadline, *, direct: bool
) -> bytes:
    """Decode and encode as `mode` says, by libwebp itself if it is there and `direct` allows.

    `mode` is `lossy`, `lossless` or `near_lossless`; for the last, `quality` is how near, where
    100 is lossless. `decode` makes the image, whose only owner is this function, so that the
    decoder's memory is free when the encoder asks for its own. Raises VipsError, LibwebpError,
    and what `deadline.check` raises.
    """
    if _direct is None or not direct:
        return webpsave(decode(), options, mode, deadline)
    config = _config(_direct, options, mode)
    argb = bool(config.lossless or config.use_sharp_yuv)
    with _direct.picture(argb=argb) as picture:
        if not _import(_direct, decode(), picture, deadline):
            return webpsave(decode(), options, mode, deadline)
        with deadline.calling(picture.abort):
            return _direct.encode(picture, config)


def _config(library: Libwebp, options: Options, mode: str) -> Config:
    config = library.config(_PRESETS.index(options.preset), options.quality)
    config.method = options.effort
    config.lossless = mode != "lossy"
    if mode == "near_lossless":
        config.near_lossless = options.quality
        config.quality = _NEAR_LOSSLESS_QUALITY
    config.alpha_quality = options.alpha_quality
    config.use_sharp_yuv = options.sharp_yuv
    config.exact = options.exact
    config.low_memory = options.low_memory
    return config


def _import(library: Libwebp, image: Any, picture: Picture, deadline: Deadline) -> bool:
    """Fill the picture's planes from the image, strip by strip; not if it is no RGB or RGBA.

    Some TIFFs have bands that mean nothing, and a JPEG may have two: `webpsave` knows what to do.
    """
    width, height, bands, _, _ = shape(image)
    if bands not in (3, 4):
        return False
    source = region(image)
    if width * height * bands <= _STRIP_BYTES:
        library.fill(picture, width, height, bands, source.fetch(0, 0, width, height))
        return True
    library.allocate(picture, width, height, bands)
    rows = max(2, _STRIP_BYTES // (width * bands) & ~1)  # even: two rows share their chroma
    for top in range(0, height, rows):
        deadline.check()
        strip_height = min(rows, height - top)
        pixels = source.fetch(0, top, width, strip_height)
        with library.picture(argb=picture.use_argb) as strip:
            library.fill(strip, width, strip_height, bands, pixels)
            picture.put(strip, top)
    return True
