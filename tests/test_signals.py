"""Ctrl-C, SIGTERM and kill -9, sent to real runs in mid-flight."""

from __future__ import annotations

import json
import os
import pty
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from PIL import Image

from tests.conftest import COMMAND, Program, clean_environment, leftovers, summary_of
from tests.make_pictures import photo, unlike
from tests.watching import wait_until

COUNT = 24


@pytest.fixture(scope="session")
def slow_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures that take a good part of a second each at effort 6."""
    folder = tmp_path_factory.mktemp("slow")
    data = photo(1600, 1200).jpegsave_buffer(Q=90)
    for number in range(COUNT):
        (folder / f"{number:02}.jpg").write_bytes(unlike(data, number))
    return folder


class Run:
    """A run under way, and what it has told so far."""

    def __init__(self, tree: Path, output: Path, *args: str) -> None:
        self.output = output
        self.told: list[dict[str, Any]] = []
        self.process = subprocess.Popen(
            [*COMMAND, "run", "--input", tree, "--output", output, "--effort", "6", *args],
            env=clean_environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def lines(self) -> Iterator[dict[str, Any]]:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.told.append(json.loads(line))
            yield self.told[-1]

    def wait_for_pictures(self, count: int) -> None:
        for event in self.lines():
            count -= event["event"] == "image.converted"
            if count <= 0:
                return

    def end(self) -> tuple[int, str]:
        """Read to the end; give the exit code and what was said on stderr."""
        list(self.lines())
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        said = self.process.stderr.read()
        self.process.stdout.close()
        self.process.stderr.close()
        return self.process.wait(60), said

    def converted(self) -> set[str]:
        return {event["key"] for event in self.told if event["event"] == "image.converted"}


def assert_whole(output: Path) -> None:
    """Decode every output that has its final name."""
    for path in output.glob("*.webp"):
        with Image.open(path) as image:
            image.load()


def assert_next_run_finishes(optimizr: Program, tree: Path, output: Path) -> None:
    done = optimizr("run", "--input", tree, "--output", output, "--effort", "0")
    assert done.returncode == 0
    assert len(list(output.glob("*.webp"))) == COUNT
    assert leftovers(output) == []
    assert_whole(output)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["ctrl-c", "sigterm"]
)
def test_the_first_signal_finishes_those_in_flight_and_writes_the_reports(
    optimizr: Program, slow_tree: Path, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    run = Run(slow_tree, tmp_path / "out", "--workers", "3")
    run.wait_for_pictures(2)
    run.process.send_signal(number)
    exit_code, said = run.end()
    assert exit_code == code
    assert number.name in said
    finished = run.told[-1]
    assert (finished["event"], finished["exit_code"], finished["cause"]) == (
        "run.finished",
        code,
        number.name,
    )
    assert 2 <= len(run.converted()) < COUNT
    summary = summary_of(tmp_path / "out")
    assert summary["interrupted"] is True
    assert summary["processed_files"] == len(run.converted())
    outputs = {path.stem + ".jpg" for path in (tmp_path / "out").glob("*.webp")}
    assert outputs == run.converted()
    assert_whole(tmp_path / "out")
    assert leftovers(tmp_path / "out") == []
    assert_next_run_finishes(optimizr, slow_tree, tmp_path / "out")


def test_the_second_signal_quits_at_once_and_leaves_nothing_torn(
    optimizr: Program, slow_tree: Path, tmp_path: Path
) -> None:
    run = Run(slow_tree, tmp_path / "out", "--workers", "8", "--pool.cpus", "1")
    run.wait_for_pictures(1)
    run.process.send_signal(signal.SIGINT)
    assert run.process.stderr is not None
    while "SIGINT" not in run.process.stderr.readline():
        pass
    run.process.send_signal(signal.SIGINT)
    exit_code, _ = run.end()
    assert exit_code == 130
    assert run.told[-1]["event"] != "run.finished"
    assert len(run.converted()) < 8
    assert_whole(tmp_path / "out")
    assert_next_run_finishes(optimizr, slow_tree, tmp_path / "out")


def test_what_outlives_the_drain_is_left_undone_and_the_reports_are_written(
    optimizr: Program, slow_tree: Path, tmp_path: Path
) -> None:
    run = Run(
        *(slow_tree, tmp_path / "out"),
        *("--workers", "6", "--pool.cpus", "1", "--limits.drain", "0s"),
    )
    run.wait_for_pictures(1)
    run.process.send_signal(signal.SIGTERM)
    exit_code, _ = run.end()
    assert exit_code == 143
    assert run.told[-1]["abandoned_files"] > 0
    assert summary_of(tmp_path / "out")["abandoned_files"] > 0
    assert_whole(tmp_path / "out")
    assert_next_run_finishes(optimizr, slow_tree, tmp_path / "out")


@pytest.mark.parametrize("pictures", [1, 3, 5])
def test_kill_9_leaves_no_torn_output_and_the_next_run_sweeps(
    optimizr: Program, slow_tree: Path, tmp_path: Path, pictures: int
) -> None:
    run = Run(slow_tree, tmp_path / "out")
    run.wait_for_pictures(pictures)
    run.process.kill()
    exit_code, _ = run.end()
    assert exit_code == -signal.SIGKILL
    assert_whole(tmp_path / "out")
    assert_next_run_finishes(optimizr, slow_tree, tmp_path / "out")


@pytest.mark.parametrize("more", ["| cat", "2>&1 | cat", "--log-format console 2>&1 | cat"])
def test_ctrl_c_in_a_pipeline_whose_reader_dies_too_still_ends_as_interrupted(
    slow_tree: Path, tmp_path: Path, more: str
) -> None:
    command = f"'{COMMAND[0]}' -m optimizr run --input '{slow_tree}' --output out --effort 6"
    process = subprocess.Popen(
        ["bash", "-c", f"{command} {more}; echo ${{PIPESTATUS[0]}} > code"],
        cwd=tmp_path,
        env=clean_environment(),
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    while not list((tmp_path / "out").glob("*.webp")):
        time.sleep(0.05)
    # bash itself waits for its pipeline; the terminal would signal the whole group.
    for child in psutil.Process(process.pid).children(recursive=True):
        child.send_signal(signal.SIGINT)
    process.wait(60)
    assert (tmp_path / "code").read_text() == "130\n"
    assert summary_of(tmp_path / "out")["interrupted"] is True


def on_a_terminal(args: list[str], interrupt_at: bytes | None = None) -> tuple[int, str]:
    """Run the program on a terminal of 80 columns; press Ctrl-C once a text shows."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvpe(args[0], args, clean_environment(COLUMNS="80", TERM="xterm"))
    shown, deadline = b"", time.monotonic() + 120
    while time.monotonic() < deadline:
        if not select.select([terminal], [], [], 1)[0]:
            continue
        try:
            shown += os.read(terminal, 65536)
        except OSError:  # the other side has closed
            break
        if interrupt_at is not None and interrupt_at in shown:
            os.write(terminal, b"\x03")
            interrupt_at = None
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown.decode()


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_person_at_a_terminal_sees_a_bar_and_then_the_report(
    slow_tree: Path, tmp_path: Path
) -> None:
    args = [*COMMAND, "run", "--input", str(slow_tree), "--output", str(tmp_path / "out")]
    code, shown = on_a_terminal([*args, "--effort", "0"])
    assert code == 0
    assert f"/{COUNT}" in shown
    assert " saved" in shown
    assert f"{COUNT} converted, 0 failed" in shown
    assert '"event"' not in shown


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_ctrl_c_at_a_terminal_still_ends_with_the_report(slow_tree: Path, tmp_path: Path) -> None:
    args = [*COMMAND, "run", "--input", str(slow_tree), "--output", str(tmp_path / "out")]
    code, shown = on_a_terminal([*args, "--effort", "6"], interrupt_at=f"/{COUNT}".encode())
    assert code == 130
    assert "once more quits at once" in shown
    assert "interrupted by SIGINT" in shown
    assert "pictures    " in shown
    assert "Traceback" not in shown


def test_sigterm_before_a_run_has_begun_ends_it_too_as_process_1(tmp_path: Path) -> None:
    if os.getuid() or shutil.which("unshare") is None:
        pytest.skip("a process 1 of its own takes root and unshare")
    os.mkfifo(tmp_path / "config.yaml")
    with subprocess.Popen(
        ["unshare", "--pid", "--fork", *COMMAND, "run", tmp_path / "config.yaml"],
        env=clean_environment(),
    ) as unshare:
        # To open it succeeds once the program has, which then waits for what is written.
        writer = wait_until(lambda: os.open(tmp_path / "config.yaml", os.O_WRONLY | os.O_NONBLOCK))
        process_1 = psutil.Process(unshare.pid).children()[0]
        process_1.terminate()
        try:
            assert unshare.wait(30) == 143
        finally:
            os.close(writer)
            with suppress(psutil.NoSuchProcess):
                process_1.kill()
