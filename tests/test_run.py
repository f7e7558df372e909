"""The program as a user runs it: real processes, real files."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

import optimizr as library
from optimizr.events import (
    Event,
    ImageConverted,
)
from optimizr.keys import from_text
from tests.conftest import (
    COMMAND,
    Program,
    clean_environment,
    converted,
    events,
    failed,
    fill,
    leftovers,
    named,
    summary_of,
    webps,
)
from tests.make_pictures import drawing, photo


def size_of(path: Path) -> tuple[int, int]:
    """Decode a WebP wholly, with another library than the program's."""
    with Image.open(path) as image:
        assert image.format == "WEBP"
        image.load()
        return image.size


def test_two_hundred_pictures_in_folders_all_convert_and_the_log_gives_the_same_summary(
    optimizr: Program, tmp_path: Path
) -> None:
    sizes = fill(tmp_path / "in", 200)
    done = optimizr("run", "--input", tmp_path / "in", "--output", tmp_path / "out")
    assert (done.returncode, done.stderr) == (0, "")

    told = events(done.stdout)
    assert [event["seq"] for event in told] == list(range(1, len(told) + 1))
    assert [told[0]["event"], told[-1]["event"]] == ["run.started", "run.finished"]
    assert {event["run_id"] for event in told} == {told[0]["run_id"]}
    outputs = {event["key"]: event["output"] for event in named(done.stdout, "image.converted")}
    assert {Path(key) for key in outputs} == set(sizes)
    for key, output in outputs.items():
        assert Path(output).parent == Path(key).parent
        assert size_of(tmp_path / "out" / output) == sizes[Path(key)]
    webps = {str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("*.webp")}
    assert webps == set(outputs.values())
    assert leftovers(tmp_path / "out") == []

    (tmp_path / "log").write_text(done.stdout)
    report = optimizr("report", tmp_path / "log", "--json", tmp_path / "again.json")
    assert report.returncode == 0
    assert (tmp_path / "again.json").read_text() == (tmp_path / "out/summary.json").read_text()
    assert summary_of(tmp_path / "out")["processed_files"] == 200


def test_a_corrupt_picture_is_one_failure_and_the_rest_goes_on(
    optimizr: Program, tmp_path: Path
) -> None:
    fill(tmp_path / "in", 10)
    whole = photo(300, 200).jpegsave_buffer()
    (tmp_path / "in/torn.jpg").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "in/page.png").write_text("<html>not found</html>")
    (tmp_path / "in/empty.png").touch()
    (tmp_path / "in/readme.txt").write_text("no picture by name")
    done = optimizr("run", "--input", tmp_path / "in", "--output", tmp_path / "out")
    assert done.returncode == 1
    failures = {event["key"]: event["reason"] for event in named(done.stdout, "image.failed")}
    assert failures == {
        "torn.jpg": "truncated",
        "page.png": "not_a_picture",
        "empty.png": "empty_file",
    }
    lines = events((tmp_path / "out/failed.jsonl").read_text())
    assert {line["key"]: line["reason"] for line in lines} == failures
    assert all(line["source"] == str(tmp_path / "in" / line["key"]) for line in lines)
    summary = summary_of(tmp_path / "out")
    assert (summary["processed_files"], summary["failed_files"]) == (10, 3)
    assert summary["ignored_files"] == 1
    assert summary["failures_by_reason"] == {"empty_file": 1, "not_a_picture": 1, "truncated": 1}


def test_failures_within_max_failed_exit_0_and_a_clean_run_leaves_no_failures_behind(
    optimizr: Program, tmp_path: Path
) -> None:
    fill(tmp_path / "in", 3)
    (tmp_path / "in/page.png").write_text("<html>")
    run = ("run", "--input", tmp_path / "in", "--output", tmp_path / "out")
    assert optimizr(*run, "--policy.max-failed", "1").returncode == 0
    assert optimizr(*run, "--policy.max-failed", "25%").returncode == 0
    assert optimizr(*run, "--policy.max-failed", "24%").returncode == 1
    assert (tmp_path / "out/failed.jsonl").exists()
    (tmp_path / "in/page.png").unlink()
    assert optimizr(*run).returncode == 0
    assert not (tmp_path / "out/failed.jsonl").exists()


