"""/health and /ready over the life of a run, and the server that tells them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest

from optimizr.errors import ConfigError
from optimizr.ledger.lock import LOCK_NAME, Lock
from optimizr.live import Live
from optimizr.pool import Stop
from optimizr.store.local import LocalStore
from optimizr.telemetry import http
from optimizr.telemetry.probes import Readiness, health
from tests.conftest import Program, clean_environment, fill
from tests.watching import (
    free_port,
    gate_conversions,
    gate_source,
    get,
    running,
    wait_until,
)


def test_before_it_has_the_lock_a_run_is_alive_and_not_ready(tmp_path: Path) -> None:
    fill(tmp_path / "in", 1)
    (tmp_path / "out" / ".optimizr").mkdir(parents=True)
    path = os.fsencode(tmp_path / "out" / ".optimizr") + b"/" + LOCK_NAME
    with ExitStack() as held:
        held.enter_context(Lock(path, lambda _: None, purpose="read"))
        with running(tmp_path) as run:
            ready = wait_until(lambda: run.get("/ready"))
            assert (ready.status, ready.json["phase"]) == (503, "starting")
            assert run.get("/health").status == 200
            assert run.get("/metrics").status == 200
            held.close()
            assert run.end().converted_files == 1


def test_at_work_a_run_is_alive_and_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path / "in", 4)
    with running(tmp_path, gate_conversions(monkeypatch, 1)) as run:
        ready = wait_until(lambda: (answer := run.get("/ready")).status == 200 and answer)
        assert ready.json == {"status": "ready", "phase": "working", "why": "it works"}
        assert run.get("/health").json["status"] == "ok"
        run.end()
    with pytest.raises(ConnectionRefusedError):
        run.get("/health")


def test_draining_a_run_is_alive_and_not_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path / "in", 8)
    # Draining is limited by a setting of its own, so it is no standing still.
    stall = {"stall_after": "1ms"}
    with running(tmp_path, gate_conversions(monkeypatch, 1), stall) as run:
        wait_until(lambda: run.get("/metrics").status == 200 and run.converted() == 1)
        run.stop.signal = signal.SIGTERM
        ready, alive = run.get("/ready"), run.get("/health")
        assert (ready.status, ready.json["phase"]) == (503, "draining")
        assert (alive.status, alive.json["phase"]) == (200, "draining")
        assert run.end().exit_code == 143


def test_a_run_in_which_nothing_comes_to_an_end_stalls_and_recovers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path / "in", 30)
    gate, later = gate_conversions(monkeypatch, 1), gate_source(monkeypatch, 10)
    with running(tmp_path, gate, {"stall_after": "500ms"}) as run:
        try:
            stalled = wait_until(lambda: (answer := run.get("/health")).status == 503 and answer)
            assert stalled.json["status"] == "stalled"
            assert "telemetry.stall_after" in stalled.json["why"]
            gate.open()
            wait_until(lambda: run.get("/health").status == 200)
        finally:
            later.open()
        assert run.end().converted_files == 30


def test_a_run_that_waits_for_its_source_with_nothing_in_work_does_not_stall(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path / "in", 3)
    with running(tmp_path, gate_source(monkeypatch, 1), {"stall_after": "1s"}) as run:
        wait_until(lambda: run.get("/metrics").status == 200 and run.converted() == 1)
        waiting = wait_until(
            lambda: (said := run.get("/health")).json["why"] != "it works" and said
        )
        assert "waits for its source" in waiting.json["why"]
        begin = run.metrics()["optimizr_wait_seconds_total", ("source",)]
        # Both workers wait, so this is longer than the second after which it would stall.
        while run.metrics()["optimizr_wait_seconds_total", ("source",)] < begin + 3:
            assert run.get("/health").status == 200
            time.sleep(0.05)
        assert run.end().converted_files == 3


def test_after_a_long_wait_the_first_picture_in_work_has_its_whole_time() -> None:
    live = Live(Stop())
    live.moved -= 1000
    assert health(live, 600).ok  # it starts
    live.work(*[None] * 3)  # type: ignore[arg-type]
    live._work = None
    live.moved -= 1000
    live.turn(has_results=False, in_flight=1)
    assert not health(live, 600).ok
    live.turn(has_results=False, in_flight=0)
    live.turn(has_results=False, in_flight=1)
    assert health(live, 600).ok


@pytest.mark.parametrize("whose", ["in", "out"])
def test_a_run_whose_input_or_output_goes_is_not_ready_until_it_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whose: str
) -> None:
    fill(tmp_path / "in", 4)
    with running(tmp_path, gate_conversions(monkeypatch, 0)) as run:
        wait_until(lambda: run.get("/ready").status == 200)
        # Both workers have read their pictures: a file that is not there is no reason to wait.
        wait_until(lambda: run.metrics()["optimizr_cpu_slots_in_use", ()] == 2)
        (tmp_path / whose).rename(tmp_path / "away")
        gone = run.get("/ready")
        assert gone.status == 503
        assert f"expected to reach the {whose}put" in gone.json["why"]
        assert run.get("/health").status == 200
        (tmp_path / "away").rename(tmp_path / whose)
        assert run.get("/ready").status == 200
        run.end()


def test_an_output_that_cannot_be_written_to_is_told(tmp_path: Path) -> None:
    store = LocalStore(str(tmp_path))
    assert store.trouble() is None
    assert store.trouble(writing=True) == f"'{tmp_path}': it cannot be written to"
    store.prepare()
    assert store.trouble(writing=True) is None


class HungMount:
    """A store that answers once it is let go."""

    def __init__(self) -> None:
        self.asked = 0
        self.back = threading.Event()

    def trouble(self, writing: bool = False) -> None:  # noqa: ARG002 - as a store's
        self.asked += 1
        self.back.wait(60)


def test_a_mount_that_hangs_holds_one_asker_and_the_others_are_told_so() -> None:
    live, mount = Live(Stop()), HungMount()
    live.work(*[None] * 3)  # type: ignore[arg-type]
    ready = Readiness(live, mount, mount)  # type: ignore[arg-type]
    with ThreadPoolExecutor(4) as executor:
        first = executor.submit(ready)
        wait_until(lambda: mount.asked)
        for answer in executor.map(lambda _: ready(), range(3)):
            assert not answer.ok
            assert "still checking" in answer.body["why"]
        assert mount.asked == 1
        mount.back.set()
        assert first.result().ok
    assert ready().ok


def run_with(optimizr: Program, tmp_path: Path, http: str, *more: str) -> Any:
    fill(tmp_path / "in", 1)
    args = ("--input", tmp_path / "in", "--output", tmp_path / "out", "--telemetry.http", http)
    return optimizr("run", *args, *more)


def test_a_port_that_is_taken_is_a_mistake_and_nothing_is_started(
    optimizr: Program, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = run_with(optimizr, tmp_path, address)
        assert (done.returncode, done.stdout) == (2, "")
        assert (
            f"telemetry.http: expected an address of this machine that is free, got '{address}'"
            in (done.stderr)
        )
        assert "Traceback" not in done.stderr
        assert not (tmp_path / "out").exists()
        assert run_with(optimizr, tmp_path, address, "--dry-run").returncode == 0


@pytest.mark.parametrize("host", ["no-such-host.invalid", "192.0.2.1", "a..b", "[::zz]"])
def test_a_host_that_is_none_of_this_machine_is_a_mistake(host: str) -> None:
    with pytest.raises(ConfigError, match=r"telemetry\.http"), http.listening(f"{host}:9464", {}):
        pass


def test_what_is_not_asked_for_is_not_imported(tmp_path: Path) -> None:
    fill(tmp_path / "in", 1)
    code = (
        "import sys; from optimizr.cli import main; code = main(sys.argv[1:]); "
        "print(code, [m for m in ('prometheus_client', 'http.server') if m in sys.modules])"
    )
    args = ["run", "--input", tmp_path / "in", "--output", tmp_path / "out", "--log-format", "json"]
    for more, found in (
        ([], "0 []"),
        (["--telemetry.textfile", tmp_path / "x.prom"], "0 ['prometheus_client', 'http.server']"),
    ):
        done = subprocess.run(
            [sys.executable, "-c", code, *map(str, args + more)],
            env=clean_environment(),
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.splitlines()[-1] == found


def reply(_accept: str) -> http.Reply:
    return http.Reply(HTTPStatus.OK, "text/plain", b"well")


def test_ipv6_is_served() -> None:
    try:
        port = free_port("::1")
    except OSError:
        pytest.skip("this machine has no IPv6")
    with http.listening(f"[::1]:{port}", {"/x": reply}):
        assert get(port, "/x", host="::1").body == "well"


def test_head_gives_no_body_and_unknown_paths_and_methods_are_refused() -> None:
    port = free_port()
    with http.listening(f"127.0.0.1:{port}", {"/x": reply}):
        assert get(port, "/x?a=b").body == "well"
        head = get(port, "/x", "HEAD")
        assert (head.status, head.body, head.headers["Content-Length"]) == (200, "", "4")
        unknown = get(port, "/y")
        assert (unknown.status, unknown.body) == (404, "expected one of /x\n")
        assert get(port, "/x", "POST").status == 501
        assert "Python" not in head.headers["Server"]


HOSTILE = {
    "garbage": os.urandom(4096) + b"\r\n\r\n",
    "a huge line": b"GET /" + b"x" * 100_000,
    "a huge header": b"GET /health HTTP/1.1\r\nX: " + b"x" * 100_000 + b"\r\n\r\n",
    "many headers": b"GET /health HTTP/1.1\r\n" + b"X: y\r\n" * 1000 + b"\r\n",
    "no version": b"GET\r\n\r\n",
    "a broken URL": b"GET //[ HTTP/1.1\r\n\r\n",
    "nothing": b"",
}


def test_hostile_input_does_not_hurt_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    fill(tmp_path / "in", 6)
    with running(tmp_path, gate_conversions(monkeypatch, 1)) as run:
        wait_until(lambda: run.get("/ready").status == 200)
        for data in HOSTILE.values():
            with socket.create_connection(("127.0.0.1", run.port)) as client:
                client.sendall(data)
                client.settimeout(30)
                if data:
                    with suppress(ConnectionResetError):  # what it had not read yet is lost then
                        client.recv(1)
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        odd = get(run.port, "/metrics", accept="application/openmetrics-text;version=x")
        assert (odd.status, odd.headers["Content-Type"].split(";")[0]) == (200, "text/plain")
        assert run.get("/health").status == 200
        summary = run.end()
    assert (summary.converted_files, summary.exit_code) == (6, 0)
    assert capfd.readouterr().err == ""


def is_cut_off(client: socket.socket) -> bool:
    client.settimeout(0.02)
    try:
        return client.recv(1) == b""
    except TimeoutError:
        return False
    except OSError:
        return True


def test_whoever_comes_is_heard_and_the_oldest_of_too_many_is_cut_off() -> None:
    port, most = free_port(), http._MOST
    with http.listening(f"127.0.0.1:{port}", {"/x": reply}), ExitStack() as stack:

        def connect() -> socket.socket:
            return stack.enter_context(socket.create_connection(("127.0.0.1", port)))

        silent = [connect() for _ in range(most)]
        wait_until(lambda: get(port, "/x").status == 200)
        wait_until(partial(is_cut_off, silent[0]))
        assert not any(map(is_cut_off, silent[2:]))


def test_who_says_nothing_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http._Handler, "timeout", 0.3)
    monkeypatch.setattr(http, "_WHOLE_SECONDS", 600)
    port = free_port()
    with (
        http.listening(f"127.0.0.1:{port}", {"/x": reply}),
        socket.create_connection(("127.0.0.1", port)) as client,
    ):
        wait_until(lambda: is_cut_off(client))


def test_who_says_little_is_cut_off_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "_WHOLE_SECONDS", 0.3)
    port = free_port()
    with (
        http.listening(f"127.0.0.1:{port}", {"/x": reply}),
        socket.create_connection(("127.0.0.1", port)) as client,
    ):
        client.sendall(b"GET /")

        def is_cut_off_while_it_speaks() -> bool:
            with suppress(OSError):
                client.sendall(b"x")
            return is_cut_off(client)

        wait_until(is_cut_off_while_it_speaks)
