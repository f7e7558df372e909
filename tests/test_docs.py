"""Pages drawn from the code are as the code is; what the README says has been run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from docs.generate import ROOT, render
from tests.conftest import clean_environment
from tests.make_pictures import make
from tests.watching import free_port


@pytest.mark.parametrize("path", render())
def test_generated_pages_are_as_the_code_is(path: str) -> None:
    made = (ROOT / path).read_text()
    assert made == render()[path], "run `python -m docs.generate`"


def test_links_between_pages_lead_somewhere() -> None:
    for page in [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_the_pictures_are_those_that_the_script_draws(tmp_path: Path) -> None:
    make(tmp_path)
    made = {p.relative_to(tmp_path) for p in tmp_path.rglob("*") if p.is_file()}
    home = ROOT / "tests/pictures"
    assert made == {p.relative_to(home) for p in home.rglob("*") if p.is_file()}


def readme_commands() -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line]


def test_the_readme_begins_with_the_two_commands() -> None:
    run, test = readme_commands()[:2]
    assert "optimizr run" in run
    assert test.endswith("pytest")


def test_every_optimizr_command_of_the_readme_runs(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "tests/pictures", tmp_path / "tests/pictures")
    shutil.copytree(ROOT / "config", tmp_path / "config")
    shutil.copytree(ROOT / "tests/pictures", tmp_path / "pictures")
    program = f"{sys.executable} -m optimizr"
    for command in readme_commands():
        if "optimizr " not in command:
            continue
        own = command[command.index("optimizr ") :].replace(" /tmp/", f" {tmp_path}/")
        own = own.replace(":9464", f":{free_port()}")
        own = own.replace("optimizr ", f"{program} ", 1)
        done = subprocess.run(
            own,
            shell=True,
            cwd=tmp_path,
            env=clean_environment(PATH=os.environ["PATH"]),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command}: {done.stderr}"