def test_an_empty_input_is_a_warning_and_exit_0(optimizr: Program, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    done = optimizr("run", "--input", tmp_path / "in", "--output", tmp_path / "out")
    assert done.returncode == 0
    assert "no pictures found" in done.stderr
    assert summary_of(tmp_path / "out")["total_files"] == 0


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--input", "gone", "--output", "out"], "input: expected a directory or a file"),
        (["--input", ".", "--output", "a file"], "output: expected a directory"),
        (["--input", ".", "--output", "out", "--quality", "101"], "webp.quality"),
        (["none.yaml"], "config: expected a file that can be read"),
        (["--input", ".", "--output", "out", "--memory", "1MB"], "pool.memory: expected at least"),
        (["--input", "s3://a:b@bucket/x", "--output", "out"], "credentials come from the env"),
        (["--input", "ftp://host/x", "--output", "out"], "input: expected a path, or a URL"),
        (["--input", "https://host/a.jpg?sig=x", "--output", "out"], "a URL without a query"),
        (["--input", ".", "--output", "https://host/x"], "a web server is only read from"),
        (["--input", ".", "--output", "o", "--ledger", "l"], "it is for outputs in a bucket"),
        (
            ["--input", ".", "--output", "o", "--publish.presign", "8d"],
            "expected a duration less than or equal to 7d, got '8d'",
        ),
        (["--input", ".", "--output", "o", "--publish.presign", "1d"], "outputs in a bucket"),
        (["--input", ".", "--output", "o", "--log.file", "a file/x"], "log.file: expected"),
        (["--input", "/dev/zero", "--output", "out"], "which is a device or a pipe"),
        (["--input", ".", "--output", "a file/below"], "output: expected a directory"),
    ],
)
def test_a_mistake_is_exit_2_and_one_sentence_and_nothing_is_started(
    optimizr: Program, tmp_path: Path, args: list[str], said: str
) -> None:
    (tmp_path / "cwd/a file").write_text("stays")
    done = optimizr("run", *args)
    assert done.returncode == 2
    assert done.stdout == ""
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert "a:b" not in done.stderr
    assert [path.name for path in (tmp_path / "cwd").iterdir()] == ["a file"]


def test_input_and_output_may_be_the_same_folder(optimizr: Program, tmp_path: Path) -> None:
    fill(tmp_path / "both", 12)
    run = ("run", "--input", tmp_path / "both", "--output", tmp_path / "both")
    for _ in range(2):
        assert optimizr(*run).returncode == 0
        assert summary_of(tmp_path / "both")["total_files"] == 12
    assert len(list((tmp_path / "both").rglob("*.webp"))) == 12
    assert len(list((tmp_path / "both").rglob("*.jpg"))) == 8


def test_one_file_is_a_tree_of_one(optimizr: Program, tmp_path: Path) -> None:
    fill(tmp_path / "in", 3)
    done = optimizr(
        "run", "--input", tmp_path / "in/picture 0.png", "--output", tmp_path / "out"
    )  # fmt: skip
    assert done.returncode == 0
    assert [path.name for path in (tmp_path / "out").glob("*.webp")] == ["picture 0.webp"]


