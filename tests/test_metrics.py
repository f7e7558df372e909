"""The metrics say what the summary says, in the way that Prometheus' own programs expect."""

from __future__ import annotations

import base64
import json
import logging
import os
import shutil
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import generate_latest

import optimizr
from optimizr import histogram
from optimizr.errors import ConfigError, EnvironmentStop
from optimizr.events import Event, ImageConverted, RunFinished
from optimizr.ledger.lock import Lock
from optimizr.live import Live
from optimizr.pool import Stop
from optimizr.summary import Summary, reduce
from optimizr.telemetry.collector import registry
from optimizr.telemetry.metrics import METRICS
from tests.conftest import fill
from tests.strategies import runs
from tests.watching import (
    Metrics,
    free_port,
    gate_conversions,
    get,
    parse,
    running,
    wait_until,
)


def needs(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is not installed")


def drawn(summary: Summary, shard: str = "") -> Metrics:
    live = Live(Stop())
    live.summary = summary
    return parse(generate_latest(registry(live, shard)).decode())


def by_label(metrics: Metrics, name: str) -> dict[str, float]:
    return {labels[0]: value for (found, labels), value in metrics.items() if found == name}


@given(runs())
def test_the_metrics_at_the_end_are_the_summarys_figures(events: list[Event]) -> None:
    summary = reduce(Summary(), *events)
    metrics = drawn(summary, "3-of-10")
    assert summary.run is not None
    assert summary.start_us is not None
    assert summary.end_us is not None
    single = {name: value for (name, labels), value in metrics.items() if not labels}
    expected: dict[str, float | None] = {
        "optimizr_run_start_time_seconds": summary.start_us / 1e6,
        "optimizr_run_end_time_seconds": summary.end_us / 1e6,
        "optimizr_run_exit_code": summary.exit_code,
        "optimizr_warnings_total": summary.warnings,
        "optimizr_ignored_files_total": summary.ignored_files,
        "optimizr_input_bytes_total": summary.input_bytes,
        "optimizr_output_bytes_total": summary.output_bytes,
        "optimizr_pixels_total": summary.pixels,
        "optimizr_image_duration_seconds_count": summary.converted_files,
        "optimizr_image_duration_seconds_sum": summary.duration_us / 1e6,
        "optimizr_image_look_count": sum(summary.looks.values()),
        "optimizr_memory_ceiling_bytes": summary.memory_bytes,
        "optimizr_memory_budget_bytes": summary.memory_budget_bytes,
        "optimizr_cpu_slots": summary.cpu_slots,
    }
    assert {name: single.get(name) for name in expected} == expected
    assert single["optimizr_memory_peak_rss_bytes"] >= (summary.peak_rss_bytes or 0)
    labelled: dict[str, Mapping[str, float]] = {
        "optimizr_images_total": {
            "converted": summary.converted_files,
            "resumed": summary.resumed_files,
            "skipped": summary.skipped_files,
            "failed": summary.failed_files,
        },
        "optimizr_failures_total": summary.failures_by_reason,
        "optimizr_skips_total": summary.skips_by_reason,
        "optimizr_stage_seconds_total": {
            "fetch": summary.fetch_us / 1e6,
            "convert": summary.convert_us / 1e6,
            "store": summary.store_us / 1e6,
        },
        "optimizr_wait_seconds_total": {
            "source": summary.source_wait_us / 1e6,
            "memory": summary.memory_wait_us / 1e6,
            "slot": summary.slot_wait_us / 1e6,
        },
        "optimizr_cpu_seconds_total": {
            "user": summary.cpu_user_us / 1e6,
            "system": summary.cpu_system_us / 1e6,
        },
    }
    assert {name: by_label(metrics, name) for name in labelled} == labelled
    assert metrics["optimizr_run_info", ("run", "3-of-10")] == 1
    assert metrics["optimizr_build_info", ("", "8.18.0", "3.11.0", "1.2.3")] == 1


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=20))
def test_a_bucket_has_all_that_is_within_its_bound_and_nothing_far_beyond(us: list[int]) -> None:
    counts: dict[int, int] = {}
    for duration in us:
        counts[histogram.bucket(duration)] = counts.get(histogram.bucket(duration), 0) + 1
    metrics = drawn(Summary(durations=counts))
    for bound, count in by_label(metrics, "optimizr_image_duration_seconds_bucket").items():
        limit = float(bound) * 1e6
        assert sum(d <= limit for d in us) <= count <= sum(d <= limit * 1.021 for d in us)


