"""The world goes wrong in mid-run: real full disks, I/O errors, a vanished output."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from optimizr.keys import from_text
from optimizr.store import sync
from tests.conftest import (
    COMMAND,
    Program,
    as_nobody,
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

NO_PAGE = ("--report.html", "false")
"""For one without rights: what draws the page is loaded when a run begins."""


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
    fill(tmp_path / "in", 60, side=500)
    run = ("run", "--input", tmp_path / "in", "--output", small_disk / "out")
    subprocess.run(["mount", "-o", "remount,size=640k", str(small_disk)], check=True)
    full = optimizr(*run)
    assert full.returncode == 3
    assert named(full.stdout, "image.failed") == []
    (finished,) = named(full.stdout, "run.finished")
    assert (finished["exit_code"], finished["cause"]) == (3, "disk_full")
    assert "make room" in finished["message"]
    assert 0 < len(named(full.stdout, "image.converted")) < 60
    assert leftovers(small_disk) == []
    subprocess.run(["mount", "-o", "remount,size=16m", str(small_disk)], check=True)
    mended = optimizr(*run)
    assert mended.returncode == 0
    assert len(list(small_disk.rglob("*.webp"))) == 60
    before = {event["key"] for event in named(full.stdout, "image.converted")}
    assert before == {event["key"] for event in named(mended.stdout, "image.skipped")}


def test_a_disk_that_is_full_for_the_dead_letters_stops_the_run(
    optimizr: Program, tmp_path: Path, small_disk: Path
) -> None:
    (tmp_path / "in").mkdir()
    for number in range(5):
        (tmp_path / f"in/{number}.png").write_bytes(b"no picture" * 10_000)
    done = optimizr(
        *("run", "--input", tmp_path / "in", "--output", tmp_path / "out"),
        *("--dead-letter", small_disk / "dead"),
    )
    assert done.returncode == 3
    (finished,) = named(done.stdout, "run.finished")
    assert finished["cause"] == "disk_full"
    assert str(small_disk) in finished["message"]


def test_a_disk_too_full_for_the_page_is_told_by_the_event_and_by_the_summary(
    optimizr: Program, tmp_path: Path, small_disk: Path
) -> None:
    fill(tmp_path / "in", 6, side=300)
    done = optimizr("run", "--input", tmp_path / "in", "--output", small_disk)
    (finished,) = named(done.stdout, "run.finished")
    assert (done.returncode, finished["exit_code"], finished["cause"]) == (3, 3, "disk_full")
    assert len(webps(small_disk)) == 6
    assert summary_of(small_disk)["exit_code"] == 3


def test_an_output_that_turns_read_only_stops_the_run_with_exit_3(
    optimizr: Program, tmp_path: Path, small_disk: Path
) -> None:
    fill(tmp_path / "in", 3)
    no_gallery = ("--report.gallery", "0")  # it is larger than the disk
    run = ("run", "--input", tmp_path / "in", "--output", small_disk / "out", *no_gallery)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    done = optimizr(*run)
    assert done.returncode == 3
    assert "read-only" in done.stderr
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    assert optimizr(*run).returncode == 0
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    done = optimizr(*run)
    assert done.returncode == 3
    assert "Traceback" not in done.stderr


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
    told = as_nobody(
        tmp_path, "optimizr.cli.run", code, *run, *NO_PAGE, "--policy.max-failed", "100%"
    )
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


def inject(
    tmp_path: Path, path: Path, errors: str, *args: object
) -> subprocess.CompletedProcess[str]:
    """Run the program with system calls that touch a path failing, by strace."""
    if shutil.which("strace") is None:
        pytest.skip("I/O errors: strace is not installed")
    command = ["strace", "-f", "-qq", "-o", str(tmp_path / "trace"), "-P", str(path)]
    done = subprocess.run(
        [*command, "-e", f"inject={errors}", *COMMAND, "run", *map(str, args)],
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if "ptrace" in done.stderr:
        pytest.skip(f"I/O errors: strace may not trace here ({done.stderr.strip()})")
    return done


@pytest.mark.parametrize(
    ("errors", "reason"),
    [
        ("openat:error=EIO:when=1..3", None),
        ("openat:error=ESTALE:when=1", None),
        ("openat:error=EIO", "unreadable"),
        ("openat:error=EACCES:when=1", "unreadable"),  # not in passing: never tried again
    ],
)
def test_what_fails_in_passing_is_tried_again_and_the_rest_is_not(
    tmp_path: Path, errors: str, reason: str | None
) -> None:
    fill(tmp_path / "in", 6)
    hit = tmp_path / "in/picture 5.jpg"
    args = ("--input", tmp_path / "in", "--output", tmp_path / "out")
    done = inject(tmp_path, hit, errors, *args, "--report.gallery", "0")  # which reads it again
    failures = {event["key"]: event["reason"] for event in named(done.stdout, "image.failed")}
    assert failures == ({} if reason is None else {"picture 5.jpg": reason})
    tries = (tmp_path / "trace").read_text().count("INJECTED")
    assert tries == {"openat:error=EIO:when=1..3": 3, "openat:error=EIO": 5}.get(errors, 1)


def test_files_and_folders_that_may_not_be_read_fail_one_by_one(tmp_path: Path) -> None:
    fill(tmp_path / "in", 6)
    (tmp_path / "in/closed").mkdir(mode=0)
    (tmp_path / "out").mkdir()
    (tmp_path / "out").chmod(0o777)
    (tmp_path / "in/picture 5.jpg").chmod(0)
    code = "print(optimizr.cli.main(sys.argv[1:]))"
    run = ("run", "--input", tmp_path / "in", "--output", tmp_path / "out")
    told = as_nobody(tmp_path, "optimizr.cli.run", code, *run, *NO_PAGE)
    log, exit_code = told.removesuffix("\n").rsplit("\n", 1)
    assert exit_code == "1"
    failures = {event["key"]: event["reason"] for event in named(log, "image.failed")}
    assert failures == {"picture 5.jpg": "unreadable", "closed": "folder_unreadable"}
    (tmp_path / "in/closed").chmod(0o755)
    photo(30, 20).jpegsave(str(tmp_path / "in/closed/a.jpg"))
    (tmp_path / "in/picture 5.jpg").chmod(0o644)
    retry = subprocess.run(
        [*COMMAND, "run", "--input", f"@{tmp_path}/out/failed.jsonl", "--output", tmp_path / "out"],
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert retry.returncode == 0
    done = {event["key"] for event in named(retry.stdout, "image.converted")}
    assert done == {"picture 5.jpg", "closed/a.jpg"}
    assert not (tmp_path / "out/failed.jsonl").exists()


def test_odd_names_go_all_the_way_and_back(optimizr: Program, tmp_path: Path) -> None:
    names = [
        b"caf\xe9.jpg",
        b"two\nlines.jpg",
        b"-rf.jpg",
        b"100%.jpg",
        b"n" * 250 + b".jpg",  # its output is one byte longer: too long for the file system
        b"o" * 251 + b".jpg",
    ]
    folder = os.fsencode(tmp_path / "in")
    os.mkdir(folder)
    for name in names:
        with open(os.path.join(folder, name), "wb") as file:
            file.write(b"" if name == b"-rf.jpg" else photo(30, 20).jpegsave_buffer())
    run = ("run", "--input", tmp_path / "in", "--output", tmp_path / "out")
    done = optimizr(*run)
    assert done.returncode == 1
    failures = {from_text(e["key"]): e["reason"] for e in named(done.stdout, "image.failed")}
    assert failures == {b"-rf.jpg": "empty_file", names[5]: "name_too_long"}
    listed = events((tmp_path / "out/failed.jsonl").read_text())
    assert {from_text(line["source"]) for line in listed} == {
        os.path.join(folder, name) for name in failures
    }
    photo(30, 20).jpegsave(str(tmp_path / "in/-rf.jpg"))
    retry = optimizr("run", "--input", f"@{tmp_path}/out/failed.jsonl", *run[3:])
    assert [e["key"] for e in named(retry.stdout, "image.converted")] == ["-rf.jpg"]
    again = optimizr(*run)
    assert named(again.stdout, "image.converted") == []
    assert summary_of(tmp_path / "out")["skips_by_reason"] == {"up_to_date": 5}


@pytest.mark.parametrize("fsync", ["file", "batch", "none"])
def test_outputs_are_the_same_however_they_are_synced(
    optimizr: Program, tmp_path: Path, fsync: str
) -> None:
    fill(tmp_path / "in", 20)
    run = ("run", "--input", tmp_path / "in", "--output", tmp_path / fsync)
    assert optimizr(*run, "--store.fsync", fsync).returncode == 0
    assert len(list((tmp_path / fsync).rglob("*.webp"))) == 20
    assert leftovers(tmp_path / fsync) == []


def test_a_group_syncs_once_for_all_who_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    going, calls = threading.Event(), []

    def slow_sync(file: int) -> None:
        calls.append(file)
        going.wait(10)

    monkeypatch.setattr(sync, "_syncfs", slow_sync)
    group = sync.Group()
    threads = [threading.Thread(target=group, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    going.set()
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()
    assert 1 <= len(calls) <= 8


def test_who_wrote_while_a_sync_was_under_way_waits_for_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun, going, calls = threading.Event(), threading.Event(), []

    def sync_once(file: int) -> None:
        calls.append(file)
        begun.set()
        if len(calls) == 1:
            going.wait(10)

    monkeypatch.setattr(sync, "_syncfs", sync_once)
    group = sync.Group()
    first = threading.Thread(target=group, args=(1,))
    first.start()
    begun.wait(10)
    others = [threading.Thread(target=group, args=(number,)) for number in (2, 3, 4)]
    for thread in others:
        thread.start()
    while len(group._changed._waiters) < 3:  # type: ignore[attr-defined]
        pass
    going.set()
    for thread in (first, *others):
        thread.join(10)
    assert len(calls) == 2


def test_a_sync_that_fails_is_the_error_of_who_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_file: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(sync, "_syncfs", fail)
    group = sync.Group()
    for _ in range(2):
        with pytest.raises(OSError, match="Input/output error"):
            group(1)


def test_what_is_committed_is_told_also_where_failures_cannot_be_listed(
    optimizr: Program, tmp_path: Path
) -> None:
    fill(tmp_path / "in", 12)
    (tmp_path / "in/broken.jpg").write_bytes(b"nothing")
    (tmp_path / "out/failed.jsonl").mkdir(parents=True)
    paths = ("--input", tmp_path / "in", "--output", tmp_path / "out")
    first = optimizr("run", *paths)
    assert first.returncode == 3
    (tmp_path / "out/failed.jsonl").rmdir()
    second = optimizr("run", *paths)
    assert second.returncode == 1
    assert len(converted(first)) + len(converted(second)) == 12
    assert not converted(first) & converted(second)
