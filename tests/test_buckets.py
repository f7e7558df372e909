"""The program from bucket to bucket, on real object stores; also while these fail."""

from __future__ import annotations

import itertools
import json
import signal
import subprocess
import time
import urllib.request
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import pytest

from tests import make_pictures
from tests.conftest import COMMAND, Program, clean_environment
from tests.servers.azurite import Azure
from tests.servers.faults import Faults
from tests.servers.gcs import Gcs
from tests.servers.seaweed import S3, connect


class Done(NamedTuple):
    """What a run came to."""

    code: int
    said: str
    events: list[dict[str, Any]]
    text: str

    def named(self, name: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["event"] == name]

    @property
    def converted(self) -> Counter[str]:
        return Counter(event["key"] for event in self.named("image.converted"))

    @property
    def skipped(self) -> Counter[str]:
        return Counter(event["key"] for event in self.named("image.skipped"))


def photo(width: int, height: int, seed: int = 0) -> bytes:
    data: bytes = make_pictures.photo(width, height, seed).jpegsave_buffer(Q=85)
    return data


def done(process: subprocess.CompletedProcess[str]) -> Done:
    lines = process.stdout.splitlines()
    return Done(
        process.returncode,
        process.stderr,
        [json.loads(line) for line in lines],
        process.stdout + process.stderr,
    )


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Thirty small pictures in three folders."""
    for number in range(30):
        path = tmp_path / "tree" / f"f{number % 3}" / f"{number:02} ü.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(photo(64 + number, 48, number))
    return tmp_path / "tree"


@pytest.fixture
def webps(tree: Path, optimizr: Program) -> dict[str, bytes]:
    """What the pictures become: the WebPs of a run from folder to folder, by picture's key."""
    output = tree.parent / "local"
    assert optimizr("run", "--input", tree, "--output", output).returncode == 0
    return {
        str(path.relative_to(output).with_suffix(".jpg")): path.read_bytes()
        for path in output.rglob("*.webp")
    }


def fill(s3: S3, bucket: str, tree: Path, prefix: str = "") -> None:
    for path in tree.rglob("*.jpg"):
        key = f"{prefix}{path.relative_to(tree)}"
        s3.client.put_object(Bucket=bucket, Key=key, Body=path.read_bytes())


def objects(s3: S3, bucket: str, ending: str = "") -> dict[str, bytes]:
    pages = s3.client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    keys = [found["Key"] for page in pages for found in page.get("Contents", [])]
    return {
        key: s3.client.get_object(Bucket=bucket, Key=key)["Body"].read()
        for key in keys
        if key.endswith(ending)
    }


def outputs(s3: S3, bucket: str) -> dict[str, bytes]:
    """Give the WebPs of a bucket, by picture's key."""
    return {key.removesuffix(".webp"): data for key, data in objects(s3, bucket, ".webp").items()}


Run = Callable[..., Done]


@pytest.fixture
def run(optimizr: Program) -> Run:
    def call(s3: S3, *args: object, **env: str) -> Done:
        return done(optimizr("run", *args, **(s3.environment() | env)))

    return call


def test_a_bucket_is_converted_to_another_and_then_nothing_is_left_to_do(
    s3: S3, run: Run, tree: Path, webps: dict[str, bytes]
) -> None:
    pictures, made = s3.new_bucket(), s3.new_bucket()
    fill(s3, pictures, tree, "library/")
    args = ("--input", f"s3://{pictures}/library", "--output", f"s3://{made}")
    cache = ("--publish.cache-control", "public, max-age=60")
    first = run(s3, *args, *cache)
    assert first.code == 0, first.said
    assert first.converted == Counter(webps.keys())
    assert outputs(s3, made) == webps
    there = objects(s3, made)
    assert {"summary.json", "report.html"} <= there.keys()
    assert "failed.jsonl" not in there
    head = s3.client.head_object(Bucket=made, Key="f0/00 ü.jpg.webp")
    assert head["ContentType"] == "image/webp"
    assert head["CacheControl"] == "public, max-age=60"
    again = run(s3, *args)
    assert again.code == 0
    assert again.skipped == Counter(webps.keys())
    assert {skip["reason"] for skip in again.named("image.skipped")} == {"up_to_date"}
    other = run(s3, *args, "--quality", "70")
    assert other.converted == Counter(webps.keys())


