"""What a picture is, from its header alone; what is refused, is refused here, before decoding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from optimizr.convert import jpeg, png
from optimizr.convert.formats import FORMATS, end_is_missing, sniff
from optimizr.convert.options import MAX_SIDE, Options
from optimizr.convert.vips import VipsError, load, shape
from optimizr.errors import PictureError, Reason, Stage

_SAMPLE_BYTES = {"uchar": 1, "char": 1, "ushort": 2, "short": 2, "uint": 4, "int": 4, "float": 4}
"""By libvips' band format."""


@dataclass(frozen=True, slots=True)
class Header:
    """What the header says."""

    format: str
    """A name of `convert.formats.FORMATS`, by content."""
    width: int
    """Pixels, as stored: not turned yet."""
    height: int
    """Of one frame."""
    pages: int
    """Frames that are read: more than 1 for animations."""
    orientation: int
    """EXIF's, 1 (upright) to 8."""
    bands: int
    """Channels as stored, alpha included."""
    sample_bytes: int
    """Of each channel of a pixel."""
    is_srgb: bool
    """Its numbers are 8-bit RGB, unless a profile says more."""
    has_alpha: bool
    has_profile: bool
    has_metadata: bool
    """EXIF or XMP."""
    interlaced: bool
    """A progressive JPEG or an interlaced PNG: it cannot be decoded as a stream."""
    animation_dropped: bool
    """Animated, but only its default image is read: an APNG."""
    samples: float
    """A pixel: `bands`, but that a JPEG's subsampled chroma counts as what it is."""
    coarseness: float
    """Of a JPEG's quantization, see `convert.jpeg`; 0 if it is not known."""

    @property
    def size(self) -> str:
        """Width and height, and how many frames, for people: `640x480`, `640x480x12`."""
        return f"{self.width}x{self.height}" + (f"x{self.pages}" if self.pages > 1 else "")

    @property
    def pixels(self) -> int:
        """Of all frames."""
        return self.width * self.height * self.pages

    @property
    def is_turned(self) -> bool:
        """Tell whether it must be turned to be upright."""
        return self.orientation > 1 and self.pages == 1

    def is_as_asked(self, options: Options) -> bool:
        """Tell whether the file itself is what a WebP made of it shall be, but for its bytes."""
        return (
            self.format == "webp"
            and self.orientation <= 1
            and self.fitted(options) == (self.width, self.height)
            and not (self.has_metadata and options.metadata == "none")
            and not (self.has_profile and options.color == "srgb")
        )

    def fitted(self, options: Options) -> tuple[int, int]:
        """Give width and height as stored, scaled to fit the bounds of the upright picture."""
        bounds = (options.max_width or self.width, options.max_height or self.height)
        if self.is_turned and self.orientation >= 5:  # lies on its side
            bounds = (options.max_height or self.width, options.max_width or self.height)
        scale = min(1.0, bounds[0] / self.width, bounds[1] / self.height)
        return max(1, round(self.width * scale)), max(1, round(self.height * scale))


@dataclass(slots=True)
class Probed:
    """A picture of which the header has been read, and nothing else yet."""

    data: bytes
    header: Header
    alpha_is_idle: bool = False
    """Every pixel has been seen to be opaque: the alpha band says nothing, and is dropped."""
    _opened: Any = None
    """What libvips has opened, so that it need not do so again; it can be read once."""

    def load(self, **options: Any) -> Any:
        """Open the picture for streaming from top to bottom. Raises VipsError.

        `options` are the loader's own. Not from two threads at once.
        """
        opened, self._opened = self._opened, None
        if opened is None or options:
            return load(self.data, self.header.format, **options)
        return opened


def probe(data: bytes, options: Options) -> Probed:
    """Read the header.

    Raises PictureError: `empty_file`, `not_a_picture`, `format_not_enabled`, `truncated`,
    `corrupt`, `too_many_pixels` or `too_large_for_webp`.
    """
    format_ = _format(data, options)
    try:
        image = load(data, format_)
        header = _header(image, data, format_)
    except VipsError:
        raise damaged(data, format_, f"a {format_}", Stage.PROBE) from None
    if format_ == "gif" and end_is_missing(data, format_):
        # The only decoder that takes what there is for the whole, whatever `fail_on` says.
        raise damaged(data, format_, f"a {format_}", Stage.PROBE)
    _check_size(header, options)
    # What cannot be streamed may be decoded by now: it waits for memory without that.
    return Probed(data, header, _opened=image if FORMATS[format_].streams else None)


def damaged(data: bytes, format_: str, what: str, stage: Stage) -> PictureError:
    """Tell by facts why libvips gave up; its own text may be about another picture."""
    if end_is_missing(data, format_):
        return PictureError(
            stage,
            Reason.TRUNCATED,
            f"expected the whole of {what}, got a file that ends after {len(data)} bytes; "
            "fetch the original again",
        )
    return PictureError(
        stage,
        Reason.CORRUPT,
        f"expected {what}, got data that cannot be decoded; fetch the original again",
    )


def _format(data: bytes, options: Options) -> str:
    if not data:
        raise PictureError(
            Stage.PROBE,
            Reason.EMPTY_FILE,
            "expected a picture, got a file of 0 bytes; fetch the original again",
        )
    expected = " or ".join(options.formats)
    format_ = sniff(data)
    if format_ is None:
        raise PictureError(
            Stage.PROBE,
            Reason.NOT_A_PICTURE,
            f"expected a picture ({expected}), got a file that begins with {data[:8]!r}; "
            "delete it, or fetch the original again",
        )
    if format_ not in options.formats:
        raise PictureError(
            Stage.PROBE,
            Reason.FORMAT_NOT_ENABLED,
            f"expected {expected}, got a {format_}; add it to picture.formats",
        )
    return format_


def _header(image: Any, data: bytes, format_: str) -> Header:
    pages = _number(image, "n-pages", 1) if FORMATS[format_].animates else 1
    tables = jpeg.tables(data) if format_ == "jpeg" else None
    width, height, bands, sample, interpretation = shape(image)
    return Header(
        format=format_,
        width=width,
        height=_number(image, "page-height", height) if pages > 1 else height,
        pages=max(1, pages),
        orientation=_number(image, "orientation", 1),
        bands=bands,
        sample_bytes=_SAMPLE_BYTES.get(sample, 8),
        has_profile=bool(image.get_typeof("icc-profile-data")),
        has_metadata=bool(image.get_typeof("exif-data") or image.get_typeof("xmp-data")),
        has_alpha=bool(image.hasalpha()),
        interlaced=bool(_number(image, "interlaced", 0)),
        animation_dropped=format_ == "png" and png.is_animated(data),
        is_srgb=interpretation == "srgb" and sample == "uchar",
        samples=tables.samples if tables else bands,
        coarseness=tables.coarseness if tables else 0,
    )


def _check_size(header: Header, options: Options) -> None:
    if header.pixels > options.max_pixels:
        raise PictureError(
            Stage.PROBE,
            Reason.TOO_MANY_PIXELS,
            f"expected at most {options.max_pixels} pixels, got {header.size}; "
            "raise limits.max_pixels",
        )
    if max(header.fitted(options)) > MAX_SIDE:
        raise PictureError(
            Stage.PROBE,
            Reason.TOO_LARGE_FOR_WEBP,
            f"expected sides of at most {MAX_SIDE} pixels, which is all that WebP can hold, "
            f"got {header.size}; set picture.resize.max_width and max_height",
        )


def _number(image: Any, name: str, default: int) -> int:
    return int(image.get(name)) if image.get_typeof(name) else default
