"""The world goes wrong in mid-run: real full disks, a vanished output."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import COMMAND, Program, as_nobody, clean_environment, fill, leftovers, named


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"full disk: this machine may not mount a tmpfs ({mounted.stderr.strip()})")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_stops_the_run_with_exit_3_and_it_goes_on_once_there_is_room(
    optimizr: Program, tmp_path: Path, small_disk: Path
) -> None:
    fill(tmp_path / "in", 60, side=200)
    run = ("run", "--input", tmp_path / "in", "--output", small_disk / "out")
    full = optimizr(*run)
    assert full.returncode == 3
    assert named(full.stdout, "image.failed") == []
    (finished,) = named(full.stdout, "run.finished")
    assert (finished["exit_code"], finished["cause"]) == (3, "disk_full")
    assert "make room" in finished["message"]
    assert 0 < len(named(full.stdout, "image.converted")) < 60
    assert leftovers(small_disk) == []
    subprocess.run(["mount", "-o", "remount,size=16m", str(small_disk)], check=True)
    assert optimizr(*run).returncode == 0
    assert len(list(small_disk.rglob("*.webp"))) == 60


def test_an_output_that_vanishes_stops_the_run_with_exit_3(tmp_path: Path) -> None:
    fill(tmp_path / "in", 40, side=600)
    process = subprocess.Popen(
        [*COMMAND, "run", "--input", tmp_path / "in", "--output", tmp_path / "out"],
        env=clean_environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if json.loads(line)["event"] == "image.converted":
            break
    (tmp_path / "out").rename(tmp_path / "away")
    told = process.stdout.read()
    process.stdout.close()
    assert process.wait(60) == 3
    (finished,) = named(told, "run.finished")
    assert finished["cause"] == "output_gone"
    assert not (tmp_path / "out").exists()
    assert named(told, "image.failed") == []


def test_a_summary_that_cannot_be_written_is_exit_3(optimizr: Program, tmp_path: Path) -> None:
    fill(tmp_path / "in", 3)
    (tmp_path / "out/summary.json/in the way").mkdir(parents=True)
    done = optimizr("run", "--input", tmp_path / "in", "--output", tmp_path / "out")
    assert done.returncode == 3
    (finished,) = named(done.stdout, "run.finished")
    assert (finished["exit_code"], finished["cause"]) == (3, "report_lost")
    assert "summary.json" in finished["message"]
    assert "Traceback" not in done.stderr
    assert len(list((tmp_path / "out").rglob("*.webp"))) == 3


def test_a_folder_that_cannot_be_listed_is_never_tolerated(tmp_path: Path) -> None:
    fill(tmp_path / "in", 6)
    (tmp_path / "in/closed").mkdir(mode=0)
    (tmp_path / "out").mkdir(mode=0o777)
    (tmp_path / "out").chmod(0o777)
    code = "print(optimizr.cli.main(sys.argv[1:]))"
    run = ("run", "--input", tmp_path / "in", "--output", tmp_path / "out")
    told = as_nobody(tmp_path, "optimizr.cli.run", code, *run, "--policy.max-failed", "100%")
    log, code = told.removesuffix("\n").rsplit("\n", 1)
    assert code == "1"
    (failure,) = named(log, "image.failed")
    assert (failure["key"], failure["reason"]) == ("closed", "folder_unreadable")
    assert len(named(log, "image.converted")) == 6


def test_a_log_that_cannot_grow_stops_the_run_with_exit_3(
    optimizr: Program, tmp_path: Path
) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("full log: there is no /dev/full here")
    fill(tmp_path / "in", 20)
    done = optimizr(
        *("run", "--input", tmp_path / "in", "--output", tmp_path / "out"),
        *("--log.file", "/dev/full"),
    )
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    (finished,) = named(done.stdout, "run.finished")
    assert finished["cause"] == "log_lost"


def test_pictures_that_vanish_after_listing_are_failures_of_their_own(
    tmp_path: Path,
) -> None:
    fill(tmp_path / "in", 40, side=600)
    (tmp_path / "in/zz").mkdir()
    fill(tmp_path / "in/zz", 3)
    process = subprocess.Popen(
        [*COMMAND, "run", "--input", tmp_path / "in", "--output", tmp_path / "out"],
        env=clean_environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    process.stdout.readline()
    shutil.rmtree(tmp_path / "in/zz")
    told = process.stdout.read()
    process.stdout.close()
    failures = named(told, "image.failed")
    assert process.wait(60) in (0, 1)
    assert {failure["reason"] for failure in failures} <= {"not_found"}
    assert len(named(told, "image.converted")) == 40
