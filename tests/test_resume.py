"""A second run does what is left to do, and nothing else."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Program, converted, events, failed, fill, named, summary_of, webps
from tests.make_pictures import photo


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Fill a folder with 12 pictures."""
    fill(tmp_path / "in", 12)
    return tmp_path / "in"


@pytest.fixture
def run(optimizr: Program, tree: Path, tmp_path: Path) -> Callable[..., Any]:
    """Run the program from the tree to `out`."""

    def to_out(*args: object) -> Any:
        return optimizr("run", "--input", tree, "--output", tmp_path / "out", *args)

    return to_out


def skipped(done: Any) -> dict[str, str]:
    return {event["key"]: event["reason"] for event in named(done.stdout, "image.skipped")}


def test_a_second_run_converts_nothing_says_so_and_tells_of_the_whole_tree(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    first = run()
    before = summary_of(tmp_path / "out")
    times = {p: p.stat().st_mtime_ns for p in (tmp_path / "out").rglob("*.webp")}
    second = run()
    assert second.returncode == 0
    assert converted(second) == set()
    assert skipped(second) == dict.fromkeys(converted(first), "up_to_date")
    after = summary_of(tmp_path / "out")
    assert (after["processed_files"], after["skipped_files"]) == (0, 12)
    assert after["skips_by_reason"] == {"up_to_date": 12}
    assert after["total_input_bytes"] == 0
    assert after["tree_done_files"] == 12
    assert after["tree_input_bytes"] == before["total_input_bytes"]
    assert after["tree_output_bytes"] == before["total_output_bytes"]
    assert {p: p.stat().st_mtime_ns for p in times} == times
    report = run("--log-format", "console").stdout
    assert "0 converted, 0 failed, 12 up to date" in report
    assert "all pictures are up to date" in report


def test_what_has_changed_is_redone_and_nothing_else(
    run: Callable[..., Any], tree: Path, tmp_path: Path
) -> None:
    run()
    outputs = {e["key"]: e["output"] for e in named(run("--force").stdout, "image.converted")}
    changed, deleted = sorted(outputs)[:2]
    photo(77, 55).write_to_file(str(tree / changed))
    (tmp_path / "out" / outputs[deleted]).unlink()
    photo(30, 20).jpegsave(str(tree / "new.jpg"))
    done = run()
    assert converted(done) == {changed, deleted, "new.jpg"}
    assert converted(run()) == set()


def test_a_picture_that_is_written_anew_at_the_same_size_is_redone(
    run: Callable[..., Any], tree: Path
) -> None:
    run()
    key = "picture 5.jpg"
    os.utime(tree / key, ns=(1, 1))
    assert converted(run()) == {key}


@pytest.mark.parametrize(
    ("args", "redone"),
    [
        (("--quality", "70"), True),
        (("--picture.resize.max-width", "40"), True),
        (("--workers", "3", "--pool.memory", "1GB", "--log.images", "all"), False),
        (("--quality", "80", "--limits.timeout", "9s", "--store.fsync", "none"), False),
    ],
)
def test_settings_that_change_pixels_redo_all_and_others_nothing(
    run: Callable[..., Any], args: tuple[str, ...], redone: bool
) -> None:
    run()
    assert len(converted(run(*args))) == (12 if redone else 0)
    assert len(converted(run(*args))) == 0


def test_the_result_is_that_of_a_first_run_whatever_was_there_before(
    run: Callable[..., Any], optimizr: Program, tree: Path, tmp_path: Path
) -> None:
    run("--quality", "30")
    run("--quality", "60", "--force")
    run()
    optimizr("run", "--input", tree, "--output", tmp_path / "fresh")
    assert webps(tmp_path / "out") == webps(tmp_path / "fresh")


def test_other_names_leave_the_old_outputs_for_prune(
    run: Callable[..., Any], optimizr: Program, tree: Path, tmp_path: Path
) -> None:
    run()
    assert len(converted(run("--policy.naming", "append"))) == 12
    pruned = optimizr("prune", "--input", tree, "--output", tmp_path / "out", "--yes")
    assert pruned.stdout.count("\n") == 12
    assert len(webps(tmp_path / "out")) == 12
    assert converted(run("--policy.naming", "append")) == set()


def test_force_redoes_all(run: Callable[..., Any]) -> None:
    run()
    assert len(converted(run("--force"))) == 12


@pytest.mark.parametrize(
    ("overwrite", "code", "outcome", "is_kept"),
    [
        ("changed", 1, "output_not_ours", True),
        ("never", 0, "output_exists", True),
        ("always", 0, None, False),
    ],
)
def test_an_output_that_optimizr_did_not_make_is_never_replaced_unasked(
    run: Callable[..., Any],
    tmp_path: Path,
    overwrite: str,
    code: int,
    outcome: str | None,
    is_kept: bool,
) -> None:
    (tmp_path / "out").mkdir()
    foreign = tmp_path / "out/picture 5.webp"
    foreign.write_bytes(b"somebody else's")
    for _ in range(2):
        done = run("--policy.overwrite", overwrite)
        assert done.returncode == code
        told = failed(done) | skipped(done)
        assert told.get("picture 5.jpg") in (outcome, "up_to_date" if not is_kept else outcome)
        assert (foreign.read_bytes() == b"somebody else's") == is_kept
    assert len(webps(tmp_path / "out")) == 12


def test_an_output_that_somebody_has_written_to_since_is_not_ours_any_more(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    run()
    (tmp_path / "out/picture 5.webp").write_bytes(b"edited by hand")
    done = run()
    assert failed(done) == {"picture 5.jpg": "output_not_ours"}
    assert (tmp_path / "out/picture 5.webp").read_bytes() == b"edited by hand"
    assert failed(run("--force")) == {"picture 5.jpg": "output_not_ours"}
    assert len(converted(run("--force", "--policy.overwrite", "always"))) == 12


def test_never_leaves_also_what_is_out_of_date(run: Callable[..., Any]) -> None:
    run()
    done = run("--quality", "10", "--policy.overwrite", "never")
    assert set(skipped(done).values()) == {"output_exists"}
    assert converted(done) == set()


def test_if_larger_redoes_only_what_it_decides_about(optimizr: Program, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    photo(120, 90, noise=20).jpegsave(str(tmp_path / "in/hard.jpg"), Q=20)
    photo(300, 200).pngsave(str(tmp_path / "in/easy.png"))
    run = ("run", "--input", tmp_path / "in", "--output", tmp_path / "out", "--quality", "100")

    def files() -> set[str]:
        return {p.name for p in (tmp_path / "out").iterdir() if p.suffix in (".webp", ".jpg")}

    assert converted(optimizr(*run)) == {"hard.jpg", "easy.png"}
    assert files() == {"hard.webp", "easy.webp"}
    done = optimizr(*run, "--policy.if-larger", "skip")
    assert skipped(done) == {"hard.jpg": "larger_skipped", "easy.png": "up_to_date"}
    assert files() == {"easy.webp"}
    done = optimizr(*run, "--policy.if-larger", "copy")
    assert skipped(done) == {"hard.jpg": "larger_copied", "easy.png": "up_to_date"}
    assert files() == {"hard.jpg", "easy.webp"}
    done = optimizr(*run, "--policy.if-larger", "copy")
    assert set(skipped(done).values()) == {"up_to_date"}
    assert converted(optimizr(*run)) == {"hard.jpg"}
    assert "hard.webp" in files()


def test_a_copy_never_replaces_what_is_not_ours(optimizr: Program, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    photo(120, 90, noise=20).jpegsave(str(tmp_path / "in/hard.jpg"), Q=20)
    (tmp_path / "out").mkdir()
    (tmp_path / "out/hard.jpg").write_bytes(b"mine")
    run = ("run", "--input", tmp_path / "in", "--output", tmp_path / "out", "--quality", "100")
    done = optimizr(*run, "--policy.if-larger", "copy")
    assert failed(done) == {"hard.jpg": "output_not_ours"}
    done = optimizr(*run, "--policy.if-larger", "copy", "--policy.overwrite", "never")
    assert skipped(done) == {"hard.jpg": "output_exists"}
    assert (tmp_path / "out/hard.jpg").read_bytes() == b"mine"


def test_failures_are_tried_again_each_run_and_counted(
    run: Callable[..., Any], optimizr: Program, tree: Path, tmp_path: Path
) -> None:
    (tree / "year1/page.png").write_text("<html>")
    (tree / "torn.jpg").write_bytes(photo(90, 60).jpegsave_buffer()[:1000])
    listed = tmp_path / "out/failed.jsonl"
    for attempt in (1, 2):
        assert run().returncode == 1
        lines = events(listed.read_text())
        assert [line["key"] for line in lines] == ["torn.jpg", "year1/page.png"]
        assert {line["attempts"] for line in lines} == {attempt}
    photo(90, 60).jpegsave(str(tree / "torn.jpg"))
    photo(40, 30).jpegsave(str(tree / "one more.jpg"))
    retry = optimizr("run", "--input", f"@{listed}", "--output", tmp_path / "out")
    assert retry.returncode == 1
    assert converted(retry) == {"torn.jpg"}
    assert failed(retry) == {"year1/page.png": "not_a_picture"}
    assert skipped(retry) == {}
    (line,) = events(listed.read_text())
    assert (line["key"], line["attempts"]) == ("year1/page.png", 3)
    (tree / "year1/page.png").unlink()
    done = run()
    assert done.returncode == 0
    assert converted(done) == {"one more.jpg"}
    assert not listed.exists()


def test_a_retry_gives_the_names_that_the_whole_tree_gives(
    optimizr: Program, tmp_path: Path
) -> None:
    (tmp_path / "in/a").mkdir(parents=True)
    photo(40, 30).pngsave(str(tmp_path / "in/a/x.png"))
    (tmp_path / "in/a/x.jpg").write_bytes(b"")
    out = tmp_path / "out"
    assert optimizr("run", "--input", tmp_path / "in", "--output", out).returncode == 1
    photo(40, 30).jpegsave(str(tmp_path / "in/a/x.jpg"))
    done = optimizr("run", "--input", f"@{out}/failed.jsonl", "--output", out)
    assert [e["output"] for e in named(done.stdout, "image.converted")] == ["a/x.jpg.webp"]
    assert set(webps(out)) == {"a/x.jpg.webp", "a/x.png.webp"}


def test_a_list_that_is_torn_or_leads_elsewhere_fails_line_by_line(
    optimizr: Program, tree: Path, tmp_path: Path
) -> None:
    good = {"key": "picture 5.jpg", "source": str(tree / "picture 5.jpg")}
    lines = [
        json.dumps(good),
        json.dumps({"key": "x.jpg", "source": "/elsewhere/x.jpg"}),
        json.dumps({"key": "../../x.jpg", "source": f"{tree}/../../x.jpg"}),
        json.dumps(good),
        json.dumps(good)[:20],
    ]
    (tmp_path / "list.jsonl").write_text("\n".join(lines))
    done = optimizr("run", "--input", f"@{tmp_path}/list.jsonl", "--output", tmp_path / "out")
    assert done.returncode == 1
    assert converted(done) == {"picture 5.jpg"}
    assert sorted(failed(done)) == [f"{tmp_path}/list.jsonl:{line}" for line in (2, 3, 5)]
    assert set(failed(done).values()) == {"bad_line"}


@pytest.mark.parametrize(
    ("text", "said"),
    [('{"key": 1}\n', "expected lines of failed.jsonl"), (None, "expected a list that can be")],
)
def test_a_list_that_is_none_is_exit_2(
    optimizr: Program, tmp_path: Path, text: str | None, said: str
) -> None:
    if text is not None:
        (tmp_path / "list").write_text(text)
    done = optimizr("run", "--input", f"@{tmp_path}/list", "--output", tmp_path / "out")
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert not (tmp_path / "out").exists()


def test_originals_of_failed_pictures_are_copied_to_the_dead_letters(
    run: Callable[..., Any], tree: Path, tmp_path: Path
) -> None:
    (tree / "year1/page.png").write_text("<html>")
    (tree / "gone.jpg").symlink_to("nowhere")
    (tmp_path / "out").mkdir()
    (tmp_path / "out/picture 5.webp").write_text("not ours")
    done = run("--dead-letter", tmp_path / "dead")
    assert set(failed(done)) == {"year1/page.png", "gone.jpg", "picture 5.jpg"}
    files = [
        p.relative_to(tmp_path / "dead") for p in (tmp_path / "dead").rglob("*") if p.is_file()
    ]
    assert files == [Path("year1/page.png")]
    assert (tmp_path / "dead/year1/page.png").read_text() == "<html>"


def test_dead_letters_below_the_input_are_no_sources(run: Callable[..., Any], tree: Path) -> None:
    (tree / "page.png").write_text("<html>")
    for _ in range(2):
        assert set(failed(run("--dead-letter", tree / "dead"))) == {"page.png"}
    refused = run("--dead-letter", tree)
    assert refused.returncode == 2
    assert "dead_letter: expected another directory" in refused.stderr


def _fill_with_garbage(path: Path) -> None:
    path.write_bytes(os.urandom(path.stat().st_size))


def _set_schema(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("pragma user_version=99")


def _make_other_database(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as db:
        db.execute("create table cats(name)")


BROKEN: dict[str, Callable[[Path], None]] = {
    "truncated": lambda path: os.truncate(path, path.stat().st_size // 2),
    "empty": lambda path: os.truncate(path, 0),
    "garbage": _fill_with_garbage,
    "another version's": _set_schema,
    "another program's": _make_other_database,
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_ledger_is_exit_3_and_force_mends_it(
    run: Callable[..., Any], tmp_path: Path, how: str
) -> None:
    run()
    before = webps(tmp_path / "out")
    BROKEN[how](tmp_path / "out/.optimizr/ledger.sqlite")
    broken = (tmp_path / "out/.optimizr/ledger.sqlite").read_bytes()
    done = run()
    assert (done.returncode, done.stdout) == (3, "")
    assert "ledger" in done.stderr
    assert "--force" in done.stderr
    assert done.stderr.count("\n") == 1
    assert (tmp_path / "out/.optimizr/ledger.sqlite").read_bytes() == broken
    mended = run("--force")
    assert mended.returncode == 0
    assert len(converted(mended)) == 12
    assert webps(tmp_path / "out") == before
    (kept,) = (tmp_path / "out/.optimizr").glob("ledger.sqlite.unusable-*")
    assert kept.read_bytes() == broken
    assert converted(run()) == set()


def test_a_dry_run_knows_what_is_up_to_date_and_changes_nothing(
    run: Callable[..., Any], tree: Path, tmp_path: Path
) -> None:
    run()
    photo(30, 20).jpegsave(str(tree / "new.jpg"))

    def state() -> dict[Path, bytes]:
        return {p: p.read_bytes() for p in (tmp_path / "out").rglob("*") if p.is_file()}

    before = state()
    (planned,) = events(run("--dry-run").stdout)
    assert (planned["total_files"], planned["skipped_files"]) == (13, 12)
    assert planned["sampled_files"] == 1
    (planned,) = events(run("--dry-run", "--force").stdout)
    assert planned["skipped_files"] == 0
    assert state() == before


def test_an_output_that_was_moved_elsewhere_whole_goes_on_there(
    run: Callable[..., Any], optimizr: Program, tree: Path, tmp_path: Path
) -> None:
    run()
    shutil.copytree(tmp_path / "out", tmp_path / "copied")  # with times of its own
    shutil.copytree(tree, tmp_path / "in2", copy_function=shutil.copy2)
    done = optimizr("run", "--input", tmp_path / "in2", "--output", tmp_path / "copied")
    assert converted(done) == set()
    assert set(skipped(done).values()) == {"up_to_date"}