def test_the_second_run_reads_no_picture_and_writes_no_webp(s3: S3, run: Run, tree: Path) -> None:
    pictures, made = s3.new_bucket(), s3.new_bucket()
    fill(s3, pictures, tree)
    args = ("--input", f"s3://{pictures}", "--output", f"s3://{made}")
    assert run(s3, *args).code == 0
    with Faults(s3.endpoint) as counted:
        assert run(s3, *args, AWS_ENDPOINT_URL=counted.url).code == 0
        log = counted.log
    assert not [path for method, path in log if method == "GET" and ".jpg" in path]
    assert not [path for method, path in log if method == "PUT" and path.endswith(".webp")]
    assert not [path for method, path in log if method == "HEAD" and path.endswith(".webp")]
    other = ("--quality", "70", "--dry-run")
    assert run(s3, *args, "--dry-run").named("run.planned")[0]["skipped_files"] == 30
    assert run(s3, *args, *other).named("run.planned")[0]["skipped_files"] == 0
    ledger = ("--ledger", tree.parent / "ledger")
    assert run(s3, *args, *ledger, "--force").converted.total() == 30
    with Faults(s3.endpoint) as counted:
        assert run(s3, *args, *ledger, AWS_ENDPOINT_URL=counted.url).skipped.total() == 30
        asked = [path for method, path in counted.log if method == "HEAD" and ".webp" in path]
    assert not asked, "the ledger and the listing know it"


def put(kind: str, place: str, name: str, data: bytes, servers: tuple[S3, Gcs, Azure]) -> None:
    """Put an object by what is not ours."""
    s3, gcs, azure = servers
    bucket, _, prefix = place.partition("://")[2].partition("/")
    key = f"{prefix}/{name}"
    if kind == "s3":
        s3.client.put_object(Bucket=bucket, Key=key, Body=data)
    elif kind == "gs":
        query = f"uploadType=media&name={quote(key, safe='')}"
        gcs.ask("POST", f"/upload/storage/v1/b/{bucket}/o?{query}", data)
    elif kind == "az":
        azure.ask("PUT", f"/{bucket}/{quote(key)}", data, x_ms_blob_type="BlockBlob")
    else:
        Path(place).mkdir(parents=True, exist_ok=True)
        Path(place, name).write_bytes(data)


KINDS = ("s3", "gs", "az", "local")
ONCE_EACH = {("s3", "gs"), ("gs", "az"), ("az", "local"), ("local", "s3")}
"""Each kind is read from and written to once; the others are for the long tests."""


@pytest.mark.parametrize(
    ("source", "target"),
    [
        pytest.param(*mix, marks=[] if mix in ONCE_EACH else pytest.mark.long)
        for mix in itertools.product(KINDS, KINDS)
    ],
)
def test_every_mix_of_stores_converts_and_knows_what_is_done(
    s3: S3,
    fake_gcs: Gcs,
    azure: Azure,
    optimizr: Program,
    tmp_path: Path,
    source: str,
    target: str,
) -> None:
    def place(kind: str, name: str) -> str:
        buckets: dict[str, Callable[[], str]] = {
            "s3": s3.new_bucket,
            "gs": fake_gcs.new_bucket,
            "az": azure.new_container,
        }
        return f"{kind}://{buckets[kind]()}/{name}" if kind in buckets else str(tmp_path / name)

    here, there = place(source, "in"), place(target, "out")
    data = photo(80, 60)
    for name in ("a b.jpg", "ü%20.jpg"):
        put(source, here, name, data, (s3, fake_gcs, azure))
    env = s3.environment() | fake_gcs.environment() | azure.environment()
    args = ("run", "--input", here, "--output", there, "--naming", "append")
    first, second = done(optimizr(*args, **env)), done(optimizr(*args, **env))
    keys = Counter(["a b.jpg", "ü%2520.jpg"])
    assert (first.code, first.converted) == (0, keys), first.text
    assert {event["input_bytes"] for event in first.named("image.converted")} == {len(data)}
    assert (second.code, second.skipped) == (0, keys), second.text


FAULTS: dict[str, dict[str, Any]] = {
    "resets": {"reset_every": 7},
    "503": {"answer_every": (5, 503)},
    "429": {"answer_every": (4, 429)},
    "cut bodies": {"cut_every": 6},
    "lost answers": {"drop_answer_every": 3},
    "latency": {"latency": 0.05},
    "all": {
        "reset_every": 11,
        "answer_every": (7, 503),
        "cut_every": 9,
        "drop_answer_every": 5,
        "latency": 0.01,
    },
}


@pytest.mark.parametrize(
    ("fault", "overwrite"),
    [
        *((fault, "changed") for fault in FAULTS),
        ("lost answers", "never"),
        pytest.param("all", "never", marks=pytest.mark.long),
    ],
)
def test_nothing_is_lost_torn_or_counted_twice_while_a_store_fails(
    s3: S3, run: Run, tree: Path, webps: dict[str, bytes], fault: str, overwrite: str
) -> None:
    pictures, made = s3.new_bucket(), s3.new_bucket()
    fill(s3, pictures, tree)
    with Faults(s3.endpoint) as faults:
        for name, value in FAULTS[fault].items():
            setattr(faults, name, value)
        result = run(
            s3,
            *("--input", f"s3://{pictures}", "--output", f"s3://{made}"),
            *("--policy.overwrite", overwrite),
            AWS_ENDPOINT_URL=faults.url,
        )
        assert len(faults.log) > 60
    assert result.code == 0, result.text
    assert result.converted == Counter(webps.keys())
    assert not result.named("image.failed")
    assert not result.named("image.skipped")
    assert outputs(s3, made) == webps
    assert not s3.client.list_multipart_uploads(Bucket=made).get("Uploads")


