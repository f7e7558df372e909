"""Shards: each picture is one shard's, they share an output, and another count goes on."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizr.source.shard import Shard
from tests.conftest import COMMAND, Program, clean_environment, fill, leftovers, named, summary_of
from tests.make_pictures import photo


@given(st.binary(), st.integers(1, 100))
def test_each_key_belongs_to_exactly_one_shard(key: bytes, count: int) -> None:
    assert sum(Shard(index, count).has(key) for index in range(count)) == 1


@pytest.mark.parametrize("count", [2, 3, 10, 64, 100])
def test_shards_are_about_even(count: int) -> None:
    keys = [b"folder %d/picture %d.jpg" % (n % 17, n) for n in range(20_000)]
    expected, deviation = 20_000 / count, (20_000 / count * (1 - 1 / count)) ** 0.5
    for index in range(count):
        shard = Shard(index, count)
        assert abs(sum(map(shard.has, keys)) - expected) < 4 * deviation


def outputs(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*.webp")}


def test_shards_at_once_make_what_one_run_makes_and_each_keeps_its_own_files(
    optimizr: Program, tmp_path: Path
) -> None:
    fill(tmp_path / "in", 60)
    (tmp_path / "in/page.png").write_text("<html>")
    run = ["run", "--input", str(tmp_path / "in"), "--output"]
    optimizr(*run, tmp_path / "one")
    processes = []
    for index in range(3):
        shard = ["--shard.index", str(index), "--shard.count", "3"]
        with open(tmp_path / f"log{index}", "w") as log:
            command = [*COMMAND, *run, str(tmp_path / "out"), *shard]
            processes.append(subprocess.Popen(command, env=clean_environment(), stdout=log))
    codes = sorted(process.wait(120) for process in processes)
    assert codes == [0, 0, 1]
    assert outputs(tmp_path / "out") == outputs(tmp_path / "one")
    assert leftovers(tmp_path / "out") == []
    names = {path.name for path in (tmp_path / "out").iterdir() if path.is_file()}
    summaries = {name for name in names if name.startswith("summary")}
    assert summaries == {f"summary-{index}-of-3.json" for index in range(3)}
    assert len([name for name in names if name.startswith("failed-")]) == 1
    logs = [tmp_path / f"log{index}" for index in range(3)]
    told = [e["key"] for log in logs for e in named(log.read_text(), "image.converted")]
    assert len(told) == len(set(told)) == 60
    optimizr("report", *logs, "--json", tmp_path / "whole.json")
    whole = summary_of(tmp_path / "one")
    (tmp_path / "whole.json").rename(tmp_path / "summary.json")
    merged = summary_of(tmp_path)
    for figure in ("total_files", "failed_files", "total_output_bytes", "ignored_files"):
        assert merged[figure] == whole[figure]


def test_the_same_shard_twice_at_once_is_exit_2(optimizr: Program, tmp_path: Path) -> None:
    fill(tmp_path / "in", 40, side=1500)
    run = ["run", "--input", str(tmp_path / "in"), "--output", str(tmp_path / "out")]
    run += ["--effort", "6"]
    part = ["--shard.count", "2", "--shard.index"]
    first = subprocess.Popen(
        [*COMMAND, *run, *part, "0"], env=clean_environment(), stdout=subprocess.PIPE, text=True
    )
    assert first.stdout is not None
    first.stdout.readline()
    second = optimizr(*run, *part, "0")
    assert second.returncode == 2
    assert f"pid {first.pid}" in second.stderr
    assert optimizr(*run).returncode == 2, "another count while a shard is at work"
    first.communicate()
    assert first.returncode == 0


def test_another_count_goes_on_where_the_others_were(optimizr: Program, tmp_path: Path) -> None:
    fill(tmp_path / "in", 40)
    run = ["run", "--input", str(tmp_path / "in"), "--output", str(tmp_path / "out")]
    first = optimizr(*run, "--shard.count", "2", "--shard.index", "1")
    done = {event["key"] for event in named(first.stdout, "image.converted")}
    assert 0 < len(done) < 40
    whole = optimizr(*run)
    assert whole.returncode == 0
    assert {event["key"] for event in named(whole.stdout, "image.skipped")} == done
    assert len(named(whole.stdout, "image.converted")) == 40 - len(done)
    photo(50, 40).jpegsave(str(tmp_path / "in/picture 5.jpg"))
    converted = []
    for index in range(3):
        part = optimizr(*run, "--shard.count", "3", "--shard.index", str(index))
        assert part.returncode == 0
        converted += [event["key"] for event in named(part.stdout, "image.converted")]
    assert converted == ["picture 5.jpg"]
    # The newer outcome counts, whichever ledger it is in.
    again = optimizr(*run)
    assert named(again.stdout, "image.converted") == []
    assert again.returncode == 0


def test_prune_knows_what_all_shards_have_made(optimizr: Program, tmp_path: Path) -> None:
    fill(tmp_path / "in", 20)
    run = ["--input", str(tmp_path / "in"), "--output", str(tmp_path / "out")]
    for index in range(2):
        optimizr("run", *run, "--shard.count", "2", "--shard.index", str(index))
    for path in list((tmp_path / "in").rglob("*.jpg"))[:6]:
        path.unlink()
    assert optimizr("prune", *run, "--yes").stdout.count("\n") == 6
    assert len(outputs(tmp_path / "out")) == 14


def test_an_index_that_is_no_shard_is_exit_2(optimizr: Program, tmp_path: Path) -> None:
    fill(tmp_path / "in", 1)
    done = optimizr(
        *("run", "--input", tmp_path / "in", "--output", tmp_path / "out"),
        *("--shard.count", "2", "--shard.index", "2"),
    )
    assert done.returncode == 2
    assert "an index below the count of 2" in done.stderr
