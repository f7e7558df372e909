"""A process that is started again, as Kubernetes does with a pod, goes on with the same run."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizr.events import (
    Event,
    ImageConverted,
    ImageFailed,
    ImageSkipped,
    RunFinished,
    RunStarted,
)
from optimizr.records import to_record
from optimizr.replay import replay
from optimizr.report.figures import figures
from tests import strategies
from tests.buckets import Memory
from tests.conftest import (
    COMMAND,
    Program,
    clean_environment,
    converted,
    fill,
    leftovers,
    named,
    summary_of,
    webps,
)
from tests.library import Library
from tests.make_pictures import photo

COUNTS = (
    *("total_files", "processed_files", "failed_files", "skipped_files", "ignored_files"),
    *("total_input_bytes", "total_output_bytes", "failures_by_reason", "skips_by_reason"),
)
"""Figures that are the same however often a run was killed meanwhile."""


STARTED = RunStarted(
    version="1",
    libvips_version="8",
    python_version="3",
    host="host",
    pid=1,
    settings={},
    workers=1,
    cpu_slots=1,
    memory_bytes=1,
    memory_budget_bytes=1,
)
FINISHED = RunFinished(exit_code=1, interrupted=False, abandoned_files=0)


def resumed(event: ImageConverted) -> ImageSkipped:
    """Tell of a picture as a later attempt does."""
    return ImageSkipped(
        key=event.key,
        reason="resumed",
        input_bytes=event.input_bytes,
        output=event.output,
        output_bytes=event.output_bytes,
    )


def attempt(events: list[Event], name: str, microseconds: int = 1) -> list[str]:
    """Give the log of an attempt that began so long after the others."""
    stamped = strategies.stamp(events, "run", [microseconds])
    return [
        json.dumps(to_record(replace(e, shard="0-of-1", attempt_id=name))) + "\n" for e in stamped
    ]


def told(*logs: list[str]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{number}.jsonl" for number in range(len(logs))]
        for path, log in zip(paths, logs, strict=True):
            path.write_text("".join(log))
        found = figures(replay(map(str, paths)).whole)
    return {name: found[name] for name in (*COUNTS, "runs", "exit_code")}


@given(
    st.lists(st.one_of(strategies.converted, strategies.failed, strategies.skipped), max_size=20),
    st.lists(st.integers(0, 20), max_size=3),
    st.data(),
)
def test_however_often_a_run_is_killed_and_whatever_is_lost_of_its_logs_each_picture_counts_once(
    pictures: list[Event], kills: list[int], data: st.DataObject
) -> None:
    start: st.SearchStrategy[Event] = strategies.started
    end: st.SearchStrategy[Any] = strategies.finished
    first = data.draw(start)
    last = data.draw(end.filter(lambda event: not event.interrupted))
    alone = attempt([first, *pictures, last], "a")
    logs: list[list[str]] = []
    done = 0
    for number, reached in enumerate(sorted(kills)):
        reached = min(reached, len(pictures))
        met = [*since(pictures, done), *pictures[done:reached]]
        log = attempt([data.draw(start), *met], f"a{number}")
        done = max(done, reached)
        lost = data.draw(st.integers(0, len(log)))
        logs.append(log[: len(log) - lost])
    logs.append(attempt([first, *since(pictures, done), *pictures[done:], last], "b"))
    assert told(*data.draw(st.permutations(logs))) == told(alone)


def since(pictures: list[Event], done: int) -> list[Event]:
    """Tell of those that earlier attempts have met: what failed is tried again."""
    return [resumed(e) if isinstance(e, ImageConverted) else e for e in pictures[:done]]


def killed_after(command: list[str], pictures: int, log: Path, **env: str) -> str:
    """Start a run, kill it once it has told of so many pictures; give what it told."""
    process = subprocess.Popen(
        command, env=clean_environment(**env), stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    text = ""
    while text.count('"image.converted"') < pictures:
        text += process.stdout.readline()
    process.kill()
    text += process.communicate()[0]
    log.write_text(text)
    return text


def test_a_pod_that_is_killed_and_started_again_counts_once(
    optimizr: Program, tmp_path: Path
) -> None:
    fill(tmp_path / "in", 60, side=300)
    (tmp_path / "in/page.png").write_text("<html>")
    run = ["run", "--input", str(tmp_path / "in"), "--output"]
    optimizr(*run, tmp_path / "alone")
    whole = summary_of(tmp_path / "alone")
    again = [*run, str(tmp_path / "out")]
    log = tmp_path / "killed.jsonl"
    killed_after([*COMMAND, *again], 20, log, OPTIMIZR_RUN_ID="job-7")
    done = optimizr(*again, OPTIMIZR_RUN_ID="job-7")
    (started,) = named(done.stdout, "run.started")
    assert (started["run_id"], "shard" in started) == ("job-7", False)
    skipped = named(done.stdout, "image.skipped")
    assert {event["reason"] for event in skipped} == {"resumed"}
    assert len(skipped) + len(converted(done)) == 60
    own = summary_of(tmp_path / "out")
    assert {name: own[name] for name in COUNTS} == {name: whole[name] for name in COUNTS}
    assert own["resumed_files"] == len(skipped) >= 20
    (tmp_path / "second.jsonl").write_text(done.stdout)
    for logs in ([log, tmp_path / "second.jsonl"], [tmp_path / "out/summary.json"]):
        merged = json.loads(optimizr("report", *logs, "--json", "-").stdout)
        assert {name: merged[name] for name in COUNTS} == {name: whole[name] for name in COUNTS}
        assert (merged["runs"], merged["exit_code"]) == (1, 1)
    later = optimizr(*again, OPTIMIZR_RUN_ID="job-8")
    assert {event["reason"] for event in named(later.stdout, "image.skipped")} == {"up_to_date"}


@pytest.mark.long
@pytest.mark.timeout(900)
def test_ten_pods_of_which_two_are_killed_make_what_one_run_makes(
    optimizr: Program, tmp_path: Path
) -> None:
    fill(tmp_path / "in", 5_000)
    (tmp_path / "in/page.png").write_text("<html>")
    run = ["run", "--input", str(tmp_path / "in"), "--output"]
    optimizr(*run, tmp_path / "one")
    whole = summary_of(tmp_path / "one")
    command = [*COMMAND, *run, str(tmp_path / "out")]

    def start(index: int, log: Path) -> subprocess.Popen[bytes]:
        env = clean_environment(
            JOB_COMPLETION_INDEX=str(index),
            OPTIMIZR_SHARD__COUNT="10",
            OPTIMIZR_RUN_ID="webp-2026",
        )
        with log.open("w") as stdout:
            return subprocess.Popen(command, env=env, stdout=stdout)

    logs = [tmp_path / f"pod{index}.jsonl" for index in range(10)]
    pods = dict(enumerate(map(start, range(10), logs)))
    for index in (3, 8):
        while logs[index].read_text().count('"image.converted"') < 100:
            assert pods[index].poll() is None
        pods[index].kill()
        pods[index].wait()
        logs.append(tmp_path / f"pod{index}-again.jsonl")
        pods[index] = start(index, logs[-1])
    assert sorted(pod.wait() for pod in pods.values()) == [0] * 9 + [1]
    assert webps(tmp_path / "out") == webps(tmp_path / "one")
    assert leftovers(tmp_path / "out") == []
    summaries = list((tmp_path / "out").glob("summary-*.json"))
    for told_by in (logs, logs[10:] + logs[:10], [*logs[:3], *logs[4:8], *logs[9:]], summaries):
        merged = json.loads(optimizr("report", *told_by, "--json", "-").stdout)
        assert {name: merged[name] for name in COUNTS} == {name: whole[name] for name in COUNTS}
        assert (merged["missing_shards"], merged["unfinished_shards"]) == ([], [])
        assert merged["runs"] == 10
    gone = json.loads(optimizr("report", *logs[:10], "--json", "-").stdout)
    assert gone["unfinished_shards"] == ["webp-2026/3-of-10", "webp-2026/8-of-10"]


def test_a_picture_that_comes_twice_in_one_attempt_is_not_taken_for_resumed(
    optimizr: Program, tmp_path: Path
) -> None:
    paths = fill(tmp_path / "in", 20)
    listed = tmp_path / "list"
    listed.write_text("".join(f"{tmp_path}/in/{path}\n" for path in paths) * 2)
    run = ["run", "--input", f"@{listed}", "--output", tmp_path / "out", "--run-id", "twice"]
    done = optimizr(*run, "--workers", "1")
    assert len(converted(done)) == 20
    assert {e["reason"] for e in named(done.stdout, "image.skipped")} == {"up_to_date"}


def test_what_did_not_pay_is_told_again_by_the_next_attempt(
    optimizr: Program, tmp_path: Path, pictures: Path
) -> None:
    for policy in ("skip", "copy"):
        where = ["--input", pictures, "--output", tmp_path / policy, "--policy.if-larger", policy]
        first = optimizr("run", *where, "--run-id", "job")
        second = optimizr("run", *where, "--run-id", "job")
        before = summary_of(tmp_path / policy)
        assert named(second.stdout, "image.converted") == []
        assert before["skips_by_reason"] == counts(first.stdout)
        assert before["processed_files"] == len(converted(first))


def counts(log: str) -> dict[str, int]:
    reasons = [event["reason"] for event in named(log, "image.skipped")]
    return {reason: reasons.count(reason) for reason in reasons}


def test_a_ledger_of_a_version_before_runs_had_names_goes_on(
    optimizr: Program, tmp_path: Path
) -> None:
    fill(tmp_path / "in", 3)
    run = ["run", "--input", tmp_path / "in", "--output", tmp_path / "out", "--run-id", "job"]
    optimizr(*run)
    ledger = tmp_path / "out/.optimizr/ledger.sqlite"
    with sqlite3.connect(ledger) as db:
        db.execute("drop table run")
    db.close()
    before = ledger.read_bytes()
    optimizr(*run, "--dry-run")
    assert ledger.read_bytes() == before
    done = optimizr(*run)
    assert done.returncode == 0
    assert {e["reason"] for e in named(done.stdout, "image.skipped")} == {"up_to_date"}


def test_in_a_bucket_the_outputs_tell_which_attempt_made_them() -> None:
    library = Library()
    first = library.run(run_id="job")
    again = library.run(run_id="job")
    assert again.skipped == dict.fromkeys(first.converted, "resumed")
    assert again.summary.done_files == first.summary.converted_files
    assert again.summary.done_output_bytes == first.summary.output_bytes
    other = library.run(run_id="another")
    assert other.skipped == dict.fromkeys(first.converted, "up_to_date")


def test_in_a_bucket_what_another_shard_made_is_not_resumed() -> None:
    library, lists = Library(), Memory("lists")
    urls = [f"{library.input}/{key}\n" for key in sorted(library.keys)]
    lists.put("list", "".join(urls * 2).encode())
    run = partial(library.run, input=f"@{lists.url}/list", run_id="job")
    first, second = (run(shard={"index": index, "count": 2}) for index in range(2))
    assert len(first.converted) == 6
    assert set(second.skipped.values()) == {"up_to_date"}
    assert second.summary.done_files == 0


def test_in_a_bucket_webps_that_were_copied_are_told_again() -> None:
    library = Library()
    library.put("small.webp", photo(48, 32, 1).webpsave_buffer(Q=5, strip=True))
    settings: dict[str, Any] = {"picture": {"formats": ["jpeg", "png", "webp"]}}
    settings |= {"webp": {"quality": 95}, "run_id": "job"}
    first, again = library.run(**settings), library.run(**settings)
    assert first.skipped == {"small.webp": "webp_copied"}
    assert again.skipped == first.skipped | dict.fromkeys(first.converted, "resumed")


def test_in_a_bucket_copies_of_what_did_not_pay_are_told_again() -> None:
    library = Library()
    policy: dict[str, Any] = {"policy": {"if_larger": "copy"}, "webp": {"quality": 100}}
    first = library.run(run_id="job", **policy)
    again = library.run(run_id="job", **policy)
    assert set(first.skipped.values()) == {"larger_copied"}
    assert again.skipped == first.skipped | dict.fromkeys(first.converted, "resumed")


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({"JOB_COMPLETION_INDEX": "0"}, "set OPTIMIZR_SHARD__COUNT"),
        ({"JOB_COMPLETION_INDEX": "4"}, "set OPTIMIZR_SHARD__COUNT"),
        ({"JOB_COMPLETION_INDEX": "0", "OPTIMIZR_SHARD__COUNT": "1"}, "completions of this"),
        ({"JOB_COMPLETION_INDEX": "two", "OPTIMIZR_SHARD__COUNT": "3"}, "a number from 0"),
        ({"JOB_COMPLETION_INDEX": "3", "OPTIMIZR_SHARD__COUNT": "3"}, "below the count of 3"),
        ({"OPTIMIZR_RUN_ID": "a/b"}, "run_id: expected a name of letters"),
    ],
)
def test_a_pod_that_is_told_no_place_among_the_shards_is_exit_2(
    env: dict[str, str], said: str, optimizr: Program, tmp_path: Path
) -> None:
    fill(tmp_path / "in", 1)
    done = optimizr("run", "--input", tmp_path / "in", "--output", tmp_path / "out", **env)
    assert done.returncode == 2
    assert said in done.stderr
    assert not (tmp_path / "out").exists()


def test_what_shares_no_pictures_out_needs_no_place_among_shards(
    optimizr: Program, tmp_path: Path
) -> None:
    fill(tmp_path / "in", 3)
    tune = ["tune", "--input", tmp_path / "in", "--sample", "1", "--rounds", "1"]
    assert optimizr(*tune, JOB_COMPLETION_INDEX="0").returncode == 0
    run = ["run", "--input", tmp_path / "in", "--output", tmp_path / "out"]
    assert optimizr(*run, JOB_COMPLETION_INDEX="").returncode == 0
    assert optimizr(*run, "--dry-run", JOB_COMPLETION_INDEX="0").returncode == 2


def test_the_place_of_a_pod_is_its_completion_index_unless_it_is_set(
    optimizr: Program, tmp_path: Path
) -> None:
    fill(tmp_path / "in", 12)
    config = tmp_path / "job.yaml"
    config.write_text("shard: {count: 3}\n")
    run = ["run", config, "--input", tmp_path / "in", "--output", tmp_path / "out"]
    done = [optimizr(*run, JOB_COMPLETION_INDEX=str(index)) for index in range(3)]
    assert [one.returncode for one in done] == [0, 0, 0]
    parts = [converted(one) for one in done]
    assert sum(map(len, parts)) == len(set.union(*parts)) == 12
    assert {path.name for path in (tmp_path / "out").glob("summary-*")} == {
        f"summary-{index}-of-3.json" for index in range(3)
    }
    other = optimizr(*run, "--shard.index", "1", JOB_COMPLETION_INDEX="2")
    assert {e["shard"] for e in named(other.stdout, "image.skipped")} == {"1-of-3"}
    whole = ["--output", tmp_path / "all", "--shard.count", "1", "--shard.index", "0"]
    assert len(converted(optimizr(*run[:-2], *whole, JOB_COMPLETION_INDEX="0"))) == 12


Shards = Callable[[], list[Path]]


@pytest.fixture
def shards(optimizr: Program, tmp_path: Path) -> Shards:
    """Give what makes the logs of three of four shards, of which one is told to end early."""

    def make() -> list[Path]:
        fill(tmp_path / "in", 24)
        run = ["run", "--input", tmp_path / "in", "--output", tmp_path / "out"]
        env = {"OPTIMIZR_RUN_ID": "job", "OPTIMIZR_SHARD__COUNT": "4"}
        logs = []
        for index in (0, 1, 3):
            logs.append(tmp_path / f"pod{index}.log")
            done = optimizr(*run, JOB_COMPLETION_INDEX=str(index), **env)
            logs[-1].write_text(done.stdout)
        finished = logs[1].read_text().splitlines(keepends=True)
        logs[1].write_text("".join(finished[:-1]))
        return logs

    return make


def test_shards_that_are_missing_or_did_not_end_are_named(
    optimizr: Program, tmp_path: Path, shards: Shards
) -> None:
    logs = shards()
    done = optimizr("report", *logs, "--json", "-")
    merged = json.loads(done.stdout)
    assert merged["missing_shards"] == ["job/2-of-4"]
    assert merged["unfinished_shards"] == ["job/1-of-4"]
    shown = optimizr("report", *logs, "--html", tmp_path / "report.html").stdout
    assert "missing     no log tells of 1 shard: job/2-of-4" in shown
    assert "unfinished  not all was done of 1 shard: job/1-of-4" in shown
    page = (tmp_path / "report.html").read_text()
    assert "Not all shards came to their end" in page
    assert "job/2-of-4" in page
    summaries = [tmp_path / f"out/summary-{index}-of-4.json" for index in (0, 1, 3)]
    merged = json.loads(optimizr("report", *summaries, "--json", "-").stdout)
    assert (merged["missing_shards"], merged["unfinished_shards"]) == (["job/2-of-4"], [])
    assert merged["runs"] == 3


def wrapped(line: str, form: str) -> str:
    """Write a line as collectors export it."""
    if form == "kubectl":
        return f"[pod/webp-0-x7k2p/optimizr] {line}"
    if form == "loki":
        labels = {"app": "optimizr", "job_name": "webp"}
        return json.dumps({"labels": labels, "line": line.rstrip(), "timestamp": "t"}) + "\n"
    return json.dumps({"log": line, "stream": "stdout", "time": "t"}) + "\n"


@pytest.mark.parametrize("form", ["kubectl", "loki", "docker"])
def test_logs_are_read_as_collectors_export_them(
    optimizr: Program, tmp_path: Path, shards: Shards, form: str
) -> None:
    logs = shards()
    expected = json.loads(optimizr("report", *logs, "--json", "-").stdout)
    lines = [line for log in logs for line in log.read_text().splitlines(keepends=True)]
    export = tmp_path / "export"
    export.write_text("".join(wrapped(line, form) for line in lines))
    assert json.loads(optimizr("report", export, "--json", "-").stdout) == expected
    if form == "loki":  # as Grafana downloads them, logcli prints them, and the API answers
        array = [json.loads(wrapped(line, form)) for line in lines]
        answer = {"data": {"result": [{"values": [["1", line] for line in lines]}]}}
        printed = "".join(f'2026-01-01T00:00:00Z {{app="optimizr"}} {line}' for line in lines)
        forms = [json.dumps(array), json.dumps(array, indent=2), json.dumps(answer), printed]
        for text in forms:
            export.write_text(text)
            assert json.loads(optimizr("report", export, "--json", "-").stdout) == expected


def test_files_that_tell_of_nothing_are_named_beside_others(
    optimizr: Program, tmp_path: Path, shards: Shards
) -> None:
    logs = shards()
    (tmp_path / "nothing.log").write_text("Error from server (NotFound)\n")
    done = optimizr("report", *logs, tmp_path / "nothing.log")
    assert done.returncode == 0
    assert "nothing.log', found none" in done.stderr
    assert "pod0.log" not in done.stderr


@pytest.mark.parametrize("shard", ["x", "5-of-3", "0-of-0", "0-of-300000000", "9" * 5000 + "-of-3"])
def test_a_shard_that_cannot_be_is_none(
    optimizr: Program, tmp_path: Path, shards: Shards, shard: str
) -> None:
    log = shards()[0]
    summary = json.loads((tmp_path / "out/summary-0-of-4.json").read_text())
    summary["state"]["run"] = [
        shard if field == "0-of-4" else field for field in summary["state"]["run"]
    ]
    (tmp_path / "summary.json").write_text(json.dumps(summary))
    log.write_text(log.read_text().replace('"0-of-4"', f'"{shard}"'))
    for path in (log, tmp_path / "summary.json"):
        merged = json.loads(optimizr("report", path, "--json", "-").stdout)
        assert (merged["missing_shards"], merged["unfinished_shards"]) == ([], [])
        assert merged["total_files"] == summary["total_files"]


def test_reports_of_single_shards_go_together_too(optimizr: Program, shards: Shards) -> None:
    logs = shards()
    reports = [log.with_suffix(".json") for log in logs]
    for log, path in zip(logs, reports, strict=True):
        optimizr("report", log, "--json", path)
    merged = json.loads(optimizr("report", *reports, "--json", "-").stdout)
    assert merged == json.loads(optimizr("report", *logs, "--json", "-").stdout)


def test_until_the_next_attempt_has_met_them_failures_are_those_of_the_one_before() -> None:
    failed = ImageFailed(
        key="a", source="a", reason="corrupt", message="m", stage="convert", input_bytes=1,
        duration_ms=1,
    )  # fmt: skip
    first = attempt([STARTED, failed, FINISHED], "2026")
    second = attempt([STARTED], "2027")
    assert told(first, second)["failed_files"] == 1
    assert told(first, second)["exit_code"] is None


def test_attempts_count_in_the_order_in_which_they_began_whatever_their_names() -> None:
    first, later = attempt([STARTED], "b"), attempt([STARTED, FINISHED], "a", 1000)
    assert told(first, later)["exit_code"] == 1
    assert told(later, first)["exit_code"] == 1