def test_a_store_that_is_down_ends_the_run_which_can_be_taken_up(
    s3: S3, tree: Path, webps: dict[str, bytes], run: Run
) -> None:
    pictures, made = s3.new_bucket(), s3.new_bucket()
    fill(s3, pictures, tree)
    args = ("--input", f"s3://{pictures}", "--output", f"s3://{made}")
    with Faults(s3.endpoint) as faults:
        faults.latency = 0.2
        env = s3.environment() | {"AWS_ENDPOINT_URL": faults.url}
        with subprocess.Popen(
            [*COMMAND, "run", *args, "--store.give-up-after", "2s", "--workers", "2"],
            env=clean_environment(**env),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            while not outputs(s3, made):
                time.sleep(0.05)
            faults.down = True
            stdout, stderr = process.communicate(timeout=60)
    ended = done(subprocess.CompletedProcess([], process.returncode, stdout, stderr))
    assert ended.code == 3, ended.text
    finished = ended.named("run.finished")[0]
    assert finished["cause"] == "store_unreachable"
    assert "store.give_up_after" in finished["message"]
    assert not ended.named("image.failed"), "the pictures are not to blame"
    assert run(s3, *args).code == 0
    assert outputs(s3, made) == webps


@pytest.mark.long
def test_a_run_that_is_asked_to_end_while_its_store_is_down_tells_its_end(
    s3: S3, tree: Path
) -> None:
    pictures, made = s3.new_bucket(), s3.new_bucket()
    fill(s3, pictures, tree)
    args = ("--input", f"s3://{pictures}", "--output", f"s3://{made}")
    with Faults(s3.endpoint) as faults:
        faults.latency = 0.2
        env = s3.environment() | {"AWS_ENDPOINT_URL": faults.url}
        with subprocess.Popen(
            [*COMMAND, "run", *args, "--limits.drain", "1s", "--workers", "2"],
            env=clean_environment(**env),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            while not outputs(s3, made):
                time.sleep(0.05)
            faults.down = True
            process.send_signal(signal.SIGTERM)
            stdout, stderr = process.communicate(timeout=60)
    ended = done(subprocess.CompletedProcess([], process.returncode, stdout, stderr))
    assert ended.code in (3, 143), ended.text
    assert ended.named("run.finished")[0]["interrupted"]
    assert not ended.named("image.failed")


def test_a_run_that_is_killed_leaves_whole_outputs_and_no_parts(
    s3: S3, tree: Path, webps: dict[str, bytes], run: Run
) -> None:
    pictures, made = s3.new_bucket(), s3.new_bucket()
    fill(s3, pictures, tree)
    args = ("--input", f"s3://{pictures}", "--output", f"s3://{made}")
    kills = 0
    with Faults(s3.endpoint) as faults:
        faults.latency = 0.05
        env = s3.environment() | {"AWS_ENDPOINT_URL": faults.url}
        while len(outputs(s3, made)) < len(webps) and kills < 4:
            before = len(outputs(s3, made))
            with subprocess.Popen(
                [*COMMAND, "run", *args, "--workers", "2"],
                env=clean_environment(**env),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            ) as process:
                while len(outputs(s3, made)) < before + 4 and process.poll() is None:
                    time.sleep(0.02)
                process.send_signal(signal.SIGKILL)
            kills += 1
    assert kills >= 2
    left = outputs(s3, made)
    assert left.items() <= webps.items()
    result = run(s3, *args)
    assert result.code == 0, result.text
    assert result.skipped == Counter(left.keys())
    assert outputs(s3, made) == webps
    assert not s3.client.list_multipart_uploads(Bucket=made).get("Uploads")


def test_failures_and_reports_go_where_the_output_goes(s3: S3, run: Run, tree: Path) -> None:
    pictures, made = s3.new_bucket(), s3.new_bucket()
    fill(s3, pictures, tree)
    s3.client.put_object(Bucket=pictures, Key="broken.jpg", Body=photo(90, 90)[:-300])
    s3.client.put_object(Bucket=pictures, Key="tab\t.jpg", Body=photo(9, 9))
    args = (
        "--input",
        f"s3://{pictures}",
        "--output",
        f"s3://{made}/deep",
        "--policy.max-failed",
        "2",
    )
    result = run(s3, *args)
    assert result.code == 0, result.text
    reasons = {event["key"]: event["reason"] for event in result.named("image.failed")}
    assert reasons == {"broken.jpg": "truncated", "tab\t.jpg": "key_not_addressable"}
    assert result.converted.total() == 30
    there = objects(s3, made)
    lines = [json.loads(line) for line in there["deep/failed.jsonl"].splitlines()]
    assert {line["source"] for line in lines} == {
        f"s3://{pictures}/broken.jpg",
        f"s3://{pictures}/tab\t.jpg",
    }
    summary = json.loads(there["deep/summary.json"])
    assert summary["failed_files"] == 2
    assert b"<html" in there["deep/report.html"]
    failed = tree.parent / "failed.jsonl"
    failed.write_bytes(there["deep/failed.jsonl"])
    s3.client.put_object(Bucket=pictures, Key="broken.jpg", Body=photo(90, 90))
    retried = run(s3, "--input", f"@{failed}", "--output", f"s3://{made}/deep")
    assert retried.converted == Counter(["broken.jpg"])
    assert retried.code == 1


def test_signed_urls_are_in_the_manifest_alone_and_no_secret_is_told_anywhere(
    s3: S3, run: Run, optimizr: Program, tree: Path, webps: dict[str, bytes]
) -> None:
    pictures, made = s3.new_bucket(), s3.new_bucket()
    fill(s3, pictures, tree)
    places = ("--input", f"s3://{pictures}", "--output", f"s3://{made}")
    result = run(
        s3,
        *places,
        *("--publish.presign", "1h", "--publish.base-url", "https://cdn.example/p/"),
    )
    assert result.code == 0, result.text
    urls = {event["output_url"] for event in result.named("image.converted")}
    assert "https://cdn.example/p/f0/00%20%C3%BC.jpg.webp" in urls
    there = objects(s3, made)
    manifest = [json.loads(line) for line in there.pop("manifest.jsonl").splitlines()]
    assert len(manifest) == 30
    for line in manifest[:5]:
        assert fetched(line["url"]) == webps[line["source"].removeprefix(f"s3://{pictures}/")]
        assert line["bytes"] == len(webps[line["source"].removeprefix(f"s3://{pictures}/")])
    told = result.text + "".join(there[name].decode() for name in ("summary.json", "report.html"))
    for secret in (s3.secret_key, s3.access_key, "X-Amz-Signature"):
        assert secret not in told
    private = tree.parent / "signed.jsonl"
    signed = optimizr(*("presign", *places, "--publish.manifest", private), **s3.environment())
    assert signed.returncode == 0, signed.stderr
    assert "30 outputs signed; 0 pictures have no output" in signed.stderr
    assert private.stat().st_mode & 0o777 == 0o600
    first = json.loads(private.read_text().splitlines()[0])
    assert "X-Amz-Expires=604800" in first["url"]


def fetched(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=10) as answer:
        data: bytes = answer.read()
    return data


def test_two_runs_at_once_make_each_output_once_or_agree(
    s3: S3, tree: Path, webps: dict[str, bytes]
) -> None:
    pictures, made = s3.new_bucket(), s3.new_bucket()
    fill(s3, pictures, tree)
    args = ("--input", f"s3://{pictures}", "--output", f"s3://{made}", "--report.html", "false")
    runs = [
        subprocess.Popen(
            [*COMMAND, "run", *args],
            env=clean_environment(**s3.environment()),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for process in runs:
        stdout, stderr = process.communicate(timeout=120)
        assert process.returncode == 0, stdout + stderr
        ended = done(subprocess.CompletedProcess([], 0, stdout, stderr))
        assert ended.converted + ended.skipped == Counter(webps.keys())
    assert outputs(s3, made) == webps


def test_a_reader_may_read_and_not_write(
    s3: S3, s3_as: Callable[[str], S3], run: Run, tree: Path, tmp_path: Path
) -> None:
    pictures = s3.new_bucket("pictures")
    fill(s3, pictures, tree)
    reader = s3_as("reader")
    into = ("--output", tmp_path / "out")
    assert run(reader, "--input", f"s3://{pictures}", *into).converted.total() == 30
    refused = run(reader, "--input", tree, "--output", f"s3://{pictures}/w")
    assert refused.code == 2
    assert "to be written to, got: HTTP 403 AccessDenied" in refused.said
    wrong = connect(s3.endpoint, s3.access_key, "a wrong secret")
    stranger = run(wrong, "--input", f"s3://{pictures}", *into)
    wrong.client.close()
    assert stranger.code == 2
    assert "SignatureDoesNotMatch" in stranger.said
    assert "a wrong secret" not in stranger.text
