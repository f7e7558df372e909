"""What tests share: the program as a real process, and folders of pictures."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from optimizr import convert
from tests.make_pictures import HOME, drawing, photo
from tests.warm import Warm

pytest_plugins = ["tests.servers.fixtures"]

# Machines are shared: an example may be slow for reasons that are not the code's.
settings.register_profile("shared", deadline=None)
settings.load_profile("shared")

COMMAND = [sys.executable, "-m", "optimizr"]

Program = Callable[..., "subprocess.CompletedProcess[str]"]


def clean_environment(**extra: str) -> dict[str, str]:
    """Give the environment without settings of whoever runs the tests."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("OPTIMIZR_", "PYTEST_"))}
    return kept | extra


@pytest.fixture(scope="session")
def warm() -> Iterator[Warm]:
    """The program, loaded once for all tests of this worker."""
    loaded = Warm(clean_environment())
    yield loaded
    loaded.close()


@pytest.fixture
def optimizr(tmp_path: Path, warm: Warm) -> Program:
    """Run the program to its end, in an empty folder; stdout is no terminal, so it tells JSON."""
    (tmp_path / "cwd").mkdir()

    def run(*args: object, **env: str) -> subprocess.CompletedProcess[str]:
        argv, environment = [*map(str, args)], clean_environment(**env)
        if not any(name.startswith("PYTHON") for name in env):
            return warm.run(argv, environment, tmp_path)
        return subprocess.run(  # what Python itself reads, it reads when it starts
            [*COMMAND, *argv],
            cwd=tmp_path / "cwd",
            env=environment,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )

    return run


@pytest.fixture(scope="session", autouse=True)
def _libvips() -> None:
    convert.start()


@pytest.fixture
def pictures() -> Path:
    """The pictures of the repository."""
    return HOME


def as_nobody(folder: Path, module: str, code: str, *args: object) -> str:
    """Run Python code on a folder as a user without rights, and give what it printed.

    As root, whom no permission stops, such a test could not fail. `module` is imported before the
    rights are given up: the interpreter may lie where nobody can read.
    """
    for path in [folder, *folder.parents]:
        if path.stat().st_uid == os.getuid() and path != Path("/"):
            path.chmod(path.stat().st_mode | 0o055)
    prelude = f"import os, sys, {module}\nif os.getuid() == 0: os.setuid(65534)\n"
    return subprocess.run(
        [sys.executable, "-c", prelude + code, *map(str, args)],
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def events(stdout: str) -> list[dict[str, Any]]:
    """Read the events that a process told; every line must be one."""
    return [json.loads(line) for line in stdout.splitlines()]


def named(stdout: str, name: str) -> list[dict[str, Any]]:
    """Read the events of one name."""
    return [event for event in events(stdout) if event["event"] == name]


def converted(done: subprocess.CompletedProcess[str]) -> set[str]:
    """Read which pictures a run told as converted."""
    return {event["key"] for event in named(done.stdout, "image.converted")}


def failed(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    """Read which pictures a run told as failed, and why."""
    return {event["key"]: event["reason"] for event in named(done.stdout, "image.failed")}


def webps(folder: Path) -> dict[str, bytes]:
    """Read all WebPs of a folder, by their relative paths."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*.webp")}


def summary_of(output: Path) -> dict[str, Any]:
    """Read the summary that a run wrote."""
    loaded: dict[str, Any] = json.loads((output / "summary.json").read_text())
    return loaded


def fill(folder: Path, count: int, side: int = 96) -> dict[Path, tuple[int, int]]:
    """Draw `count` pictures into nested folders; give the size of each by its relative path."""
    sizes: dict[Path, tuple[int, int]] = {}
    for number in range(count):
        place = Path(f"year{number % 3}") / f"month{number % 4}" if number % 5 else Path()
        width, height = side + number % 37, side + number % 23
        path = place / f"picture {number}.{'png' if number % 3 == 0 else 'jpg'}"
        (folder / place).mkdir(parents=True, exist_ok=True)
        image = drawing(width, height, number) if number % 3 == 0 else photo(width, height, number)
        image.write_to_file(str(folder / path))
        sizes[path] = (width, height)
    return sizes


def leftovers(output: Path) -> list[Path]:
    """List what no finished run may leave in its output."""
    return [path for path in output.rglob("*tmp-*") if path.is_file() or path.is_symlink()]
