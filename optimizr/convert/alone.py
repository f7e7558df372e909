"""One picture in a process of its own: for a picture that may take the process down.

The child reads a pickle from its stdin and writes one to its stdout; both ends are ours.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from typing import IO

from optimizr import convert as here
from optimizr.convert import Converted, Header, Options
from optimizr.errors import Cancelled, PictureError, Reason, Stage
from optimizr.units import format_size

_GRACE_SECONDS = 5.0
"""How long after its timeout the child may take to say so; then it is killed."""
_LOOK_SECONDS = 0.2
_CODE = "from optimizr.convert.alone import main; main()"


def convert(
    data: bytes, options: Options, most_bytes: int, cancelled: threading.Event
) -> tuple[Header, Converted]:
    """Probe and convert a picture in a child that may take `most_bytes` of memory for it.

    Raises PictureError: what `convert.probe` and `convert.convert` raise, or `crashed` if the
    child died; and Cancelled soon after `cancelled` is set.
    """
    child = subprocess.Popen(  # noqa: S603 - this program
        [sys.executable, "-c", _CODE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path)},
        start_new_session=True,  # Ctrl-C is for us, not for the picture
    )
    with child:
        try:
            answer = _answer(child, pickle.dumps((data, options, most_bytes)), options, cancelled)
        finally:
            child.kill()
    if child.returncode or not answer:
        raise _crashed(child.returncode)
    found = pickle.loads(answer)  # noqa: S301 - of our own child
    if isinstance(found, PictureError):
        raise found
    header, made = found
    return header, made


def main() -> None:
    """Be the child."""
    data, options, most_bytes = pickle.load(sys.stdin.buffer)  # noqa: S301 - of our parent
    here.start(options.formats, options.target_look is not None)
    found: PictureError | tuple[Header, Converted]
    try:
        picture = here.probe(data, options)
        options, peak = here.fit(picture, options, most_bytes)
        if peak > most_bytes:
            raise PictureError(
                Stage.RESERVE,
                Reason.TOO_LARGE_FOR_MEMORY,
                f"expected to need at most {format_size(most_bytes)} of memory, but "
                f"{picture.header.size} pixels take {format_size(peak)}; "
                "raise pool.memory",
            )
        found = picture.header, here.convert(picture, options)
    except PictureError as error:
        found = error
    pickle.dump(found, sys.stdout.buffer)


def _answer(
    child: subprocess.Popen[bytes], question: bytes, options: Options, cancelled: threading.Event
) -> bytes:
    end = time.monotonic() + options.timeout_seconds + _GRACE_SECONDS
    pipe, child.stdin = child.stdin, None
    # communicate() forgets what is left to send once it has timed out (CPython 3.11).
    threading.Thread(target=_ask, args=(pipe, question), daemon=True).start()
    while True:
        try:
            return child.communicate(timeout=_LOOK_SECONDS)[0]
        except subprocess.TimeoutExpired:
            pass
        if cancelled.is_set():
            raise Cancelled
        if time.monotonic() > end:
            raise here.timeout(options)


def _ask(pipe: IO[bytes] | None, question: bytes) -> None:
    if pipe is not None:
        with suppress(OSError), pipe:  # a child that has died is told by its end
            pipe.write(question)


def _crashed(code: int) -> PictureError:
    how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    return PictureError(
        Stage.CONVERT,
        Reason.CRASHED,
        f"expected to convert it, but two runs ended while they did, and a process of its own "
        f"ended by {how}; move it away, and report it if you can share it",
    )
