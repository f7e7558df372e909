"""A program that is started once and forked for each run of it: most of a short run is its start.

`python -m tests.warm` has all of the program loaded and nothing begun. For each line on stdin, a
JSON object, it forks a process that goes on as the program would: with its own arguments,
environment, folder and output. Tests that are about the start itself begin a process of their own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from optimizr import cli


class Warm:
    """The program, loaded; its runs come one after the other."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.warm"],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(
        self, argv: list[str], environment: dict[str, str], folder: Path
    ) -> subprocess.CompletedProcess[str]:
        """Run to the end."""
        out, err = folder / "stdout", folder / "stderr"
        asked = {"argv": argv, "env": environment, "cwd": str(folder / "cwd")}
        asked |= {"out": str(out), "err": str(err)}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        code = int(self._process.stdout.readline())
        done = subprocess.CompletedProcess(argv, code, _text(out), _text(err))
        out.unlink()
        err.unlink()
        return done

    def close(self) -> None:
        """End it."""
        self._process.communicate()


def _text(path: Path) -> str:
    return path.read_bytes().decode()


def main() -> None:
    for name in cli.COMMANDS:
        import_module(f"optimizr.cli.{name}")
    assert len(os.listdir("/proc/self/task")) == 1, "a fork would lose threads"
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            _become(json.loads(line))
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def _become(asked: dict[str, Any]) -> None:
    os.chdir(asked["cwd"])
    os.environ.clear()
    os.environ.update(asked["env"])
    for number, path in ((1, asked["out"]), (2, asked["err"])):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.argv = ["optimizr", *asked["argv"]]
    sys.exit(cli.main())


if __name__ == "__main__":
    main()
