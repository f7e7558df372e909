"""What the image installs is locked, and the lock satisfies what pyproject.toml asks for."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from docs.generate import ROOT

EXTRAS = ("fast", "look", "cloud", "queue", "otel")
"""Of the image; `.ci/lock` has them too."""


def locked(name: str) -> dict[str, str]:
    """Read the versions of a lock; each must have a hash."""
    text = (ROOT / f"config/container/{name}.txt").read_text()
    entries = re.findall(
        r"^([\w.-]+)==(\S+)((?: \\\n    --hash=sha256:[0-9a-f]{64})+)$", text, re.MULTILINE
    )
    assert len(entries) == len(re.findall(r"^[^\s#]", text, re.MULTILINE)), "one is without hashes"
    return {canonicalize_name(project): version for project, version, _ in entries}


def wanted(extras: tuple[str, ...]) -> Iterator[Requirement]:
    """Give what the program and some of its extras need, extras of extras too."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = [*project["dependencies"]]
    for extra in extras:
        lines += project["optional-dependencies"][extra]
    for requirement in map(Requirement, lines):
        if requirement.name == "optimizr":
            yield from wanted(tuple(sorted(requirement.extras)))
        else:
            yield requirement


@pytest.mark.parametrize("requirement", set(map(str, wanted(EXTRAS))))
def test_what_pyproject_asks_for_is_locked(requirement: str) -> None:
    asked, versions = Requirement(requirement), locked("requirements")
    version = versions.get(canonicalize_name(asked.name))
    assert version, f"{asked.name} is not locked: run .ci/lock"
    assert asked.specifier.contains(version), f"{asked} is not {version}: run .ci/lock"


def test_what_builds_the_wheel_is_locked() -> None:
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    assert {canonicalize_name(Requirement(line).name) for line in build} <= locked("build").keys()


def test_the_lock_names_no_index_and_is_of_the_extras_of_the_image() -> None:
    for name in ("requirements", "build"):
        assert "://" not in (ROOT / f"config/container/{name}.txt").read_text()
    script = (ROOT / ".ci/lock").read_text()
    assert tuple(re.findall(r"--extra (\w+)", script)) == EXTRAS