@given(st.lists(st.integers(0, 1000), max_size=20))
def test_the_looks_are_told_to_a_tenth(tenths: list[int]) -> None:
    metrics = drawn(Summary(looks=Counter(tenths)))
    assert metrics["optimizr_image_look_sum", ()] == pytest.approx(sum(tenths) / 10)
    for bound, count in by_label(metrics, "optimizr_image_look_bucket").items():
        assert count == sum(tenth / 10 <= float(bound) for tenth in tenths)


def test_before_the_start_what_counts_is_0_and_what_is_not_known_is_absent() -> None:
    metrics = drawn(Summary())
    assert by_label(metrics, "optimizr_images_total") == dict.fromkeys(
        ("converted", "resumed", "skipped", "failed"), 0
    )
    names = {name for name, _ in metrics}
    assert not names & {
        "optimizr_run_end_time_seconds",
        "optimizr_run_exit_code",
        "optimizr_source_images",
        "optimizr_workers",
        "optimizr_cpu_slots",
    }


def test_a_counter_never_goes_down() -> None:
    live = Live(Stop())
    metrics = registry(live, "")
    for source_us, told in ((1_000_000, 1.0), (999_999, 1.0), (1_000_001, 1.000001)):
        live.summary = Summary(source_wait_us=source_us)
        found = parse(generate_latest(metrics).decode())
        assert found["optimizr_wait_seconds_total", ("source",)] == told


def test_in_mid_run_the_gauges_are_those_of_the_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path / "in", 8)
    (tmp_path / "in" / "notes.txt").write_text("no picture")
    with running(tmp_path, gate_conversions(monkeypatch, 3)) as run:
        wait_until(lambda: run.get("/ready").status == 200 and run.converted() == 3)
        wait_until(lambda: run.metrics().get(("optimizr_source_images", ())) == 8)
        # Both workers have taken up another picture, and stand before its conversion.
        wait_until(lambda: run.metrics()["optimizr_cpu_slots_in_use", ()] == 2)
        seen = run.metrics()
        assert seen["optimizr_inflight_images", ()] == 2
        assert seen["optimizr_workers", ()] == 2
        assert seen["optimizr_cpu_slots", ()] == 2
        assert seen["optimizr_ignored_files_total", ()] == 1
        assert seen["optimizr_memory_reserved_bytes", ()] > 0
        assert seen["optimizr_memory_reserved_bytes", ()] < seen["optimizr_memory_budget_bytes", ()]
        assert seen["optimizr_memory_rss_bytes", ()] <= seen["optimizr_memory_peak_rss_bytes", ()]
        assert seen["optimizr_cpu_seconds_total", ("user",)] >= 0
        assert ("optimizr_run_exit_code", ()) not in seen
        run.end()


@needs("promtool")
@pytest.mark.parametrize("accept", ["text/plain;version=0.0.4", "text/plain;version=1.0.0"])
def test_promtool_finds_nothing_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, accept: str
) -> None:
    fill(tmp_path / "in", 5)
    (tmp_path / "in" / "a.jpg").write_text("no picture")
    with running(tmp_path, gate_conversions(monkeypatch, 2)) as run:
        wait_until(lambda: run.get("/ready").status == 200 and run.converted() == 2)
        text = get(run.port, "/metrics", accept=accept).body
        checked = subprocess.run(
            ["promtool", "check", "metrics"],
            input=text,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
        assert {f"# TYPE {m.name} {m.kind}" for m in METRICS} <= set(text.splitlines())
        run.end()


def test_openmetrics_is_told_to_who_asks_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path / "in", 2)
    with running(tmp_path, gate_conversions(monkeypatch, 0)) as run:
        wait_until(lambda: run.get("/ready").status == 200)
        told = get(run.port, "/metrics", accept="application/openmetrics-text;version=1.0.0")
        assert told.headers["Content-Type"].startswith("application/openmetrics-text")
        assert told.body.endswith("# EOF\n")
        assert run.get("/metrics").headers["Content-Type"].startswith("text/plain")
        run.end()


