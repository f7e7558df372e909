from __future__ import annotations

import gc
import time
from mmap import mmap

from optimizr.monitor import Monitor, Waits


def test_garbage_collections_are_counted_and_timed_once() -> None:
    with Monitor(30, Waits) as monitor:
        monitor.sample()
        gc.collect()
        gc.collect()
        seen = monitor.sample()
        assert seen.gc_runs >= 2
        assert 0 < seen.gc_pause_max_ms <= seen.gc_pause_ms
        again = monitor.sample()
        assert again.gc_runs <= 1
    before = list(gc.callbacks)
    gc.collect()
    assert monitor._on_gc not in before


def test_cpu_time_is_that_since_the_sample_before() -> None:
    with Monitor(30, Waits) as monitor:
        monitor.sample()
        end = time.process_time() + 0.2
        while time.process_time() < end:
            sum(range(1000))
        busy, idle = monitor.sample(), monitor.sample()
    assert busy.cpu_user_ms + busy.cpu_system_ms >= 150
    assert idle.cpu_user_ms + idle.cpu_system_ms < 150


def test_memory_that_is_taken_shows() -> None:
    with Monitor(30, Waits) as monitor:
        before = monitor.sample()
        taken = mmap(-1, 64 << 20)  # of the system: malloc may have some left
        taken.write(b"x" * len(taken))
        after = monitor.sample()
    assert after.rss_bytes - before.rss_bytes > 32 << 20
    assert after.peak_rss_bytes >= after.rss_bytes
    assert after.system_bytes > 0
    taken.close()


def test_waits_are_told_as_differences_and_gauges_as_they_are() -> None:
    waits = Waits()
    with Monitor(30, lambda: waits) as monitor:
        monitor.sample()
        waits = Waits(6.0, 1.5, 0.25, 2, ignored_files=7, in_flight=3)
        first = monitor.sample()
        waits = waits._replace(source_seconds=2.0, ignored_files=9)
        second = monitor.sample()
    assert (first.source_wait_ms, first.memory_wait_ms, first.slot_wait_ms) == (1500, 250, 2000)
    assert (second.source_wait_ms, second.memory_wait_ms, second.ignored_files) == (500, 0, 2)
    assert (first.in_flight, second.in_flight) == (3, 3)


def test_a_sample_is_due_at_once_and_then_after_the_interval() -> None:
    with Monitor(0.05, Waits) as monitor:
        assert monitor.due()
        monitor.sample()
        assert not monitor.due()
        time.sleep(0.06)
        assert monitor.due()
