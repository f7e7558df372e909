"""Runs over lists, as people start them."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import pytest

from optimizr import inputs
from optimizr.config import Settings
from optimizr.source.bucket import Bucket
from tests.buckets import OfS3, open_at
from tests.conftest import Program, converted, failed, named, webps
from tests.library import Library
from tests.make_pictures import photo
from tests.servers.faults import Faults
from tests.servers.seaweed import S3
from tests.test_lists import SCHEMA
from tests.test_web import serving

NAMES = ("a.jpg", "sub/b c+d%.jpg", "sub/é.jpg")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Draw some pictures."""
    for number, name in enumerate(NAMES):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        photo(60, 40, number).jpegsave(str(path))
    return tmp_path / "in"


def test_a_list_of_paths_is_converted_once_and_bad_lines_fail(
    optimizr: Program, tree: Path, tmp_path: Path
) -> None:
    listed = tmp_path / "keys.txt"
    listed.write_text("".join(f"{tree}/{name}\n" for name in [*NAMES, "../x.jpg", "notes.txt"]))
    run = ("run", "--input", f"@{listed}", "--output", tmp_path / "out", "--root", tree)
    first, second = optimizr(*run), optimizr(*run)
    assert first.returncode == second.returncode == 1
    assert converted(first) == {name.replace("%", "%25") for name in NAMES}
    assert failed(first) == failed(second) == {f"{listed}:4": "bad_line"}
    assert set(webps(tmp_path / "out")) == {f"{name}.webp" for name in NAMES}
    assert len(named(second.stdout, "image.skipped")) == 3
    listed.write_text(f"{tree}/a.jpg")
    assert optimizr(*run).returncode == 0


def test_a_picture_that_is_on_several_lines_is_never_taken_for_the_output_of_others(
    optimizr: Program, tree: Path, tmp_path: Path
) -> None:
    listed = tmp_path / "keys.txt"
    listed.write_text("".join(f"{tree}/{name}\n" for name in NAMES) * 10)
    done = optimizr("run", "--input", f"@{listed}", "--output", tmp_path / "out", "--workers", 8)
    assert failed(done) == {}
    assert done.returncode == 0


