"""`optimizr probe` asks real runs, and whatever else may answer at a run's address."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from optimizr.cli import probe
from tests.conftest import Program, clean_environment, fill
from tests.watching import free_port, gate_conversions, running, wait_until

ADDRESS = "OPTIMIZR_TELEMETRY__HTTP"


def test_a_run_that_works_is_well_and_ready(
    optimizr: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path / "in", 4)
    with running(tmp_path, gate_conversions(monkeypatch, 1)) as run:
        wait_until(lambda: run.get("/ready").status == 200)
        done = optimizr("probe", "--address", f"127.0.0.1:{run.port}")
        assert (done.returncode, done.stderr) == (0, "")
        assert json.loads(done.stdout)["status"] == "ok"
        done = optimizr("probe", "ready", **{ADDRESS: f"0.0.0.0:{run.port}"})
        assert (done.returncode, json.loads(done.stdout)["status"]) == (0, "ready")
        run.end()


def test_a_run_that_drains_is_well_and_not_ready(
    optimizr: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path / "in", 4)
    with running(tmp_path, gate_conversions(monkeypatch, 1)) as run:
        wait_until(lambda: run.get("/metrics").status == 200 and run.converted() == 1)
        run.stop.signal = signal.SIGTERM
        address = {ADDRESS: f"127.0.0.1:{run.port}"}
        assert optimizr("probe", **address).returncode == 0
        done = optimizr("probe", "ready", **address)
        assert (done.returncode, json.loads(done.stdout)["phase"]) == (1, "draining")
        run.end()


def test_the_flag_wins_over_the_variable_and_nobody_there_is_told(optimizr: Program) -> None:
    port = free_port()
    done = optimizr("probe", "--address", f"127.0.0.1:{port}", **{ADDRESS: "127.0.0.1:1"})
    assert (done.returncode, done.stdout) == (1, "")
    assert f"expected a run to answer at 127.0.0.1:{port}, got: Connection refused" in done.stderr


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("0.0.0.0:9464", ("127.0.0.1", 9464)),
        ("[::]:80", ("::1", 80)),
        ("[::1]:80", ("::1", 80)),
        ("pod.example:80", ("pod.example", 80)),
    ],
)
def test_who_serves_on_all_interfaces_is_asked_on_the_loopback(
    address: str, place: tuple[str, int]
) -> None:
    assert probe._place(address, ADDRESS) == place


@pytest.mark.parametrize("address", ["9464", ":9464", "host:", "host:0", "host:65536", "host:x"])
def test_what_is_no_address_is_a_mistake_that_is_named(optimizr: Program, address: str) -> None:
    done = optimizr("probe", **{ADDRESS: address})
    assert done.returncode == 2
    assert f"{ADDRESS}: expected HOST:PORT" in done.stderr
    assert repr(address) in done.stderr


def test_a_question_that_no_run_knows_is_a_mistake(optimizr: Program) -> None:
    done = optimizr("probe", "metrics")
    assert done.returncode == 2
    assert "'health', 'ready'" in done.stderr


@contextmanager
def answering(answer: Callable[[socket.socket], object]) -> Iterator[str]:
    """Listen, and treat the first who comes as `answer` does."""
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor(1) as executor:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1024)
                answer(connection)

        served = executor.submit(serve)
        yield f"127.0.0.1:{server.getsockname()[1]}"
        served.result(30)


def test_what_is_no_http_is_no_run(optimizr: Program) -> None:
    with answering(lambda connection: connection.sendall(b"SSH-2.0-x\r\n")) as address:
        done = optimizr("probe", "--address", address)
    assert (done.returncode, done.stdout) == (1, "")
    assert "got: what is no HTTP" in done.stderr


def test_who_does_not_answer_is_not_waited_for_longer_than_a_health_check(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert probe._TIMEOUT_SECONDS < 5  # HEALTHCHECK --timeout of the Dockerfile
    monkeypatch.setattr(probe, "_TIMEOUT_SECONDS", 0.2)
    with answering(lambda connection: connection.recv(1)) as address:
        assert probe.main(["--address", address]) == 1
    assert "timed out" in capsys.readouterr().err


def test_nothing_heavy_is_loaded_for_it() -> None:
    code = (
        "import sys; from optimizr.cli import main; main(['probe', '--address', '127.0.0.1:1']); "
        "print([m for m in ('ssl', 'pydantic', 'pyvips', 'rich', 'psutil') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", code],
        env=clean_environment(PYTHONPATH=str(Path(__file__).parents[1])),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[]\n"
