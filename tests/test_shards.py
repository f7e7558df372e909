"""Shards: each picture is one shard's, they share an output, and another count goes on."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizr.source.shard import Shard
from tests.conftest import (
    COMMAND,
    Program,
    clean_environment,
    converted,
    events,
    fill,
    leftovers,
    named,
    summary_of,
    webps,
)
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
    assert webps(tmp_path / "out") == webps(tmp_path / "one")
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


@pytest.mark.long
def test_the_same_shard_twice_at_once_is_exit_2(optimizr: Program, tmp_path: Path) -> None:
    fill(tmp_path / "in", 60, side=1500)
    run = ["run", "--input", str(tmp_path / "in"), "--output", str(tmp_path / "out")]
    run += ["--effort", "6", "--pool.cpus", "1", "--workers", "1"]
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
    assert len(webps(tmp_path / "out")) == 14


def test_an_index_that_is_no_shard_is_exit_2(optimizr: Program, tmp_path: Path) -> None:
    fill(tmp_path / "in", 1)
    done = optimizr(
        *("run", "--input", tmp_path / "in", "--output", tmp_path / "out"),
        *("--shard.count", "2", "--shard.index", "2"),
    )
    assert done.returncode == 2
    assert "an index below the count of 2" in done.stderr


def part(index: int, count: int) -> list[str]:
    return ["--shard.index", str(index), "--shard.count", str(count)]


def test_a_killed_run_of_another_count_is_taken_over_with_what_only_its_wal_has(
    optimizr: Program, tmp_path: Path
) -> None:
    fill(tmp_path / "in", 20)
    run = ["run", "--input", str(tmp_path / "in"), "--output", str(tmp_path / "out")]
    optimizr(*run)
    for index in range(2):
        optimizr(*run, *part(index, 2))
    fill(tmp_path / "in/more", 60, side=300)
    killed = subprocess.Popen(
        [*COMMAND, *run], env=clean_environment(), stdout=subprocess.PIPE, text=True
    )
    assert killed.stdout is not None
    told = ""
    while told.count("image.converted") < 10:
        told += killed.stdout.readline()
    killed.kill()
    told += killed.communicate()[0]
    before = {
        e["key"] for e in events(told[: told.rindex("\n")]) if e["event"] == "image.converted"
    }
    after = [optimizr(*run, *part(index, 2)) for index in range(2)]
    assert [done.returncode for done in after] == [0, 0]
    assert not before & (converted(after[0]) | converted(after[1]))
    assert len(webps(tmp_path / "out")) == 80


@pytest.mark.long
def test_prune_and_other_counts_keep_off_while_a_shard_is_at_work_again(
    optimizr: Program, tmp_path: Path
) -> None:
    fill(tmp_path / "in", 10)
    where = ["--input", str(tmp_path / "in"), "--output", str(tmp_path / "out")]
    for index in range(2):
        optimizr("run", *where, *part(index, 2))
    assert optimizr("prune", *where).returncode == 0  # has taken over what the shards know
    fill(tmp_path / "in/more", 40, side=1500)
    shard = subprocess.Popen(
        [*COMMAND, "run", *where, *part(0, 2), "--effort", "6"],
        env=clean_environment(),
        stdout=subprocess.PIPE,
    )
    assert shard.stdout is not None
    shard.stdout.readline()
    assert optimizr("prune", *where, "--yes").returncode == 2
    assert optimizr("run", *where).returncode == 2
    shard.communicate()
    assert shard.returncode == 0


def test_shards_that_start_together_take_turns_at_another_counts_ledger(
    optimizr: Program, tmp_path: Path
) -> None:
    fill(tmp_path / "in", 16)
    run = ["run", "--input", str(tmp_path / "in"), "--output", str(tmp_path / "out")]
    optimizr(*run)
    for count in (4, 3):
        shards = [
            subprocess.Popen(
                [*COMMAND, *run, *part(index, count)],
                env=clean_environment(),
                stdout=subprocess.DEVNULL,
            )
            for index in range(count)
        ]
        assert [shard.wait(120) for shard in shards] == [0] * count


def test_a_picture_under_another_extension_stays_in_its_shard(
    optimizr: Program, tmp_path: Path
) -> None:
    fill(tmp_path / "in", 20)
    run = ["run", "--input", str(tmp_path / "in"), "--output", str(tmp_path / "out")]
    for index in range(2):
        optimizr(*run, *part(index, 2))
    for path in list((tmp_path / "in").rglob("*.jpg")):
        path.rename(path.with_suffix(".JPEG"))
    done = [optimizr(*run, *part(index, 2)) for index in range(2)]
    assert [one.returncode for one in done] == [0, 0]
    assert len(webps(tmp_path / "out")) == 20


def test_a_broken_ledger_of_another_count_is_got_past_by_force(
    optimizr: Program, tmp_path: Path
) -> None:
    fill(tmp_path / "in", 12)
    run = ["run", "--input", str(tmp_path / "in"), "--output", str(tmp_path / "out")]
    for index in range(2):
        optimizr(*run, *part(index, 2))
    broken = tmp_path / "out/.optimizr/0-of-2/ledger.sqlite"
    broken.write_bytes(b"junk")
    done = optimizr(*run)
    assert done.returncode == 3
    assert "0-of-2/ledger.sqlite" in done.stderr
    forced = optimizr(*run, "--force")
    assert (forced.returncode, len(converted(forced))) == (0, 12)
    assert converted(optimizr(*run)) == set()


def test_a_dry_run_knows_what_shards_have_done(optimizr: Program, tmp_path: Path) -> None:
    fill(tmp_path / "in", 12)
    run = ["run", "--input", str(tmp_path / "in"), "--output", str(tmp_path / "out")]
    first = optimizr(*run, *part(1, 2))
    for count, expected in ((1, len(converted(first))), (2, 0)):
        (planned,) = events(optimizr(*run, "--dry-run", *part(0, count)).stdout)
        assert planned["skipped_files"] == expected
