"""Events of one run, for the pages: made by the code, so that they are as it writes them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from optimizr.events import (
    Event,
    Identity,
    ImageConverted,
    ImageFailed,
    RunFinished,
    RunProgress,
    RunSampled,
    RunWarned,
    stamp,
)
from optimizr.records import to_record

_RUN_ID = "20260302T040005Z-5f0c1e"
_THEN = datetime(2026, 3, 2, 4, 51, 40, 120_000, tzinfo=UTC)
_SEQ = 48_423
"""Of the first event shown."""

_EVENTS: tuple[Event, ...] = (
    RunSampled(
        rss_bytes=301_465_600,
        peak_rss_bytes=318_767_104,
        system_bytes=402_653_184,
        cpu_user_ms=57_410.0,
        cpu_system_ms=1_930.0,
        gc_runs=3,
        gc_pause_ms=1.204,
        gc_pause_max_ms=0.611,
        worker_ms=60_000.0,
        source_wait_ms=12.5,
        memory_wait_ms=0.0,
        slot_wait_ms=840.25,
        ignored_files=4,
        in_flight=2,
        workers=2,
    ),
    ImageConverted(
        key="2019/august/harbour.jpg",
        output="2019/august/harbour.webp",
        format="jpeg",
        width=6000,
        height=4000,
        mode="lossy",
        input_bytes=8_412_355,
        output_bytes=2_950_114,
        fetch_ms=14.2,
        convert_ms=1_904.117,
        store_ms=6.05,
        duration_ms=1_924.367,
    ),
    ImageFailed(
        key="2019/august/pier.jpg",
        source="/pictures/2019/august/pier.jpg",
        reason="truncated",
        message="expected the whole of a jpeg, got a file that ends after 1048576 bytes; fetch the "
        "original again",
        stage="convert",
        input_bytes=1_048_576,
        duration_ms=212.48,
    ),
    RunWarned(
        origin="pyvips",
        message="VipsJpeg: Invalid SOS parameters for sequential JPEG",
        repeated=1,
    ),
    RunProgress(
        total_files=48_211,
        failed_files=17,
        input_bytes=96_422_000_128,
        output_bytes=33_940_544_512,
    ),
    RunFinished(exit_code=1, interrupted=False, abandoned_files=0),
)


def examples() -> dict[str, str]:
    """Give a line of each event that the pages show, by its name."""
    stamped = [
        stamp(event, Identity(_RUN_ID), _SEQ + place, _THEN + timedelta(seconds=place))
        for place, event in enumerate(_EVENTS)
    ]
    return {event.name: json.dumps(to_record(event), ensure_ascii=False) for event in stamped}
