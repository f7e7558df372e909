"""What becomes of the run itself, as events: its start, how far it is, its end."""

from __future__ import annotations

import os
import platform
import signal
import socket

from optimizr import convert
from optimizr._version import __version__
from optimizr.config import Settings
from optimizr.errors import EnvironmentStop, ExitCode, PictureError, Reason
from optimizr.events import (
    RunFinished,
    RunProgress,
    RunStarted,
)
from optimizr.limits import Limits
from optimizr.pool import Stop
from optimizr.summary import Summary


def started(settings: Settings, limits: Limits) -> RunStarted:
    """Tell what the run is and what it may use."""
    encoder = convert.encoder()
    return RunStarted(
        version=__version__,
        libvips_version=convert.version(),
        encoder=str(encoder),
        encoder_why=encoder.why,
        python_version=platform.python_version(),
        host=socket.gethostname(),
        pid=os.getpid(),
        settings=settings.redacted(),
        workers=limits.workers,
        cpu_slots=limits.slots.total,
        memory_bytes=limits.memory,
        memory_budget_bytes=limits.budget,
    )


def progress(summary: Summary) -> RunProgress:
    """Tell how far it is."""
    return RunProgress(
        total_files=summary.total_files,
        failed_files=summary.failed_files,
        input_bytes=summary.done_input_bytes,
        output_bytes=summary.done_output_bytes,
    )


def finished(settings: Settings, summary: Summary, stop: Stop, abandoned: int) -> RunFinished:
    """Tell how it ended: by a stop, by a signal, or by what became of the pictures."""
    exit_code, why, message = ExitCode.DONE, None, None
    lost_reader = isinstance(stop.error, EnvironmentStop) and stop.error.cause == "log_lost"
    # Ctrl-C in a shell's pipeline ends the log's reader too: the signal is what happened.
    if stop.error is not None and not (lost_reader and stop.signal is not None):
        why = cause(stop.error)
        exit_code, message = ExitCode.ENVIRONMENT, str(stop.error)
    elif stop.signal is not None:
        why = signal.Signals(stop.signal).name
        exit_code = ExitCode(128 + stop.signal)
        message = f"interrupted by {why}; run the same command again to finish"
    elif Reason.FOLDER_UNREADABLE in summary.failures_by_reason or not settings.policy.tolerates(
        summary.failed_files, summary.total_files
    ):
        exit_code = ExitCode.FAILURES
    return RunFinished(
        exit_code=exit_code,
        interrupted=stop.requested,
        cause=why,
        message=message,
        abandoned_files=abandoned,
    )


def cause(error: Exception) -> str:
    """Name what stopped a run."""
    if isinstance(error, EnvironmentStop):
        return error.cause
    return "report_lost" if isinstance(error, PictureError) else "internal_error"
