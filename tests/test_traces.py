"""A trace of each picture, as a collector gets it."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from optimizr import Settings, pipeline
from optimizr.errors import ConfigError, EnvironmentStop
from optimizr.events import Event
from optimizr.sections import TelemetrySettings
from optimizr.telemetry.spans import ATTRIBUTES, RUN_ID, SPANS
from tests.collectors import Got, by_grpc, by_http, spans
from tests.conftest import Program, clean_environment, events, fill, named

COLLECTORS = {"grpc": by_grpc, "http/protobuf": by_http}
STAGES = ["fetch", "convert", "store"]


def sent_to(port: int, protocol: str = "http/protobuf") -> dict[str, str]:
    """Give the variables that send traces to a port."""
    return {
        "OPTIMIZR_TELEMETRY__OTLP": "true",
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
        "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
    }


def children(of: Got, all_spans: list[Got]) -> list[Got]:
    return sorted((s for s in all_spans if s.parent == of.span_id), key=lambda s: s.start)


def ids(event: dict[str, Any]) -> tuple[str, str]:
    return event["trace_id"], event["span_id"]


@pytest.mark.parametrize("protocol", COLLECTORS)
def test_each_picture_is_a_trace_that_its_log_line_names(
    optimizr: Program, tmp_path: Path, protocol: str
) -> None:
    fill(tmp_path / "in", 6)
    (tmp_path / "in/page.png").write_text("<html>")
    with COLLECTORS[protocol]() as (port, got):
        done = optimizr(
            *("run", "--input", tmp_path / "in", "--output", tmp_path / "out"),
            **sent_to(port, protocol),
            OTEL_RESOURCE_ATTRIBUTES="deployment.environment.name=test",
        )
    assert (done.returncode, done.stderr) == (1, "")
    assert named(done.stdout, "run.warned") == []
    told, came = events(done.stdout), spans(got)
    run_id = told[0]["run_id"]
    roots = {(s.trace_id, s.span_id): s for s in came if not s.parent}

    runs = {ids(event) for event in told if event["event"].startswith("run.")}
    assert len(runs) == 1
    run = roots.pop(runs.pop())
    assert run.name == "run"
    assert run.attributes == {RUN_ID: run_id, "optimizr.exit_code": 1}
    assert run.error is not None
    assert run.resource["service.name"] == "optimizr"
    assert run.resource["service.instance.id"] == run_id
    assert run.resource["service.version"] == told[0]["version"]
    assert run.resource["deployment.environment.name"] == "test"

    assert {s.name for s in came} == {span.name for span in SPANS}
    images = [event for event in told if event["event"].startswith("image.")]
    assert {ids(event) for event in images} == set(roots)
    assert len({trace_id for trace_id, _ in roots}) == 7
    for event in images:
        _is_told_by(event, roots[ids(event)], came, run)


def _is_told_by(event: dict[str, Any], image: Got, came: list[Got], run: Got) -> None:
    assert image.name == "image"
    assert image.links == [(run.trace_id, run.span_id)]
    assert run.start <= image.start <= image.end <= run.end
    drawn = {name: value for name, value in event.items() if f"optimizr.{name}" in IMAGE_NAMES}
    outcome = event["event"].removeprefix("image.")
    assert image.attributes == {
        **{f"optimizr.{name}": value for name, value in drawn.items()},
        "optimizr.outcome": outcome,
    }
    laps = children(image, came)
    if outcome == "failed":
        assert image.error == f"{event['reason']}: {event['message']}"
        assert [lap.name for lap in laps] == ["fetch"]
    else:
        assert image.error is None
        assert [lap.name for lap in laps] == STAGES
        fetch, convert, store = ((lap.end - lap.start) / 1e6 for lap in laps)
        assert fetch == pytest.approx(event["fetch_ms"], abs=0.01)
        assert 0 < convert <= event["convert_ms"] + 0.01  # which has reading the header in it
        assert store == pytest.approx(event["store_ms"], abs=0.01)
    assert {lap.trace_id for lap in laps} == {image.trace_id}
    edges = [image.start, *(edge for lap in laps for edge in (lap.start, lap.end)), image.end]
    assert edges == sorted(edges)


IMAGE_NAMES = {a.name for a in ATTRIBUTES if a.span == "image"} | {RUN_ID}


def test_a_failure_of_a_second_try_and_a_skip_keep_their_ids_and_the_up_to_date_have_none(
    optimizr: Program, tmp_path: Path
) -> None:
    fill(tmp_path / "in", 3)
    (tmp_path / "in/page.png").write_text("<html>")
    run = ("run", "--input", tmp_path / "in", "--output", tmp_path / "out")
    optimizr(*run)
    with by_http() as (port, got):
        done = optimizr(*run, **sent_to(port))
    (failed,) = named(done.stdout, "image.failed")
    assert failed["attempts"] == 2
    roots = {(s.trace_id, s.span_id) for s in spans(got) if s.name == "image"}
    assert roots == {ids(failed)}
    assert all("trace_id" not in event for event in named(done.stdout, "image.skipped"))


def run_in_process(tmp_path: Path, share: float, force: bool = True) -> list[Event]:
    told: list[Event] = []
    settings = Settings(
        input=str(tmp_path / "in"),
        output=str(tmp_path / "out"),
        telemetry=TelemetrySettings(otlp=True, trace_sample=share),
    )
    pipeline.run(settings, told.append, force=force)
    return told


@pytest.mark.parametrize(("share", "least", "most"), [(0, 0, 0), (0.5, 60, 140), (1, 200, 200)])
def test_the_share_of_pictures_that_is_asked_for_is_traced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, share: float, least: int, most: int
) -> None:
    fill(tmp_path / "in", 200, side=8)
    with by_http() as (port, got):
        for name, value in sent_to(port).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("OTEL_SERVICE_NAME", "gallery")
        told = run_in_process(tmp_path, share)
    came = spans(got)
    images = {(s.trace_id, s.span_id) for s in came if s.name == "image"}
    assert least <= len(images) <= most
    pictures = [event for event in told if event.name.startswith("image.")]
    assert {(e.trace_id, e.span_id) for e in pictures if e.trace_id} == images
    assert len(pictures) == 200
    assert [s.name for s in came].count("run") == 1
    assert {s.resource["service.name"] for s in came} == {"gallery"}


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
    return port


@pytest.mark.parametrize("protocol", COLLECTORS)
def test_a_collector_that_is_not_there_is_a_warning_and_all_pictures_convert(
    optimizr: Program, tmp_path: Path, closed_port: int, protocol: str
) -> None:
    fill(tmp_path / "in", 3)
    done = optimizr(
        *("run", "--input", tmp_path / "in", "--output", tmp_path / "out"),
        **sent_to(closed_port, protocol),
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert len(named(done.stdout, "image.converted")) == 3
    warned = named(done.stdout, "run.warned")
    assert any(str(closed_port) in event["message"] for event in warned)
    assert not any("already" in event["message"] for event in warned)
    assert all(event["run_id"] for event in warned)
    assert events(done.stdout)[-1]["event"] == "run.finished"
    assert events(done.stdout)[-1]["state"]["warnings"] == sum(e["repeated"] for e in warned)


def test_a_collector_that_never_answers_is_not_waited_for(
    optimizr: Program, tmp_path: Path
) -> None:
    fill(tmp_path / "in", 3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        done = optimizr(
            *("run", "--input", tmp_path / "in", "--output", tmp_path / "out"),
            **sent_to(silent.getsockname()[1]),
            OTEL_EXPORTER_OTLP_TIMEOUT="200",  # the test's own limit comes first
        )
    assert (done.returncode, done.stderr) == (0, "")
    origins = {event["origin"] for event in named(done.stdout, "run.warned")}
    assert "optimizr.telemetry.traces" in origins
    assert len(named(done.stdout, "image.converted")) == 3


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"}, "OTEL_EXPORTER_OTLP_PROTOCOL: expected"),
        (
            {"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "odd", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
            "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: expected grpc or http/protobuf, got 'odd'",
        ),
        ({"OTEL_EXPORTER_OTLP_TIMEOUT": "soon"}, "telemetry.otlp: expected OTEL_ variables"),
    ],
)
def test_a_variable_that_makes_no_exporter_is_exit_2_and_nothing_is_started(
    optimizr: Program, tmp_path: Path, env: dict[str, str], said: str
) -> None:
    fill(tmp_path / "in", 1)
    run = ("run", "--input", tmp_path / "in", "--output", tmp_path / "out")
    done = optimizr(*run, OPTIMIZR_TELEMETRY__OTLP="true", **env)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("missing", ["opentelemetry.exporter.otlp.proto.grpc", "opentelemetry"])
def test_without_the_extra_it_is_said_what_to_install(tmp_path: Path, missing: str) -> None:
    fill(tmp_path / "in", 1)
    done = run_with(
        f"sys.modules[{missing!r}] = None",
        *("--input", tmp_path / "in", "--output", tmp_path / "out", "--telemetry.otlp", "true"),
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert re.search(r"pip install 'optimizr\[otel\]'", done.stderr)
    assert not (tmp_path / "out").exists()


def run_with(code: str, *args: object) -> subprocess.CompletedProcess[str]:
    program = (
        f"import sys, optimizr.cli\n{code}\ncode = optimizr.cli.main(['run', *sys.argv[1:]])\n"
        "loaded = {name.partition('.')[0] for name in sys.modules}\n"
        "print(sorted(loaded & {'opentelemetry', 'grpc', 'google', 'requests'}), file=sys.stderr)"
        " if code == 0 else sys.exit(code)"
    )
    return subprocess.run(
        [sys.executable, "-c", program, *map(str, args)],
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("disabled", [False, True])
def test_nothing_of_it_is_loaded_where_it_is_off(tmp_path: Path, disabled: bool) -> None:
    fill(tmp_path / "in", 1)
    code = "import os; os.environ['OTEL_SDK_DISABLED'] = 'true'" if disabled else ""
    args = ("--input", tmp_path / "in", "--output", tmp_path / "out")
    done = run_with(code, *args, *(("--telemetry.otlp", "true") if disabled else ()))
    assert (done.returncode, done.stderr) == (0, "[]\n")
    assert all("trace_id" not in event for event in events(done.stdout))


def test_whoever_runs_it_as_a_library_keeps_the_provider_and_the_span_they_are_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = trace.get_tracer_provider()
    fill(tmp_path / "in", 2)
    with by_http() as (port, got):
        for name, value in sent_to(port).items():
            monkeypatch.setenv(name, value)
        theirs = TracerProvider(shutdown_on_exit=False).get_tracer("theirs")
        with theirs.start_as_current_span("theirs") as span:
            run_in_process(tmp_path, 1)
    assert trace.get_tracer_provider() is before
    trace_id = f"{span.get_span_context().trace_id:032x}"
    assert {s.trace_id for s in spans(got)} & {trace_id} == set()


def test_a_run_that_cannot_begin_leaves_no_thread_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path / "in", 1)
    (tmp_path / "out/.optimizr").mkdir(parents=True)
    (tmp_path / "out/.optimizr/ledger.sqlite").write_text("no ledger")
    with by_http() as (port, got):
        for name, value in sent_to(port).items():
            monkeypatch.setenv(name, value)
        with pytest.raises(EnvironmentStop, match="ledger"):
            run_in_process(tmp_path, 1, force=False)
    assert [s.name for s in spans(got)] == ["run"]
    assert not any(thread.name.startswith(("Otel", "otlp")) for thread in threading.enumerate())


def test_a_wrong_protocol_is_the_callers_mistake_in_the_library_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path / "in", 1)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "smoke")
    with pytest.raises(ConfigError, match="smoke"):
        run_in_process(tmp_path, 1)
