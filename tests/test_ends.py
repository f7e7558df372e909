"""Ends at bad moments, and what may stand where a run comes back to."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from optimizr import Settings, books, pipeline
from optimizr.errors import ConfigError, EnvironmentStop
from optimizr.events import Event, ImageConverted
from optimizr.ledger.lock import Lock
from optimizr.pool import Stop
from optimizr.prune import prune
from optimizr.store.local import LocalStore
from tests.conftest import (
    COMMAND,
    Program,
    clean_environment,
    converted,
    events,
    failed,
    fill,
    named,
    summary_of,
)
from tests.make_pictures import photo


def hard(path: Path) -> bytes:
    """Draw a JPEG that a WebP of quality 100 is larger than."""
    data: bytes = photo(120, 90, noise=20).jpegsave_buffer(Q=20)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return data


@pytest.mark.long
@pytest.mark.parametrize("when", [1, 2, 3])
def test_a_kill_in_the_middle_of_a_checkpoint_leaves_a_ledger_that_goes_on(
    optimizr: Program, tmp_path: Path, when: int
) -> None:
    if shutil.which("strace") is None:
        pytest.skip("kill in a checkpoint: strace is not installed")
    fill(tmp_path / "in", 150, side=16)
    run = ("run", "--input", tmp_path / "in", "--output", tmp_path / "out")
    optimizr("run", "--input", tmp_path / "in/year1", "--output", tmp_path / "out")
    ledger = tmp_path / "out/.optimizr/ledger.sqlite"
    killed = subprocess.run(
        [
            *("strace", "-f", "-qq", "-o", "/dev/null", "-P", str(ledger)),
            *("-e", f"inject=pwrite64:signal=SIGKILL:when={when}", *COMMAND, *map(str, run)),
        ],
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if "ptrace" in killed.stderr:
        pytest.skip(f"kill in a checkpoint: strace may not trace here ({killed.stderr.strip()})")
    assert killed.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL)
    done = optimizr(*run)
    assert done.returncode == 0
    told = [e["key"] for out in (killed, done) for e in named(out.stdout, "image.converted")]
    assert len(told) == len(set(told)) == 150


def test_a_ledger_that_is_corrupt_inside_is_begun_anew_by_force(
    optimizr: Program, tmp_path: Path
) -> None:
    fill(tmp_path / "in", 120, side=16)
    run = ("run", "--input", tmp_path / "in", "--output", tmp_path / "out")
    optimizr(*run)
    ledger = tmp_path / "out/.optimizr/ledger.sqlite"
    with open(ledger, "r+b") as file:
        file.seek(4096 * 6)
        file.write(os.urandom(ledger.stat().st_size - 4096 * 6))
    assert optimizr(*run).returncode == 3
    done = optimizr(*run, "--force")
    assert done.returncode == 0
    assert len(converted(done)) == 120


def test_a_wal_without_its_ledger_is_not_replayed_into_a_new_one(
    optimizr: Program, tmp_path: Path
) -> None:
    fill(tmp_path / "in", 3)
    run = ("run", "--input", tmp_path / "in", "--output", tmp_path / "out")
    own = tmp_path / "out/.optimizr"
    own.mkdir(parents=True)
    with closing(sqlite3.connect(tmp_path / "other.sqlite")) as db:
        db.execute("pragma journal_mode=wal")
        db.execute("create table cats(name)")
        shutil.copy(tmp_path / "other.sqlite-wal", own / "ledger.sqlite-wal")
    assert optimizr(*run).returncode == 0
    assert len(converted(optimizr(*run, "--force"))) == 3


def test_originals_are_never_taken_for_outputs_whatever_way_leads_to_them(
    optimizr: Program, tmp_path: Path
) -> None:
    data = hard(tmp_path / "lib/hard.jpg")
    (tmp_path / "link").symlink_to("lib")
    args = ("--input", tmp_path / "lib", "--output", tmp_path / "link")
    copying = ("--quality", "100", "--policy.if-larger", "copy", "--policy.overwrite")
    for overwrite in ("never", "always", "changed"):
        assert optimizr("run", *args, *copying, overwrite).returncode == 0
        assert optimizr("prune", *args, "--yes").returncode == 0
        assert (tmp_path / "lib/hard.jpg").read_bytes() == data
        assert optimizr("run", *args, "--quality", "100").returncode == 0


def test_what_was_left_alone_is_not_ours_afterwards(optimizr: Program, tmp_path: Path) -> None:
    hard(tmp_path / "in/hard.jpg")
    photo(50, 40).jpegsave(str(tmp_path / "in/other.jpg"))
    (tmp_path / "out").mkdir()
    (tmp_path / "out/hard.jpg").write_bytes(b"mine")
    args = ("--input", tmp_path / "in", "--output", tmp_path / "out")
    done = optimizr(
        *("run", *args, "--quality", "100", "--policy.if-larger", "copy"),
        *("--policy.overwrite", "never"),
    )
    assert done.returncode == 0
    (tmp_path / "in/hard.jpg").unlink()
    optimizr("prune", *args, "--yes")
    assert (tmp_path / "out/hard.jpg").read_bytes() == b"mine"


SLOW_CHILD = """
import sys, time
if sys.argv[0] == "-c":
    time.sleep(0.7)
