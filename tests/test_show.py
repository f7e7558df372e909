"""The report on a terminal: in colour there, plain elsewhere, and within 80 columns."""

from __future__ import annotations

import os
import pty
import subprocess
from pathlib import Path

import pytest

from tests.conftest import COMMAND, Program, clean_environment


@pytest.fixture
def log(optimizr: Program, pictures: Path, tmp_path: Path) -> Path:
    done = optimizr("run", "--input", pictures, "--output", tmp_path / "out")
    path = tmp_path / "log.jsonl"
    path.write_text(done.stdout)
    return path


def on_a_terminal(log: Path, **env: str) -> str:
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [*COMMAND, "report", log], stdout=theirs, env=clean_environment(TERM="xterm", **env)
    ) as process:
        os.close(theirs)
        said = b""
        while chunk := _read(ours):
            said += chunk
    os.close(ours)
    assert process.returncode == 0
    return said.decode().replace("\r\n", "\n")


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # how Linux says that the other side has closed it
        return b""


def test_the_report_has_colour_only_on_a_terminal_and_not_with_no_color(
    optimizr: Program, log: Path
) -> None:
    plain = optimizr("report", log).stdout
    assert "\x1b" not in plain
    assert all(len(line) <= 80 for line in plain.splitlines())
    colour = "\x1b[32m"
    assert colour in on_a_terminal(log)
    assert colour not in on_a_terminal(log, NO_COLOR="1")
    assert on_a_terminal(log, TERM_PROGRAM="x", COLUMNS="40").count("\n") == plain.count("\n")