def test_names_of_any_bytes_go_through(optimizr: Program, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    data = photo(40, 30).jpegsave_buffer()
    names = [b"caf\xe9.jpg", b"two\nlines.jpg", b"-rf.jpg", b" .jpg", b"100%.jpg", b"<b>&'\".jpg"]
    for name in names:
        Path(os.fsdecode(os.path.join(os.fsencode(folder), name))).write_bytes(data)
    done = optimizr("run", "--input", folder, "--output", tmp_path / "out")
    assert done.returncode == 0
    assert {from_text(e["key"]) for e in named(done.stdout, "image.converted")} == set(names)
    assert {
        os.fsencode(path.name) for path in (tmp_path / "out").glob("*.webp")
    } == {name.removesuffix(b".jpg") + b".webp" for name in names}  # fmt: skip


def test_a_picture_that_would_need_more_than_the_budget_is_never_run(
    optimizr: Program, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    photo(4000, 3000).jpegsave(str(tmp_path / "in/large.jpg"))
    photo(400, 300).jpegsave(str(tmp_path / "in/small.jpg"))
    done = optimizr(
        "run", "--input", tmp_path / "in", "--output", tmp_path / "out", "--memory", "96MiB"
    )  # fmt: skip
    assert done.returncode == 1
    (failure,) = named(done.stdout, "image.failed")
    assert (failure["key"], failure["reason"]) == ("large.jpg", "too_large_for_memory")
    assert failure["message"].count(" MB") == 2
    enough = failure["message"].rpartition("raise pool.memory to ")[2].split()[0]
    run = ("run", "--input", tmp_path / "in", "--output", tmp_path / "out", "--memory", enough)
    assert optimizr(*run).returncode == 0
    assert (tmp_path / "out/small.webp").exists()


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="one arena: needs glibc")
def test_a_picture_that_fits_only_with_low_memory_is_encoded_so(
    optimizr: Program, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    photo(2600, 1900).pngsave(str(tmp_path / "in/photo.png"), compression=1)
    paths = ("--input", tmp_path / "in", "--output", tmp_path / "out")
    done = optimizr("run", *paths, "--memory", "140MiB")
    assert done.returncode == 0
    (event,) = named(done.stdout, "image.converted")
    assert event["low_memory"] is True
    summary = summary_of(tmp_path / "out")
    assert summary["low_memory_files"] == 1
    assert summary["peak_memory_mb"] <= 140
    done = optimizr("run", *paths, "--memory", "1GB", "--force")
    (event,) = named(done.stdout, "image.converted")
    assert "low_memory" not in event


def test_alpha_that_is_opaque_everywhere_takes_no_memory(optimizr: Program, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    opaque = photo(2400, 1800).bandjoin(255).copy(interpretation="srgb")
    opaque.pngsave(str(tmp_path / "in/opaque.png"), compression=1)
    hole = opaque.draw_rect([0, 0, 0, 0], 2399, 1799, 1, 1)
    hole.pngsave(str(tmp_path / "in/one transparent pixel.png"), compression=1)
    paths = ("--input", tmp_path / "in", "--output", tmp_path / "out")
    done = optimizr("run", *paths, "--memory", "200MB")
    assert converted(done) == {"opaque.png"}
    assert failed(done) == {"one transparent pixel.png": "too_large_for_memory"}
    assert summary_of(tmp_path / "out")["peak_memory_mb"] * 2**20 <= 200e6
    small = webps(tmp_path / "out")["opaque.webp"]
    done = optimizr("run", *paths, "--memory", "1GB", "--force")
    assert converted(done) == {"opaque.png", "one transparent pixel.png"}
    if summary_of(tmp_path / "out")["low_memory_files"] == 0:
        assert len(webps(tmp_path / "out")["opaque.webp"]) == pytest.approx(len(small), rel=0.02)


@pytest.mark.parametrize("ceiling", ["160MiB", pytest.param("256MiB", marks=pytest.mark.long)])
def test_memory_stays_below_its_ceiling_over_pictures_of_many_sizes(
    optimizr: Program, tmp_path: Path, ceiling: str
) -> None:
    (tmp_path / "in").mkdir()
    for number in range(40):
        side = 200 + number * 977 % 2200
        image = photo(side, side * 3 // 4, number)
        path = str(tmp_path / f"in/{number:02}")
        if number % 4 == 0:
            image.pngsave(f"{path}.png", compression=1)
        else:
            image.jpegsave(f"{path}.jpg", Q=90, interlace=number % 4 == 1)
    done = optimizr(
        *("run", "--input", tmp_path / "in", "--output", tmp_path / "out"),
        *("--memory", ceiling, "--effort", "0", "--pool.cpus", "4", "--policy.max-failed", "100%"),
    )
    assert done.returncode == 0
    summary = summary_of(tmp_path / "out")
    assert summary["processed_files"] > 25
    assert set(summary["failures_by_reason"]) <= {"too_large_for_memory"}
    assert summary["peak_memory_mb"] <= summary["memory_ceiling_mb"]


def test_the_log_may_leave_out_pictures_and_go_to_a_file(optimizr: Program, tmp_path: Path) -> None:
    fill(tmp_path / "in", 6)
    (tmp_path / "in/page.png").write_text("<html>")
    run = ("run", "--input", tmp_path / "in", "--output", tmp_path / "out")
    for images, count in (("all", 7), ("failed", 1), ("none", 1)):
        done = optimizr(*run, "--force", "--log.images", images, "--log.file", tmp_path / "log")
        lines = (tmp_path / "log").read_text()
        assert lines == done.stdout
        assert sum(e["event"].startswith("image.") for e in events(lines)) == count
        report = optimizr("report", tmp_path / "log", "--json", "-")
        assert report.stdout == (tmp_path / "out/summary.json").read_text()
        (tmp_path / "log").unlink()


def test_only_errors_are_logged_if_asked_for(optimizr: Program, tmp_path: Path) -> None:
    fill(tmp_path / "in", 2)
    (tmp_path / "in/page.png").write_text("<html>")
    done = optimizr(
        *("run", "--input", tmp_path / "in", "--output", tmp_path / "out"),
        *("--log.level", "error"),
    )
    assert [event["event"] for event in events(done.stdout)] == ["image.failed"]


def test_samples_and_progress_are_told_as_time_goes_by(optimizr: Program, tmp_path: Path) -> None:
    fill(tmp_path / "in", 60, side=300)
    done = optimizr(
        *("run", "--input", tmp_path / "in", "--output", tmp_path / "out"),
        *("--monitor.interval", "100ms"),
    )
    assert len(named(done.stdout, "run.sampled")) >= 3
    cut = [event for event in events(done.stdout) if event["event"] != "run.finished"]
    last = max(n for n, event in enumerate(cut) if event["event"] == "run.progress")
    (tmp_path / "log").write_text("\n".join(map(json.dumps, cut[last:])))
    report = json.loads(optimizr("report", tmp_path / "log", "--json", "-").stdout)
    assert report["processed_files"] == 60
    assert report["finished_runs"] == 0
    assert report["peak_memory_mb"] > 30


def test_a_dry_run_tells_and_estimates_and_writes_nothing(
    optimizr: Program, tmp_path: Path
) -> None:
    fill(tmp_path / "in", 40)
    (tmp_path / "in/notes.txt").touch()
    done = optimizr("run", "--input", tmp_path / "in", "--output", tmp_path / "out", "--dry-run")
    assert done.returncode == 0
    (planned,) = events(done.stdout)
    assert planned["event"] == "run.planned"
    assert (planned["total_files"], planned["ignored_files"]) == (40, 1)
    assert planned["sampled_files"] == 20
    assert not (tmp_path / "out").exists()
    assert optimizr("run", "--input", tmp_path / "in", "--output", tmp_path / "out").returncode == 0
    real = summary_of(tmp_path / "out")
    assert planned["input_bytes"] == real["total_input_bytes"]
    assert planned["estimated_output_bytes"] == pytest.approx(real["total_output_bytes"], rel=0.3)
    assert planned["estimated_seconds"] > 0


def test_console_format_prints_a_report_and_verbose_adds_a_line_a_picture(
    optimizr: Program, tmp_path: Path
) -> None:
    fill(tmp_path / "in", 4)
    (tmp_path / "in/bad\x1b[31m.png").write_text("<html>")
    run = ("run", "--input", tmp_path / "in", "--output", tmp_path / "out")
    quiet = optimizr(*run, "--log-format", "console")
    assert quiet.stdout.startswith("pictures    4 converted, 1 failed")
    assert all(len(line) <= 80 for line in quiet.stdout.splitlines())
    assert quiet.stderr.count("\n") == 1
    assert "failed bad%1B[31m.png: expected a picture (jpeg or png)" in quiet.stderr
    loud = optimizr(*run, "--force", "--log-format", "console", "--verbose")
    assert loud.stderr.count(" -> ") == 2 * 4
    assert loud.stderr.count("pictures in flight") >= 2


def test_settings_come_from_file_environment_and_flags(optimizr: Program, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    photo(300, 200).jpegsave(str(tmp_path / "in/a.jpg"))
    (tmp_path / "c.yaml").write_text(
        f"input: {tmp_path}/in\noutput: {tmp_path}/out\nwebp: {{quality: 10}}\n"
    )
    sizes = []
    for args, env in (((), {}), ((), {"OPTIMIZR_WEBP__QUALITY": "50"}), (("--quality", "95"), {})):
        assert optimizr("run", tmp_path / "c.yaml", *args, **env).returncode == 0
        sizes.append((tmp_path / "out/a.webp").stat().st_size)
    assert sizes == sorted(set(sizes))


def test_the_library_gives_typed_results_and_the_same_events(tmp_path: Path) -> None:
    fill(tmp_path / "in", 5)
    (tmp_path / "in/page.png").write_text("<html>")
    told: list[Event] = []
    settings = library.Settings(input=str(tmp_path / "in"), output=str(tmp_path / "out"))
    summary = library.run(settings, told.append)
    assert (summary.converted_files, summary.failed_files, summary.exit_code) == (5, 1, 1)
    assert sum(isinstance(event, ImageConverted) for event in told) == 5
    assert told[-1].name == "run.finished"


def test_a_callback_that_raises_ends_the_run_with_its_reports_and_is_raised(
    tmp_path: Path,
) -> None:
    fill(tmp_path / "in", 30)

    def tell(event: Event) -> None:
        if event.name == "image.converted":
            raise LookupError("of the caller")

    settings = library.Settings(input=str(tmp_path / "in"), output=str(tmp_path / "out"))
    with pytest.raises(LookupError, match="of the caller"):
        library.run(settings, tell)
    summary = summary_of(tmp_path / "out")
    assert summary["interrupted"] is True
    assert summary["processed_files"] == len(list((tmp_path / "out").rglob("*.webp")))


def test_names_are_told_in_utf8_whatever_the_locale(optimizr: Program, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    photo(20, 20).jpegsave(str(tmp_path / "in/\u00e9\u4e2d.jpg"))
    done = optimizr(
        *("run", "--input", tmp_path / "in", "--output", tmp_path / "out"),
        LC_ALL="C",
        PYTHONUTF8="0",
        PYTHONCOERCECLOCALE="0",
    )
    assert done.returncode == 0
    assert [e["key"] for e in named(done.stdout, "image.converted")] == ["\u00e9\u4e2d.jpg"]


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_no_reason_to_fail(tmp_path: Path, closed: str) -> None:
    fill(tmp_path / "in", 3)
    run = f"'{sys.executable}' -m optimizr run --input in --output out {closed}"
    done = subprocess.run(run, shell=True, cwd=tmp_path, env=clean_environment(), check=False)
    assert done.returncode == 0
    assert summary_of(tmp_path / "out")["processed_files"] == 3
    assert not [path for path in (tmp_path / "in").rglob("*") if path.suffix == ".webp"]


def test_a_log_file_that_outlives_stdout_has_the_whole_run(tmp_path: Path) -> None:
    fill(tmp_path / "in", 60, side=300)
    command = " ".join(
        [
            f"'{sys.executable}' -m optimizr run --input in --output out",
            "--log.file out/log | head -1",
        ]
    )
    subprocess.run(command, shell=True, cwd=tmp_path, env=clean_environment(), check=False,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
    report = json.loads(
        subprocess.run(
            [*COMMAND, "report", "out/log", "--json", "-"],
            cwd=tmp_path, env=clean_environment(), capture_output=True, text=True, check=True,
        ).stdout
    )  # fmt: skip
    assert report == summary_of(tmp_path / "out")


def test_asking_for_the_version_or_importing_loads_neither_libvips_nor_rich() -> None:
    code = (
        "import sys, optimizr.cli\n"
        "optimizr.cli.main(['--version'])\n"
        "print([m for m in ('pyvips', 'rich', 'pydantic') if m in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout == f"optimizr {library.__version__}\n[]\n"


@pytest.mark.parametrize(
    ("args", "code"), [(["--help"], 0), (["run", "--help"], 0), ([], 2), (["rum"], 2)]
)
def test_help_is_given_and_an_unknown_command_names_the_nearest(
    optimizr: Program, args: list[str], code: int
) -> None:
    done = optimizr(*args)
    assert done.returncode == code
    assert ("usage: optimizr" in done.stdout) == (code == 0)
    if args == ["rum"]:
        assert "did you mean `optimizr run`?" in done.stderr


def test_the_doctor_tells_of_libvips_cpus_memory_and_speed(optimizr: Program) -> None:
    done = optimizr("doctor")
    assert done.returncode == 0
    for label in ("libvips", "codecs", "CPUs", "memory", "encoding"):
        assert any(line.startswith(label) for line in done.stdout.splitlines())


def test_a_reader_of_the_log_that_leaves_stops_the_run_without_a_traceback(
    tmp_path: Path,
) -> None:
    fill(tmp_path / "in", 60, side=400)
    process = subprocess.Popen(
        [*COMMAND, "run", "--input", tmp_path / "in", "--output", tmp_path / "out"],
        env=clean_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    said = process.stderr.read().decode()
    process.stderr.close()
    assert process.wait(60) == 3
    assert said.count("\n") == 1
    assert "expected to write the log" in said
    assert summary_of(tmp_path / "out")["interrupted"] is True


def test_a_stdout_that_is_full_is_exit_3_and_one_sentence(tmp_path: Path) -> None:
    fill(tmp_path / "in", 2)
    for args in (["schema"], ["run", "--input", tmp_path / "in", "--output", tmp_path / "out"]):
        with Path("/dev/full").open("w") as full:
            done = subprocess.run(
                [*COMMAND, *args], stdout=full, stderr=subprocess.PIPE, text=True, check=False
            )
        assert done.returncode == 3
        assert "No space left on device" in done.stderr
        assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("many", [20_000, pytest.param(100_000, marks=pytest.mark.long)])
def test_many_files_cost_little_memory(optimizr: Program, tmp_path: Path, many: int) -> None:
    peaks = []
    for count in (100, many):
        folder = tmp_path / str(count)
        folder.mkdir()
        for number in range(count):
            (folder / f"picture {number:06}.jpg").touch()
        done = optimizr(
            *("run", "--input", folder, "--output", tmp_path / "out"),
            *("--log.images", "failed", "--policy.max-failed", "100%"),
        )
        assert done.returncode == 0
        summary = summary_of(tmp_path / "out")
        assert summary["failures_by_reason"] == {"empty_file": count}
        peaks.append(summary["peak_memory_mb"])
    assert peaks[1] - peaks[0] < 50 * max(many, 30_000) / 100_000


def test_a_source_that_changes_while_it_waits_is_not_passed_off(tmp_path: Path) -> None:
    drawing(64, 64).pngsave(str(tmp_path / "a.png"))
    from optimizr.inputs import open_input
    from optimizr.job import Job
    from optimizr.limits import Limits
    from optimizr.sections import PoolSettings
    from optimizr.store.local import LocalStore

    settings = library.Settings(input=str(tmp_path), output=str(tmp_path / "out"))
    store, tree = open_input(settings)
    (item,) = tree
    drawing(64, 65).pngsave(str(tmp_path / "a.png"))
    output = LocalStore(str(tmp_path / "out"))
    output.prepare()
    _, outcome = Job(store, output, settings, Limits.of(PoolSettings()))(item)
    assert outcome.name == "image.failed"
    assert outcome.reason == "changed"  # type: ignore[union-attr]