"""


def test_a_child_that_starts_slowly_converts_all_the_same(
    optimizr: Program, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    photo(900, 700, noise=30).jpegsave(str(tmp_path / "in/large.jpg"), Q=95)
    assert (tmp_path / "in/large.jpg").stat().st_size > 200_000
    run = ("run", "--input", tmp_path / "in", "--output", tmp_path / "out")
    optimizr("run", "--input", tmp_path / "in", "--output", tmp_path / "fresh")
    optimizr(*run)
    (tmp_path / "out/large.webp").unlink()
    with closing(sqlite3.connect(tmp_path / "out/.optimizr/ledger.sqlite")) as db, db:
        db.execute("insert into unfinished values(?,?,?)", (b"large.jpg", b"large.webp", 2))
    (tmp_path / "hook").mkdir()
    (tmp_path / "hook/sitecustomize.py").write_text(SLOW_CHILD)
    start = time.monotonic()
    done = optimizr(*run, PYTHONPATH=f"{tmp_path}/hook")
    assert converted(done) == {"large.jpg"}
    assert 0.7 < time.monotonic() - start < 60
    assert (tmp_path / "out/large.webp").read_bytes() == (
        tmp_path / "fresh/large.webp"
    ).read_bytes()


def test_dead_letters_that_cannot_be_copied_are_told_with_the_failure(
    optimizr: Program, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/page.png").write_text("<html>")
    (tmp_path / "dead/page.png").mkdir(parents=True)
    run = ("run", "--input", tmp_path / "in", "--output", tmp_path / "out")
    done = optimizr(*run, "--dead-letter", tmp_path / "dead")
    assert done.returncode == 1
    (failure,) = named(done.stdout, "image.failed")
    assert failure["reason"] == "not_a_picture"
    assert "not copied to dead_letter" in failure["message"]


def test_dead_letters_never_go_over_the_originals_or_the_outputs(
    optimizr: Program, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    page = tmp_path / "in/page.png"
    page.write_text("<html>")
    before = page.stat()
    out = tmp_path / "out"
    for source in (tmp_path / "in", page, f"@{out}/failed.jsonl"):
        done = optimizr("run", "--input", source, "--output", out, "--dead-letter", tmp_path / "in")
        assert done.returncode == 2
        optimizr("run", "--input", tmp_path / "in", "--output", out)
    after = page.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    refused = optimizr("run", "--input", tmp_path / "in", "--output", out, "--dead-letter", out)
    assert refused.returncode == 2
    assert "another directory than the output" in refused.stderr


def test_an_input_that_is_not_mounted_wipes_out_nothing(optimizr: Program, tmp_path: Path) -> None:
    fill(tmp_path / "in", 4)
    (tmp_path / "in/page.png").write_text("<html>")
    run = ("run", "--input", tmp_path / "in", "--output", tmp_path / "out")
    optimizr(*run)
    before = (tmp_path / "out/failed.jsonl").read_text()
    (tmp_path / "in").rename(tmp_path / "away")
    (tmp_path / "in").mkdir()
    assert optimizr(*run).returncode == 0
    assert (tmp_path / "out/failed.jsonl").read_text() == before
    (tmp_path / "in").rmdir()
    (tmp_path / "away").rename(tmp_path / "in")
    assert converted(optimizr(*run)) == set()


def test_prune_stops_when_its_input_goes_away(optimizr: Program, tmp_path: Path) -> None:
    fill(tmp_path / "in", 12)
    optimizr("run", "--input", tmp_path / "in", "--output", tmp_path / "out")
    for path in list((tmp_path / "in").rglob("*.png"))[:2]:
        path.unlink()
    settings = Settings(input=str(tmp_path / "in"), output=str(tmp_path / "out"))
    orphans = prune(settings, remove=True, stop=Stop())
    next(orphans)
    (tmp_path / "in").rename(tmp_path / "away")
    with pytest.raises(EnvironmentStop, match="another directory than at the start"):
        list(orphans)
    assert len(list((tmp_path / "out").rglob("*.webp"))) == 11


def test_an_output_that_went_to_another_picture_is_not_the_first_ones_any_more(
    optimizr: Program, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    first, second = tmp_path / "in/a.jpg", tmp_path / "in/a.png"
    Image.new("RGB", (16, 16), "red").save(first)
    run = ("run", "--input", tmp_path / "in", "--output", tmp_path / "out")
    assert converted(optimizr(*run)) == {"a.jpg"}
    red = (tmp_path / "out/a.webp").read_bytes()
    first.rename(tmp_path / "kept.jpg")
    Image.new("RGB", (16, 16), "lime").save(second)
    assert converted(optimizr(*run)) == {"a.png"}
    second.unlink()
    (tmp_path / "kept.jpg").rename(first)
    assert converted(optimizr(*run)) == {"a.jpg"}
    assert (tmp_path / "out/a.webp").read_bytes() == red


def test_names_follow_the_naming_rule_for_webp_sources_too(
    optimizr: Program, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    photo(60, 40).webpsave(str(tmp_path / "in/c.webp"))
    run = ("run", "--input", tmp_path / "in", "--output", tmp_path / "out")
    args = (*run, "--picture.formats", "webp", "--policy.naming")
    for naming, name in (("replace", "c.webp"), ("append", "c.webp.webp"), ("replace", "c.webp")):
        assert optimizr(*args, naming).returncode == 0
        assert (tmp_path / "out" / name).exists()
        optimizr("prune", *args[1:], naming, "--yes")
        assert [p.name for p in (tmp_path / "out").glob("*.webp")] == [name]


def test_a_retry_with_fewer_formats_takes_no_other_pictures_output(
    optimizr: Program, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    photo(60, 40).jpegsave(str(tmp_path / "in/x.jpg"))
    (tmp_path / "in/x.gif").write_bytes(b"")
    run = ("run", "--output", tmp_path / "out")
    optimizr(*run, "--input", tmp_path / "in", "--picture.formats", "jpeg,gif")
    photo(30, 20).pngsave(str(tmp_path / "in/x.png"))
    (tmp_path / "in/x.png").rename(tmp_path / "in/x.gif")
    before = (tmp_path / "out/x.jpg.webp").read_bytes()
    done = optimizr(*run, "--input", f"@{tmp_path}/out/failed.jsonl")
    assert [e["output"] for e in named(done.stdout, "image.converted")] == ["x.gif.webp"]
    assert (tmp_path / "out/x.jpg.webp").read_bytes() == before


def test_failures_of_two_inputs_in_one_output_are_kept_apart(
    optimizr: Program, tmp_path: Path
) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}.png").write_text("<html>")
        optimizr("run", "--input", tmp_path / name, "--output", tmp_path / "out")
    listed = tmp_path / "out/failed.jsonl"
    assert [line["key"] for line in events(listed.read_text())] == ["one.png", "two.png"]
    before = listed.read_text()
    done = optimizr("run", "--input", f"@{listed}", "--output", tmp_path / "out")
    assert failed(done) == {"one.png": "not_a_picture", f"{listed}:2": "bad_line"}
    assert [line["key"] for line in events(listed.read_text())] == ["one.png", "two.png"]
    assert events(before)[1] in events(listed.read_text())
    shutil.rmtree(tmp_path / "two")  # its failures are over with it
    optimizr("run", "--input", tmp_path / "one", "--output", tmp_path / "out")
    assert [line["key"] for line in events(listed.read_text())] == ["one.png"]


def test_what_is_kept_of_a_run_may_lie_on_another_file_system(
    optimizr: Program, tmp_path: Path
) -> None:
    other = Path("/dev/shm")
    if not other.is_dir() or other.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("another file system: there is no /dev/shm here")
    away = other / f"optimizr-{os.getpid()}-{os.urandom(4).hex()}"
    away.mkdir()
    try:
        fill(tmp_path / "in", 3)
        (tmp_path / "in/page.png").write_text("<html>")
        (tmp_path / "out").mkdir()
        (tmp_path / "out/.optimizr").symlink_to(away)
        run = ("run", "--input", tmp_path / "in", "--output", tmp_path / "out")
        for _ in range(2):
            assert optimizr(*run).returncode == 1
        assert len(events((tmp_path / "out/failed.jsonl").read_text())) == 1
    finally:
        shutil.rmtree(away)


def test_who_only_reads_leaves_the_lock_as_it_was(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path / "lock")

    def lock(**more: Any) -> Lock:
        return Lock(path, lambda _: None, beat_seconds=0.05, stale_seconds=0.3, **more)

    with lock():
        dead = (tmp_path / "lock").read_text()
    (tmp_path / "lock").write_text(dead.replace('"boot": "', '"boot": "another '))
    os.utime(path, (1, 1))
    with lock(purpose="read") as reading:
        assert reading.died is not None
    with lock() as running:
        assert running.died == reading.died


def test_a_clock_that_was_set_back_holds_nobody_up(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path / "lock")
    with Lock(path, lambda _: None):
        dead = (tmp_path / "lock").read_text()
    (tmp_path / "lock").write_text(dead.replace('"boot": "', '"boot": "another '))
    os.utime(path, (time.time() + 1e6, time.time() + 1e6))
    start = time.monotonic()
    with Lock(path, lambda _: None, stale_seconds=0.3):
        assert time.monotonic() - start < 10


def test_a_run_whose_lock_is_taken_over_writes_nothing_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path / "in", 60, side=700)
    lock, notes = (tmp_path / "out/.optimizr" / name for name in ("lock", "in-flight"))

    def locked(output: LocalStore, stop: Stop) -> Lock:
        return Lock(os.path.join(output.own, b"lock"), stop.halt, beat_seconds=0.01)

    def take_over(event: Event) -> None:
        if isinstance(event, ImageConverted) and lock.read_text() != "{}":
            lock.write_text("{}")
            notes.write_bytes(b"theirs\0theirs.webp\0")

    monkeypatch.setattr(books, "lock_of", locked)
    settings = Settings(input=str(tmp_path / "in"), output=str(tmp_path / "out"))
    summary = pipeline.run(settings, take_over)
    assert summary.exit_code == 3
    assert summary.converted_files < 60
    assert not (tmp_path / "out/summary.json").exists()
    assert lock.read_text() == "{}"
    assert notes.stat().st_size > 0


def test_a_copy_of_a_webp_is_not_taken_away_again(optimizr: Program, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    photo(120, 90, noise=20).webpsave(str(tmp_path / "in/a.webp"), Q=30)
    args = ("--picture.formats", "webp", "--policy.if-larger", "copy", "--quality")
    for quality in ("5", "100", "100"):
        done = optimizr(
            *("run", "--input", tmp_path / "in", "--output", tmp_path / "out"),
            *(*args, quality, "--force"),
        )
        assert done.returncode == 0
        assert (tmp_path / "out/a.webp").exists()


def test_a_copy_goes_once_the_policy_is_another(optimizr: Program, tmp_path: Path) -> None:
    hard(tmp_path / "in/hard.jpg")
    run = ("run", "--input", tmp_path / "in", "--output", tmp_path / "out", "--quality", "100")
    for policy, left in (
        ("copy", ["hard.jpg"]),
        ("skip", []),
        ("copy", ["hard.jpg"]),
        ("keep", ["hard.webp"]),
        ("skip", []),
    ):
        assert optimizr(*run, "--policy.if-larger", policy).returncode == 0
        files = [p.name for p in (tmp_path / "out").glob("hard.*")]
        assert files == left


@pytest.mark.long
def test_an_interrupted_retry_leaves_its_list(optimizr: Program, tmp_path: Path) -> None:
    fill(tmp_path / "in", 60, side=900)
    (tmp_path / "out").mkdir()
    listed = tmp_path / "out/failed.jsonl"
    keys = sorted(str(p.relative_to(tmp_path / "in")) for p in (tmp_path / "in").rglob("*.*g"))
    lines = [json.dumps({"key": key, "source": f"{tmp_path}/in/{key}"}) for key in keys]
    listed.write_text("\n".join(lines))
    run = ("run", "--input", f"@{listed}", "--output", tmp_path / "out")
    process = subprocess.Popen(
        [*COMMAND, *map(str, run)], env=clean_environment(), stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    while "image.converted" not in process.stdout.readline():
        pass
    process.send_signal(signal.SIGINT)
    process.communicate()
    assert process.returncode == 130
    assert listed.read_text() == "\n".join(lines)
    assert optimizr(*run).returncode == 0
    assert not listed.exists()
    assert len(list((tmp_path / "out").rglob("*.webp"))) == 60


@pytest.mark.long
def test_what_force_claims_of_a_lost_ledger_ends_with_its_beginning(
    optimizr: Program, tmp_path: Path
) -> None:
    fill(tmp_path / "in", 40, side=900)
    run = ("run", "--input", tmp_path / "in", "--output", tmp_path / "out")
    optimizr(*run)
    (tmp_path / "out/.optimizr/ledger.sqlite").write_bytes(b"junk")
    forced = subprocess.Popen(
        [*COMMAND, *map(str, run), "--force"],
        env=clean_environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert forced.stdout is not None
    while "image.converted" not in forced.stdout.readline():
        pass
    forced.send_signal(signal.SIGINT)
    forced.communicate()
    photo(30, 20).jpegsave(str(tmp_path / "in/mine.jpg"))
    (tmp_path / "out/mine.webp").write_bytes(b"made after that")
    done = optimizr(*run)
    assert failed(done) == {"mine.jpg": "output_not_ours"}
    assert (tmp_path / "out/mine.webp").read_bytes() == b"made after that"


def test_a_dry_run_knows_what_is_not_ours(optimizr: Program, tmp_path: Path) -> None:
    fill(tmp_path / "in", 3)
    (tmp_path / "out").mkdir()
    (tmp_path / "out/picture 0.webp").write_bytes(b"mine")
    run = ("run", "--input", tmp_path / "in", "--output", tmp_path / "out", "--dry-run")
    (planned,) = events(optimizr(*run, "--policy.overwrite", "never").stdout)
    assert planned["skipped_files"] == 1
    (planned,) = events(optimizr(*run).stdout)
    assert planned["sampled_failures"] == 1
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["picture 0.webp"]


def test_a_dry_run_beside_a_run_is_exit_2(optimizr: Program, tmp_path: Path) -> None:
    fill(tmp_path / "in", 2)
    run = ("run", "--input", tmp_path / "in", "--output", tmp_path / "out")
    optimizr(*run)
    with Lock(os.fsencode(tmp_path / "out/.optimizr/lock"), lambda _: None):
        done = optimizr(*run, "--dry-run")
    assert done.returncode == 2
    assert f"pid {os.getpid()}" in done.stderr


def test_prune_is_refused_on_a_list_or_one_file(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    photo(30, 20).jpegsave(str(tmp_path / "in/a.jpg"))
    settings = Settings(input=str(tmp_path / "in/a.jpg"), output=str(tmp_path / "out"))
    with pytest.raises(ConfigError, match="expected the directory"):
        list(prune(settings, remove=False, stop=Stop()))


def test_summary_and_log_agree_on_a_resumed_run(optimizr: Program, tmp_path: Path) -> None:
    fill(tmp_path / "in", 9)
    run = ("run", "--input", tmp_path / "in", "--output", tmp_path / "out")
    optimizr(*run)
    photo(30, 20).jpegsave(str(tmp_path / "in/new.jpg"))
    for images in ("all", "none"):
        done = optimizr(*run, "--log.images", images)
        (tmp_path / "log").write_text(done.stdout)
        report = optimizr("report", tmp_path / "log", "--json", "-")
        assert report.stdout == (tmp_path / "out/summary.json").read_text()
    assert summary_of(tmp_path / "out")["tree_done_files"] == 10