@contextmanager
def started(*command: object) -> Iterator[None]:
    """Have a server for the length of a `with`."""
    process = subprocess.Popen(
        list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield
    finally:
        process.kill()
        process.wait()


@needs("prometheus")
def test_a_real_prometheus_scrapes_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path / "in", 6)
    port = free_port()
    config = tmp_path / "prometheus.json"  # which is YAML too
    with running(tmp_path, gate_conversions(monkeypatch, 4)) as run:
        scrape = {
            "job_name": "optimizr",
            "scrape_interval": "100ms",
            "scrape_timeout": "100ms",
            "static_configs": [{"targets": [f"127.0.0.1:{run.port}"]}],
        }
        config.write_text(json.dumps({"scrape_configs": [scrape]}))
        with started(
            "prometheus",
            f"--config.file={config}",
            f"--storage.tsdb.path={tmp_path / 'tsdb'}",
            f"--web.listen-address=127.0.0.1:{port}",
        ):

            def ask(query: str) -> list[str]:
                answer = get(port, f"/api/v1/query?query={quote(query)}")
                if answer.status != 200:  # it has not read its config yet
                    return []
                return [found["value"][1] for found in answer.json["data"]["result"]]

            backlog = "sum(optimizr_source_images) - sum(optimizr_images_total)"
            wait_until(lambda: ask(backlog) == ["2"])
            assert ask('optimizr_images_total{outcome="converted"}') == ["4"]
            assert ask("optimizr_image_duration_seconds_count") == ["4"]
            assert ask('optimizr_image_duration_seconds_bucket{le="+Inf"}') == ["4"]
            assert ask("up") == ["1"]
        assert run.end().converted_files == 6


PASSWORD = "p@ss:w/rd"
_ITS_BCRYPT = "$2b$05$abcdefghijklmnopqrstuuyFXzjaQqXJ2uJJLSYkOJMLSB1Af16VO"


def settings_for(tmp_path: Path, telemetry: dict[str, Any], **more: Any) -> optimizr.Settings:
    return optimizr.Settings(
        input=str(tmp_path / "in"),
        output=str(tmp_path / "out"),
        telemetry=telemetry,  # type: ignore[arg-type]
        **more,
    )


@needs("prometheus-pushgateway")
def test_a_run_leaves_its_metrics_at_a_pushgateway_in_place_of_those_before(tmp_path: Path) -> None:
    fill(tmp_path / "in", 3)
    (tmp_path / "in" / "broken.jpg").write_text("no picture")
    users = tmp_path / "web.json"
    users.write_text(json.dumps({"basic_auth_users": {"me": _ITS_BCRYPT}}))
    port = free_port()
    basic = "Basic " + base64.b64encode(f"me:{PASSWORD}".encode()).decode()
    url = f"http://me:{quote(PASSWORD, safe='')}@127.0.0.1:{port}/"
    settings = settings_for(tmp_path, {"pushgateway": url}, shard={"index": 0, "count": 1})

    def told() -> Metrics:
        return parse(get(port, "/metrics", Authorization=basic).body)

    def has(metrics: Metrics, name: str, *labels: str) -> list[float]:
        return [
            value
            for (found, of), value in metrics.items()
            if found == name and {"optimizr", *labels} <= set(of)
        ]

    with started(
        "prometheus-pushgateway",
        f"--web.listen-address=127.0.0.1:{port}",
        f"--web.config.file={users}",
    ):
        wait_until(lambda: get(port, "/-/ready", Authorization=basic).status == 200)
        assert optimizr.run(settings).exit_code == 1
        first = told()
        assert has(first, "optimizr_images_total", "converted") == [3]
        assert has(first, "optimizr_failures_total", "not_a_picture") == [1]
        assert has(first, "optimizr_run_exit_code") == [1]
        (tmp_path / "in" / "broken.jpg").unlink()
        assert optimizr.run(settings).exit_code == 0
        second = told()
        assert has(second, "optimizr_images_total", "skipped") == [3]
        assert has(second, "optimizr_failures_total") == []  # nothing of the first is left
        assert has(second, "optimizr_run_exit_code") == [0]


