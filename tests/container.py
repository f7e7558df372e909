"""The image built on this machine, and containers of it, with the programs of Debian.

No registry is asked: the base is made by debootstrap from the mirror that apt names. All is kept
in build/container, so what was built once is there the next time.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from filelock import FileLock

from docs.generate import ROOT
from tests.conftest import clean_environment

Done = subprocess.CompletedProcess[str]

BASE = "docker.io/library/debian:trixie-slim"
IMAGE = "localhost/optimizr-test"
HOME = ROOT / "build/container"
_STORAGE = ("--root", str(HOME / "storage"), "--runroot", str(HOME / "run"))
_PROGRAMS = ("buildah", "podman", "debootstrap", "runc")
_SLIM_WITHOUT = ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/man")
"""What Debian's own slim image has not either."""
_FOR_PIP = ("/etc/pip.conf", "/etc/ssl/certs/ca-certificates.crt")
"""What pip needs to reach its index where that is a company's."""


def missing() -> str:
    """Say what containers lack here; nothing if they can be had."""
    if os.getuid():
        return "containers are built and run by root"
    programs = [name for name in _PROGRAMS if shutil.which(name) is None]
    return f"not installed: {', '.join(programs)}" if programs else ""


def build() -> None:
    """Build the image, or skip the test where Debian cannot be had."""
    HOME.mkdir(parents=True, exist_ok=True)
    with FileLock(HOME / "lock"):
        if _call("podman", "image", "exists", BASE, check=False).returncode:
            _make_base()
        volumes = [f"--volume={path}:{path}:ro" for path in _FOR_PIP if os.path.exists(path)]
        _call(
            *("buildah", "build", "--isolation=chroot", "--network=host", "--pull=never"),
            *("--format=docker", "--layers", *volumes, "--tag", IMAGE, str(ROOT)),
        )


def _make_base() -> None:
    tree = HOME / "debian"
    shutil.rmtree(tree, ignore_errors=True)
    _run("debootstrap", "--variant=minbase", "--include=ca-certificates", "trixie", tree, _mirror())
    excluded = [f"--exclude=./{path}/*" for path in _SLIM_WITHOUT]
    with subprocess.Popen(
        ["tar", "--directory", tree, "--create", *excluded, "."], stdout=subprocess.PIPE
    ) as tar:
        _call("podman", "import", "-", BASE, stdin=tar.stdout)
    assert tar.returncode == 0
    shutil.rmtree(tree)


def _mirror() -> str:
    """Give the mirror of Debian that apt is set up with."""
    asked = ("apt-get", "indextargets", "--format", "$(REPO_URI)", "Origin: Debian")
    mirrors = _run(*asked, "Label: Debian").stdout.split()
    if not mirrors:
        pytest.skip("apt names no mirror of Debian; apt-get update")
    return mirrors[0]


def podman(*args: object, check: bool = True) -> Done:
    """Run podman to its end."""
    return _call("podman", "--runtime", "runc", *args, check=check)


def to_run(*args: object, network: str = "none") -> list[str]:
    """Give the arguments of a container with limits, on whose root nothing can be written.

    A container inherits no more than we may have ourselves, which podman does not see by itself.
    """
    limits = [
        f"--ulimit={name}={hard}:{hard}"
        for name, number in (("nofile", resource.RLIMIT_NOFILE), ("nproc", resource.RLIMIT_NPROC))
        if (hard := min(resource.getrlimit(number)[1], 20000)) > 0
    ]
    return [
        *("run", "--read-only", "--read-only-tmpfs=false", "--memory=512m", "--cpus=1"),
        *(f"--network={network}", *limits, *map(str, args)),
    ]


@contextmanager
def started(*args: object) -> Iterator[str]:
    """Start a container, give its name, and remove it at the end of the `with`."""
    name = podman(*to_run("--detach", *args)).stdout.strip()
    try:
        yield name
    finally:
        podman("rm", "--force", "--time=0", name)


def _call(program: str, *args: object, check: bool = True, stdin: Any = None) -> Done:
    """Run podman or buildah on a storage of our own."""
    return _run(program, *_STORAGE, *args, check=check, stdin=stdin)


def _run(*args: object, check: bool = True, stdin: Any = None) -> Done:
    done = subprocess.run(
        list(map(str, args)),
        env=clean_environment(),
        stdin=stdin,
        capture_output=True,
        text=True,
        check=False,
    )
    if check and done.returncode:
        said = done.stdout[-4000:] + done.stderr[-4000:]
        raise AssertionError(f"{args}: exit code {done.returncode}\n{said}")
    return done
