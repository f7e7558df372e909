"""Pages drawn from the code are as the code is; what the README says has been run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from functools import reduce
from pathlib import Path

import pytest

from docs.generate import ROOT, render
from tests.conftest import clean_environment
from tests.make_pictures import make
from tests.servers.seaweed import S3
from tests.servers.sqs import Sqs
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


def is_of_queues(command: str) -> bool:
    return "sqs://" in command


def is_of_buckets(command: str) -> bool:
    return ("s3://" in command or "bucket.yaml" in command) and not is_of_queues(command)


def run_as_written(command: str, folder: Path, **env: str) -> None:
    """Run a command of the README in `folder`, which stands for /tmp too."""
    program = f"{sys.executable} -m optimizr"
    own = command[command.index("optimizr ") :].replace(" /tmp/", f" {folder}/")
    own = own.replace(":9464", f":{free_port()}")
    own = own.replace("optimizr ", f"{program} ", 1)
    done = subprocess.run(
        own,
        shell=True,
        cwd=folder,
        env=clean_environment(PATH=os.environ["PATH"], **env),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command}: {done.stderr}"


def test_every_optimizr_command_of_the_readme_runs(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "tests/pictures", tmp_path / "tests/pictures")
    shutil.copytree(ROOT / "config", tmp_path / "config")
    shutil.copytree(ROOT / "tests/pictures", tmp_path / "pictures")
    for command in readme_commands():
        if "optimizr " in command and not (is_of_buckets(command) or is_of_queues(command)):
            run_as_written(command, tmp_path)


def test_the_bucket_commands_of_the_readme_run(tmp_path: Path, s3: S3) -> None:
    pictures, webps = s3.new_bucket("pictures"), s3.new_bucket("webps")

    def with_real_buckets(text: str) -> str:
        return text.replace("s3://pictures/", f"s3://{pictures}/").replace(
            "//webps/", f"//{webps}/"
        )

    for path in (ROOT / "tests/pictures/photos").iterdir():
        s3.client.put_object(Bucket=pictures, Key=f"2024/{path.name}", Body=path.read_bytes())
    config = (ROOT / "config/bucket.yaml").read_text()
    (tmp_path / "config").mkdir()
    (tmp_path / "config/bucket.yaml").write_text(with_real_buckets(config))
    commands = [command for command in readme_commands() if is_of_buckets(command)]
    assert len(commands) > 1
    for command in commands:
        run_as_written(with_real_buckets(command), tmp_path, **s3.environment())
    made = s3.client.list_objects_v2(Bucket=webps, Prefix="2024/")["Contents"]
    assert "2024/landscape.jpg.webp" in {found["Key"] for found in made}


def test_the_queue_commands_of_the_readme_run(tmp_path: Path, s3: S3, sqs: Sqs) -> None:
    pictures, webps, queue = s3.new_bucket("pictures"), s3.new_bucket("webps"), sqs.new_queue()
    key = "2024/landscape.jpg"
    data = (ROOT / "tests/pictures/photos/landscape.jpg").read_bytes()
    s3.client.put_object(Bucket=pictures, Key=key, Body=data)
    real = {
        "s3://pictures": f"s3://{pictures}",
        "s3://webps": f"s3://{webps}",
        "sqs://pictures": f"sqs://{queue}",
    }
    commands = [command for command in readme_commands() if is_of_queues(command)]
    assert len(commands) > 1
    for command in sorted(commands, key=lambda command: "enqueue" not in command):
        own = reduce(lambda text, name: text.replace(name, real[name]), real, command)
        environment = {**sqs.environment(), **s3.environment(), "OPTIMIZR_QUEUE__IDLE_EXIT": "1s"}
        run_as_written(own, tmp_path, **environment)
    s3.client.head_object(Bucket=webps, Key=f"{key}.webp")