def warned(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


@pytest.mark.parametrize("address", ["127.0.0.1:{port}", "no-such-host.invalid:9091"])
def test_a_gateway_that_cannot_be_reached_is_a_warning_without_secrets(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, address: str
) -> None:
    fill(tmp_path / "in", 1)
    url = f"http://somebody:secret@{address.format(port=free_port())}"
    summary = optimizr.run(settings_for(tmp_path, {"pushgateway": url}))
    assert (summary.exit_code, summary.converted_files) == (0, 1)
    (warning,) = warned(caplog)
    assert warning.startswith("telemetry.pushgateway: expected to push to 'http://")
    assert "secret" not in warning
    assert "somebody" not in warning


@needs("prometheus-pushgateway")
def test_a_gateway_that_refuses_is_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fill(tmp_path / "in", 1)
    users, port = tmp_path / "web.json", free_port()
    users.write_text(json.dumps({"basic_auth_users": {"me": _ITS_BCRYPT}}))
    with started(
        "prometheus-pushgateway",
        f"--web.listen-address=127.0.0.1:{port}",
        f"--web.config.file={users}",
    ):
        wait_until(lambda: get(port, "/metrics").status == 401)
        url = f"http://127.0.0.1:{port}"
        assert optimizr.run(settings_for(tmp_path, {"pushgateway": url})).exit_code == 0
    (warning,) = warned(caplog)
    assert "401" in warning


def test_a_run_leaves_its_metrics_in_a_file(tmp_path: Path) -> None:
    fill(tmp_path / "in", 3)
    (tmp_path / "prom").mkdir()
    path = tmp_path / "prom" / "optimizr.prom"
    path.write_text("of the run before")
    summary = optimizr.run(settings_for(tmp_path, {"textfile": str(path)}))
    metrics = parse(path.read_text())
    assert metrics["optimizr_images_total", ("converted",)] == 3
    assert metrics["optimizr_run_exit_code", ()] == 0
    assert metrics["optimizr_input_bytes_total", ()] == summary.input_bytes
    # Live figures go on a little after the last sample, and never fall behind it.
    for mode, us in (("user", summary.cpu_user_us), ("system", summary.cpu_system_us)):
        assert metrics["optimizr_cpu_seconds_total", (mode,)] >= us / 1e6 - 1e-6
    assert list((tmp_path / "prom").iterdir()) == [path]


def ended_by_signal(stop: Stop) -> None:
    stop.signal = signal.SIGTERM


def ended_by_disk(stop: Stop) -> None:
    stop.halt(EnvironmentStop("disk_full", "the disk is full"))


@pytest.mark.parametrize(("end", "code"), [(ended_by_signal, 143), (ended_by_disk, 3)])
def test_a_run_that_ends_early_leaves_its_metrics_too(tmp_path: Path, end: Any, code: int) -> None:
    fill(tmp_path / "in", 40)
    path, stop = tmp_path / "optimizr.prom", Stop()

    def read(event: Event) -> None:
        if isinstance(event, ImageConverted):
            end(stop)

    settings = settings_for(tmp_path, {"textfile": str(path)}, pool={"workers": 1, "cpus": 1})
    summary = optimizr.run(settings, read, stop=stop)
    metrics = parse(path.read_text())
    assert metrics["optimizr_run_exit_code", ()] == summary.exit_code == code
    assert 0 < metrics["optimizr_images_total", ("converted",)] == summary.converted_files


def test_a_run_that_never_began_leaves_none(tmp_path: Path) -> None:
    fill(tmp_path / "in", 1)
    (tmp_path / "out" / ".optimizr").mkdir(parents=True)
    path = tmp_path / "optimizr.prom"
    with (
        Lock(os.fsencode(tmp_path / "out" / ".optimizr" / "lock"), lambda _: None),
        pytest.raises(ConfigError, match="nobody else at work"),
    ):
        optimizr.run(settings_for(tmp_path, {"textfile": str(path)}))
    assert not path.exists()


def test_a_file_that_cannot_be_written_is_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fill(tmp_path / "in", 1)
    told: list[Event] = []
    path = tmp_path / "nowhere" / "optimizr.prom"
    summary = optimizr.run(settings_for(tmp_path, {"textfile": str(path)}), told.append)
    assert summary.exit_code == 0
    assert [event.exit_code for event in told if isinstance(event, RunFinished)] == [0]
    (warning,) = warned(caplog)
    assert f"telemetry.textfile: expected to write '{path}', got: No such file" in warning