def test_paths_are_below_the_current_directory_whatever_their_bytes(
    optimizr: Program, tmp_path: Path
) -> None:
    name = os.fsencode(tmp_path) + b"/cwd/caf\xe9.jpg"
    Path(os.fsdecode(name)).write_bytes(photo(60, 40).jpegsave_buffer())
    (tmp_path / "keys.gz").write_bytes(gzip.compress(b"./caf\xe9.jpg\r\n"))
    done = optimizr("run", "--input", f"@{tmp_path}/keys.gz", "--output", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert converted(done) == {"caf%E9.jpg"}
    assert os.listdir(os.fsencode(tmp_path / "out")).count(b"caf\xe9.jpg.webp") == 1


def test_an_empty_list_is_a_warning_and_a_torn_one_stops_the_run(
    optimizr: Program, tree: Path, tmp_path: Path
) -> None:
    listed = tmp_path / "keys"
    listed.write_bytes(b"")
    run = ("run", "--input", f"@{listed}", "--output", tmp_path / "out")
    done = optimizr(*run)
    assert done.returncode == 0
    assert "no pictures found" in done.stderr
    lines = b"".join(os.fsencode(f"{tree}/{name}\n") for name in NAMES)
    listed.write_bytes(gzip.compress(lines + os.urandom(9000).hex().encode())[:-2000])
    done = optimizr(*run)
    assert done.returncode == 3
    assert "a gzip that ends early" in done.stderr


def test_other_commands_take_a_list_or_say_why_not(
    optimizr: Program, tree: Path, tmp_path: Path
) -> None:
    listed = tmp_path / "keys"
    listed.write_text("a.jpg\n/elsewhere.jpg\nsub/é.jpg\n")
    (tree / "sub/é.jpg").write_text("<html>")
    to = ("--input", f"@{listed}", "--root", tree, "--output", tmp_path / "out")
    planned = optimizr("run", *to, "--dry-run")
    assert planned.returncode == 0, planned.stderr
    assert json.loads(planned.stdout)["total_files"] == 3
    done = optimizr("run", *to, "--dead-letter", tmp_path / "dead")
    assert failed(done) == {f"{listed}:2": "bad_line", "sub/é.jpg": "not_a_picture"}
    assert [path.name for path in (tmp_path / "dead").rglob("*.*")] == ["é.jpg"]
    pruned = optimizr("prune", *to)
    assert pruned.returncode == 2
    assert "expected the directory that the outputs were made from" in pruned.stderr
    signed = optimizr("presign", *to)
    assert signed.returncode == 2
    assert "output: expected a bucket" in signed.stderr


def test_each_item_of_a_list_over_a_bucket_is_asked_by_a_worker_and_then_up_to_date(
    tmp_path: Path,
) -> None:
    library = Library()
    listed = tmp_path / "keys"
    urls = [f"{library.input}/{key}\n" for key in sorted(library.keys)]
    listed.write_text("".join([*urls, f"{library.input}/gone.jpg\n", f"{library.input}/x.txt\n"]))
    for root in (None, library.input):
        done = library.run(input=f"@{listed}", root=root)
        prefix = "in/" if root is None else ""
        assert done.converted == {f"{prefix}{key}": f"{prefix}{key}.webp" for key in library.keys}
        assert done.failed == {f"{prefix}gone.jpg": "not_found"}
        again = library.run(input=f"@{listed}", root=root)
        assert (len(again.skipped), again.converted) == (len(library.keys), {})


def test_an_inventory_of_a_bucket_is_worked_through_without_asking_about_pictures(
    s3: S3, optimizr: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = OfS3(s3)
    for name, value in bucket.environment.items():
        monkeypatch.setenv(name, value)
    for number, name in enumerate(NAMES):
        bucket.put(f"in/{name}", photo(60, 40, number).jpegsave_buffer())
    found = list(Bucket(open_at(bucket.url), ["jpeg"]))
    rows = "".join(
        f'"{bucket.name}","{quote_plus(item.key, safe="/")}","v","true","false","{item.size}",'
        f'"2026-01-01T00:00:00.000Z","{item.version.strip(chr(34))}"\n'
        for item in found
    )
    bucket.put("inventory/1.csv.gz", gzip.compress(rows.encode()))
    record: dict[str, Any] = {
        "sourceBucket": bucket.name,
        "destinationBucket": f"arn:aws:s3:::{bucket.name}",
        "fileFormat": "CSV",
        "fileSchema": SCHEMA,
        "files": [{"key": "inventory/1.csv.gz"}],
    }
    bucket.put("inventory/manifest.json", json.dumps(record).encode())
    (tmp_path / "manifest.json").write_text(json.dumps(record))
    for listed in (f"{bucket.url}/inventory", tmp_path):
        settings = Settings(input=f"@{listed}/manifest.json", output="memory://webps")
        assert list(inputs.open_input(settings)[1]) == found
    with Faults(s3.endpoint) as faults:
        env = {**bucket.environment, "AWS_ENDPOINT_URL": faults.url}
        run = ("run", "--input", f"@{bucket.url}/inventory/manifest.json", "--report.html", "false")
        done = optimizr(*run, "--output", tmp_path / "out", **env)
        asked = [path for method, path in faults.log if method == "HEAD" and ".jpg" in path]
    assert done.returncode == 0, done.stderr
    assert len(converted(done)) == 3
    assert asked == []


def test_lists_in_a_bucket_are_read_in_parts_through_what_fails_in_passing(
    s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = OfS3(s3)
    for name, value in bucket.environment.items():
        monkeypatch.setenv(name, value)
    lines = b"".join(b"s3://pictures/%07d.jpg\n" % number for number in range(400_000))
    bucket.put("lists/keys.txt", lines)
    with Faults(s3.endpoint) as faults:
        monkeypatch.setenv("AWS_ENDPOINT_URL", faults.url)
        source = inputs.open_input(
            Settings(input=f"@{bucket.url}/lists/keys.txt", output="memory://webps")
        )[1]
        items = iter(source)
        assert next(items).key == b"0000000.jpg"
        faults.answer_every = (2, 503)
        assert sum(1 for _ in items) == 399_999
        gets = [path for method, path in faults.log if method == "GET" and "keys.txt" in path]
    assert len(gets) >= 4


def test_a_list_on_a_web_server_names_pictures_on_it(
    optimizr: Program, tree: Path, tmp_path: Path
) -> None:
    with serving(tree) as url:
        (tree / "keys.txt").write_text(f"{url}/sub/b%20c%2Bd%25.jpg\n{url}/a.jpg?token=1\n")
        done = optimizr("run", "--input", f"@{url}/keys.txt", "--output", tmp_path / "out")
    assert converted(done) == {"sub/b c+d%25.jpg"}
    assert failed(done) == {f"{url}/keys.txt:2": "bad_line"}
    assert "token" not in done.stdout + done.stderr


def test_a_list_of_a_web_server_without_ranges_says_so_if_it_needs_them(
    optimizr: Program, tree: Path, tmp_path: Path
) -> None:
    (tree / "keys.txt").write_bytes(b"https://host/a.jpg\n" * 300_000)
    with serving(tree) as url:
        done = optimizr("run", "--input", f"@{url}/keys.txt", "--output", tmp_path / "out")
    assert done.returncode == 3
    assert "RangeNotSupported" in done.stderr


@pytest.mark.long
def test_lists_over_buckets_can_be_signed_and_tuned_for(
    s3: S3, optimizr: Program, tmp_path: Path
) -> None:
    bucket = OfS3(s3)
    urls = []
    for number in range(4):
        bucket.put(f"in/{number}.jpg", photo(90, 60, number).jpegsave_buffer())
        urls.append(f"{bucket.url}/in/{number}.jpg\n")
    listed = tmp_path / "keys"
    listed.write_text("".join([*urls, f"{bucket.url}/in/gone.jpg\n", "/elsewhere.jpg\n"]))
    to = ("--input", f"@{listed}", "--root", f"{bucket.url}/in", "--output", f"{bucket.url}/out")
    done = optimizr("run", *to, **bucket.environment)
    assert failed(done) == {"gone.jpg": "not_found", f"{listed}:6": "bad_line"}
    signed = optimizr("presign", *to, **bucket.environment)
    assert "4 outputs signed; 2 pictures have no output" in signed.stderr
    tuned = optimizr(*("tune", *to[:4], "--sample", "6", "--rounds", "1"), **bucket.environment)
    assert tuned.returncode == 0, tuned.stderr
    assert "4 pictures" in tuned.stdout
