"""Kill -9, SIGTERM and pictures that take the process down: the next run makes it whole."""

from __future__ import annotations

import json
import random
import shutil
import signal
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import (
    COMMAND,
    Program,
    clean_environment,
    events,
    fill,
    leftovers,
    named,
    summary_of,
    webps,
)
from tests.make_pictures import photo, unlike

COUNT, COPIES = 300, 60
SLOWLY = ("--effort", "6", "--webp.sharp-yuv", "true")


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """300 pictures, some broken, some equal, and `fresh`: what an undisturbed run makes of them."""
    home = tmp_path_factory.mktemp("library")
    drawn = sorted(fill(home / "in", COUNT - COPIES - 3, side=400))
    (home / "in/copies").mkdir()
    for number, path in enumerate(drawn[:COPIES]):
        shutil.copy(home / "in" / path, home / f"in/copies/{number}{path.suffix}")
    for number in range(3):
        (home / f"in/broken {number}.png").write_text("<html>")
    subprocess.run(
        [*COMMAND, "run", "--input", home / "in", "--output", home / "fresh", *SLOWLY],
        env=clean_environment(),
        stdout=subprocess.DEVNULL,
        check=False,
    )
    return home


def run_and_kill(command: list[str], after: float, once_started: bool) -> list[dict[str, Any]]:
    """Run, kill -9 some seconds after the start or the first event, and give what was told."""
    process = subprocess.Popen(
        command, env=clean_environment(), stdout=subprocess.PIPE, text=True, bufsize=1
    )
    assert process.stdout is not None
    first = process.stdout.readline() if once_started else ""
    time.sleep(after)
    process.kill()
    told, _ = process.communicate()
    return [json.loads(line) for line in (first + told).splitlines() if line.endswith("}")]


@pytest.mark.parametrize(
    "kills", [10, pytest.param(100, marks=[pytest.mark.long, pytest.mark.timeout(1800)])]
)
def test_kill_9_at_any_moment_then_the_same_command_gives_what_an_undisturbed_run_gives(
    optimizr: Program, library: Path, tmp_path: Path, kills: int
) -> None:
    draw = random.Random(kills)
    out = tmp_path / "out"
    command = [*COMMAND, "run", "--input", str(library / "in"), "--output", str(out), *SLOWLY]
    command += ["--workers", "1", "--pool.cpus", "1"]  # else the first ten find all there is to do
    converted: list[str] = []
    in_the_middle = 0
    for _ in range(kills):
        # One in five from before the ledger is there, the others while pictures are converted.
        once_started = draw.random() > 0.2
        told = run_and_kill(command, draw.uniform(0, 0.9 if once_started else 0.8), once_started)
        done_now = [e["key"] for e in told if e["event"] == "image.converted"]
        in_the_middle += bool(done_now)
        converted += done_now
        failures = {e["key"] for e in told if e["event"] == "image.failed"}
        if failures:
            lines = (out / "failed.jsonl").read_text().splitlines()
            assert failures <= {json.loads(line)["key"] for line in lines}
    done = optimizr("run", "--input", library / "in", "--output", out, *SLOWLY)
    assert done.returncode == 1
    converted += [event["key"] for event in named(done.stdout, "image.converted")]
    assert len(converted) == len(set(converted)), "told as converted, and converted again"
    assert len(converted) > 0.9 * (COUNT - 3)  # the others were committed, and killed untold
    assert in_the_middle > kills / 10
    assert webps(out) == webps(library / "fresh")
    assert leftovers(out) == []
    assert {p.name for p in out.iterdir()} == {p.name for p in (library / "fresh").iterdir()}
    summary = summary_of(out)
    assert (summary["total_files"], summary["failed_files"]) == (COUNT, 3)
    assert summary["tree_done_files"] == COUNT - 3
    assert [line["key"] for line in events((out / "failed.jsonl").read_text())] == [
        f"broken {number}.png" for number in range(3)
    ]


