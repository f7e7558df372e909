"""What is done once for the process: libvips set up, the encoder chosen, both tried."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from optimizr.convert import vips
from optimizr.convert.encode import choose_encoder

_starting = threading.Lock()
_started = False


def start(formats: Iterable[str] = ("jpeg", "png")) -> None:
    """Set libvips and libwebp up for the process, with the loaders of these formats open.

    The first call shuts all others; further calls only open more, since another run may be at work
    in the process. `probe` refuses what a run's own formats do not name, whatever is open.
    Raises EnvironmentStop if libvips cannot be loaded.
    """
    global _started
    with _starting:
        if not _started:
            vips.set_up()
        vips.open_loaders(formats)
        if not _started:
            choose_encoder()
            _warm_up(formats)
            _started = True


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
