"""From pixels to WebP. Running this is what runs the whole pipeline.

Two ways lead there and give the same bytes, but for `_SHARPEST`: libvips' own saver, and libwebp
called directly, which takes less time and memory. The direct way takes the picture in strips as
libvips streams it, and converts each into the planes that libwebp works on (1.5 bytes a pixel for
lossy pictures) where `webpsave` first gathers the whole as RGB (3 more). The decoder is let go
before the encode begins.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, NamedTuple, Self

from optimizr.convert.deadline import Deadline
from optimizr.convert.libwebp import (
    Config,
    Encoded,
    Libwebp,
    Picture,
    candidates,
    dotted,
    newest,
)
from optimizr.convert.options import Options
from optimizr.convert.probe import Header
from optimizr.convert.vips import region, shape, version
from optimizr.convert.webpsave import webpsave

_STRIP_BYTES = 1 << 17
"""Of RGB: enough that Python's part is lost in libvips' and libwebp's, little beside the caches."""
_PRESETS = ("default", "picture", "photo", "drawing", "icon", "text")
"""In the order of WebPPreset."""
_SHARPEST = 7
"""libwebp's deblocking then spares edges most, and takes 2% fewer bytes at a look of 55, 0.3 at 75
(`python -m benchmarks.looks_constants sharpness`). `webpsave` cannot be asked for it."""
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


def decode_into(
    data: bytes, pixels: int, pixels_bytes: int, row_bytes: int, *, alpha: bool
) -> bool:
    """Have libwebp decode a still, as `Libwebp.decode` says; False if none is called directly.

    Raises LibwebpError.
    """
    if _direct is not None:
        _direct.decode(data, pixels, pixels_bytes, row_bytes, alpha=alpha)
    return _direct is not None


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
) -> Encoded:
    """Decode and encode as `mode` says, by libwebp itself if it is there and `direct` allows.

    `mode` is `lossy`, `lossless` or `near_lossless`; for the last, `quality` is how near, where
    100 is lossless. `decode` makes the image, whose only owner is this function, so that the
    decoder's memory is free when the encoder asks for its own. Raises VipsError, LibwebpError,
    and what `deadline.check` raises.
    """
    if _direct is None or not direct:
        return Encoded(webpsave(decode(), options, mode, deadline))
    config = _config(_direct, options, mode)
    with _direct.picture(argb=_is_argb(config)) as picture:
        if not _import(_direct, decode(), picture, deadline):
            return Encoded(webpsave(decode(), options, mode, deadline))
        return _encode(_direct, picture, config, deadline)


class Trial:
    """Encodes one picture that is in memory again and again, for the length of a `with`.

    The planes that libwebp works on are made once for each way to encode.
    """

    def __init__(self, image: Any, deadline: Deadline, *, direct: bool) -> None:
        self._image = image
        self._deadline = deadline
        self._library = _direct if direct else None
        self._pictures = ExitStack()
        self._filled: dict[bool, Picture | None] = {}
        """By whether it is for lossy encoding; None if only `webpsave` can encode it."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pictures.close()

    @property
    def step(self) -> float:
        """The least difference of qualities: `webpsave` takes whole ones."""
        return 1 if self._library is None else 0.1

    def __call__(self, options: Options, mode: str) -> Encoded:
        """Encode as `encode` does; raises what it raises."""
        self._deadline.check()
        if self._library is not None:
            config = _config(self._library, options, mode)
            if (picture := self._planes(self._library, config)) is not None:
                return _encode(self._library, picture, config, self._deadline)
        return Encoded(webpsave(self._image, options, mode, self._deadline))

    def _planes(self, library: Libwebp, config: Config) -> Picture | None:
        is_lossy = not config.lossless
        if is_lossy not in self._filled:
            picture = self._pictures.enter_context(library.picture(argb=_is_argb(config)))
            is_full = _import(library, self._image, picture, self._deadline)
            self._filled[is_lossy] = picture if is_full else None
        return self._filled[is_lossy]


def _is_argb(config: Config) -> bool:
    return bool(config.lossless or config.use_sharp_yuv)


def _encode(library: Libwebp, picture: Picture, config: Config, deadline: Deadline) -> Encoded:
    with deadline.calling(picture.abort):
        return library.encode(picture, config)


def _config(library: Libwebp, options: Options, mode: str) -> Config:
    config = library.config(_PRESETS.index(options.preset), options.quality)
    config.method = options.effort
    if options.target_look is not None and options.preset == "default":
        config.filter_sharpness = _SHARPEST
    config.lossless = mode != "lossy"
    if mode == "near_lossless":
        config.near_lossless = int(options.quality)
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
