"""What is done once for the process: libvips set up, the encoder chosen, both tried."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Iterable

from optimizr.convert import vips
from optimizr.convert.encode import choose_encoder
from optimizr.errors import ConfigError

_starting = threading.Lock()
_started = False


def start(formats: Iterable[str] = ("jpeg", "png"), looks: bool = False) -> None:
    """Set libvips and libwebp up for the process, with the loaders of these formats open.

    With `looks`, get ready to look at WebPs too, see `convert.look`.

    The first call shuts all others; further calls only open more, since another run may be at work
    in the process. `probe` refuses what a run's own formats do not name, whatever is open.
    Raises EnvironmentStop if libvips cannot be loaded, ConfigError if NumPy cannot.
    """
    global _started
    if looks:
        _load_look()
        formats = (*formats, "webp")
    with _starting:
        if not _started:
            vips.set_up()
        vips.open_loaders(formats)
        if not _started:
            choose_encoder()
            _warm_up(formats)
            _started = True


def _load_look() -> None:
    try:
        importlib.import_module("optimizr.convert.look")
    except ImportError as error:
        raise ConfigError(
            f"expected NumPy, which looks need, to load, got: {error}; pip install 'optimizr[look]'"
        ) from None


def _warm_up(formats: Iterable[str]) -> None:
    """Use what threads will use, while there is one: cffi makes its types when they are first used.

    Two threads that do so at once can abort the process
    (https://github.com/python-cffi/cffi/issues/271).
    """
    image = vips.with_blob(vips.made_up(), "made-up", b"x")
    image.set_progress(True)
    image.set_kill(False)
    image = image.resize(0.5).cast("uchar")
    vips.blob(image, "made-up")
    vips.region(image).fetch(0, 0, 1, 1)
    image.webpsave_buffer()
    if "jpeg" in formats:
        vips.load(image.jpegsave_buffer(), "jpeg").autorot().avg()
