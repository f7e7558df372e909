"""One server for all workers of a run: the first that asks starts it, the last one out ends it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import pytest
from filelock import FileLock

from tests.watching import wait_until

Facts = dict[str, Any]
"""What a worker must know of a server; goes through JSON."""
OWN = {"PATH": os.defpath, "PYTHONPATH": str(Path(__file__).parents[2])}
"""The environment of a server that is a module of these tests."""
_ATTEMPTS = 3


class Command(NamedTuple):
    """How a server is started, and how it tells that it is up."""

    arguments: list[str]
    environment: Mapping[str, str]
    facts: Facts
    ready: Callable[[], Any]
    """Is asked until it gives something true; may raise OSError before."""
    litter: tuple[Path, ...] = ()
    """Files that the server leaves outside of its folder when it is killed."""


class ServerError(Exception):
    """A server ended, or never answered."""


@contextmanager
def shared(
    factory: pytest.TempPathFactory, name: str, command: Callable[[Path], Command]
) -> Iterator[Facts]:
    """Give the facts of a server that all workers of this run share."""
    folder = run_root(factory) / f"server-{name}"
    folder.mkdir(exist_ok=True)
    with FileLock(folder / "lock"):
        state = _load(folder) or _start(folder, command)
        _save(folder, state | {"holders": [*state["holders"], os.getpid()]})
    try:
        yield state["facts"]
    finally:
        with FileLock(folder / "lock"):
            _leave(folder)


@contextmanager
def running(folder: Path, command: Callable[[Path], Command]) -> Iterator[Facts]:
    """Give the facts of a server that is this process's alone."""
    folder.mkdir(exist_ok=True)
    state = _start(folder, command)
    try:
        yield state["facts"]
    finally:
        _end(state)


def run_root(factory: pytest.TempPathFactory) -> Path:
    """Give the folder that all workers of this run see, and no other run does."""
    own = factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


def _load(folder: Path) -> Facts | None:
    try:
        loaded: Facts = json.loads((folder / "state.json").read_text())
    except FileNotFoundError:
        return None
    return loaded


def _save(folder: Path, state: Facts) -> None:
    (folder / "state.json").write_text(json.dumps(state))


def _start(folder: Path, command: Callable[[Path], Command]) -> Facts:
    """Start it. A free port may be taken before the server binds it: so more than once."""
    for _ in range(_ATTEMPTS):
        # A new one: the last that let go has ended a server before, and another asks again.
        home = Path(tempfile.mkdtemp(prefix="home-", dir=folder))
        made = command(home)
        pid = _spawn(made, home / "log")
        state = {
            "pid": pid,
            "created": psutil.Process(pid).create_time(),
            "litter": [str(path) for path in made.litter],
            "facts": made.facts,
            "holders": [],
        }
        try:
            wait_until(partial(_is_up, made, pid), seconds=30)
        except (AssertionError, ServerError):
            _end(state)
        else:
            return state
    log = (home / "log").read_text(errors="replace")[-2000:]
    raise ServerError(f"{made.arguments[0]} is not up after {_ATTEMPTS} attempts: {log}")


def _spawn(made: Command, log: Path) -> int:
    """Start a process that may outlive this one: a Popen would complain when it is dropped."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    return os.posix_spawn(
        made.arguments[0],
        made.arguments,
        dict(made.environment),
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), flags, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
    )


def _is_up(made: Command, pid: int) -> Any:
    if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
        raise ServerError(f"{made.arguments[0]} ended")
    return made.ready()


def _leave(folder: Path) -> None:
    """Let go of it. Workers that crashed have not: who no longer lives holds nothing."""
    state = _load(folder)
    assert state is not None
    state["holders"].remove(os.getpid())
    if any(map(psutil.pid_exists, state["holders"])):
        _save(folder, state)
    else:
        (folder / "state.json").unlink()
        _end(state)


def _end(state: Facts) -> None:
    """Kill it: there is nothing to save, and a polite SeaweedFS takes half a minute and more."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(state["pid"])
        if process.create_time() == state["created"]:  # else its number is another's by now
            process.send_signal(signal.SIGKILL)
    for path in state["litter"]:
        Path(path).unlink(missing_ok=True)
    with contextlib.suppress(ChildProcessError):  # another worker started it
        os.waitpid(state["pid"], 0)