@pytest.mark.long
def test_sigterm_with_a_short_drain_cancels_what_takes_long_and_the_next_run_does_it(
    optimizr: Program, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    photo(100, 80).jpegsave(str(tmp_path / "in/0 quick.jpg"))
    large = photo(9000, 7000, noise=30).jpegsave_buffer(Q=80)
    for number in range(3):
        (tmp_path / f"in/{number + 1} large.jpg").write_bytes(unlike(large, number))
    run = ("run", "--input", tmp_path / "in", "--output", tmp_path / "out")
    process = subprocess.Popen(
        [*COMMAND, *map(str, run), "--limits.drain", "2s", "--effort", "6", "--workers", "3"],
        env=clean_environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    while json.loads(process.stdout.readline())["event"] != "image.converted":
        pass
    process.send_signal(signal.SIGTERM)
    start = time.monotonic()
    told = process.stdout.read()
    process.stdout.close()
    assert process.wait(60) == 143
    assert time.monotonic() - start < 30
    (finished,) = named(told, "run.finished")
    assert (finished["cause"], finished["abandoned_files"]) == ("SIGTERM", 3)
    assert summary_of(tmp_path / "out")["abandoned_files"] == 3
    assert [p.name for p in (tmp_path / "out").glob("*.webp")] == ["0 quick.webp"]
    done = optimizr(*run, "--effort", "6", "--picture.resize.max-width", "100")
    assert done.returncode == 0
    assert len(list((tmp_path / "out").glob("*.webp"))) == 4


CRASH = """
import os, signal
import optimizr.convert as converter
_convert = converter.convert
def convert(picture, *rest):
    if b"kill the process" in picture.data:
        os.kill(os.getpid(), signal.SIGSEGV)
    return _convert(picture, *rest)
converter.convert = convert
"""


def test_a_picture_that_kills_the_process_ends_as_crashed_and_the_third_run_finishes(
    optimizr: Program, tmp_path: Path
) -> None:
    fill(tmp_path / "in", 20)
    deadly = photo(64, 48).jpegsave_buffer()
    (tmp_path / "in/deadly.jpg").write_bytes(deadly + b"kill the process")
    (tmp_path / "hook").mkdir()
    (tmp_path / "hook/sitecustomize.py").write_text(CRASH)

    def run() -> subprocess.CompletedProcess[str]:
        args = ("run", "--input", tmp_path / "in", "--output", tmp_path / "out")
        return optimizr(*args, PYTHONPATH=f"{tmp_path}/hook")

    for _ in range(2):
        assert run().returncode == -signal.SIGSEGV
        between = ("--input", tmp_path / "in", "--output", tmp_path / "out")
        assert optimizr("prune", *between).returncode == 0
    for _ in range(2):  # and it stays so: the fourth does not go down either
        done = run()
        assert done.returncode == 1
        (failure,) = named(done.stdout, "image.failed")
        assert (failure["key"], failure["reason"]) == ("deadly.jpg", "crashed")
        assert "SIGSEGV" in failure["message"]
    assert len(list((tmp_path / "out").rglob("*.webp"))) == 20
    (tmp_path / "in/deadly.jpg").write_bytes(deadly)
    done = run()
    assert done.returncode == 0
    assert [e["key"] for e in named(done.stdout, "image.converted")] == ["deadly.jpg"]


TELL = """
import os
import optimizr.convert as converter
_convert = converter.convert
def convert(picture, *rest):
    with open(os.environ["TOLD"], "a") as file:
        file.write(f"{os.getpid()}\\n")
    return _convert(picture, *rest)
converter.convert = convert
"""


def test_a_picture_in_flight_twice_by_chance_is_converted_alone_to_the_same_bytes(
    optimizr: Program, tmp_path: Path
) -> None:
    fill(tmp_path / "in", 6)
    run = ("run", "--input", tmp_path / "in", "--output", tmp_path / "out")
    assert optimizr(*run).returncode == 0
    before = webps(tmp_path / "out")
    key = "picture 5.jpg"
    webp = tmp_path / "out/picture 5.webp"
    webp.unlink()
    own = tmp_path / "out/.optimizr"
    with closing(sqlite3.connect(own / "ledger.sqlite")) as db, db:
        row = (key.encode(), webp.name.encode(), 1)
        db.execute("insert into unfinished values(?,?,?)", row)
    (own / "in-flight").write_bytes(b"\0".join((key.encode(), webp.name.encode(), b"")))
    (tmp_path / "hook").mkdir()
    (tmp_path / "hook/sitecustomize.py").write_text(TELL)
    done = optimizr(*run, PYTHONPATH=f"{tmp_path}/hook", TOLD=f"{tmp_path}/told")
    assert [e["key"] for e in named(done.stdout, "image.converted")] == [key]
    assert webps(tmp_path / "out") == before
    pid = int((tmp_path / "told").read_text())
    assert pid != named(done.stdout, "run.started")[0]["pid"]
