"""docs/storage.md says of URLs, extras and requests what the code does."""

from __future__ import annotations

import math
import re
import tomllib
from collections import Counter
from pathlib import Path

import pytest

from docs.generate import ROOT
from optimizr.patience import TRIES
from optimizr.sections import StoreSettings
from optimizr.store.open import _MODULES
from optimizr.store.place import BUCKETS, MEMORY, WEB
from optimizr.store.words import ATTEMPT, MAKING, SOURCE
from tests.conftest import Program
from tests.make_pictures import photo
from tests.servers.faults import Faults
from tests.servers.seaweed import S3

PAGE = (ROOT / "docs/storage.md").read_text()
PICTURES = 12


def rows(title: str) -> list[list[str]]:
    """Give the cells of the first table below a title, without its head."""
    table = PAGE.split(f"## {title}\n", 1)[1].split("\n|", 1)[1].split("\n\n", 1)[0]
    lines = table.splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_every_form_of_url_is_in_the_table_with_its_extra() -> None:
    told = {
        scheme: extra.strip("`")
        for url, extra, *_ in rows("URLs")
        for scheme in re.findall(r"`(\w+)://", url)
    }
    extras = {scheme: extra for scheme, (_, extra) in _MODULES.items()}
    assert told == extras | {MEMORY: "none"}
    assert told.keys() == {*BUCKETS, *WEB, MEMORY}


def test_every_extra_of_a_cloud_is_named() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    all_of_them = project["optional-dependencies"]["cloud"][0]
    named = {extra.strip("`") for _, extra, *_ in rows("URLs")}
    extras = all_of_them.removeprefix("optimizr[").removesuffix("]").split(",")
    assert named == {"none", "cloud", *extras}


def test_credentials_and_permissions_are_told_of_every_bucket() -> None:
    for title in ("Credentials", "Permissions"):
        assert [url for url, *_ in rows(title)] == [f"`{scheme}://`" for scheme in BUCKETS]


def test_the_words_with_an_output_are_those_that_are_written() -> None:
    told = {name.strip("`") for name, _ in rows("What an output carries")}
    assert {SOURCE, MAKING, ATTEMPT} <= told


def test_patience_is_told_as_it_is() -> None:
    store = StoreSettings()
    assert f"one request fails {TRIES} times" in PAGE
    assert f"`store.give_up_after` ({store.give_up_after.seconds // 60} min)" in PAGE
    assert f"`store.timeout` ({store.timeout.seconds} s)" in PAGE


def asked(faults: Faults) -> Counter[str]:
    """Count what was asked about pictures and of listings, and begin anew."""
    counts: Counter[str] = Counter()
    for method, path in faults.log:
        if "list-type=2" in path:
            is_a_try = re.search(r"max-keys=1(&|$)", path)  # whether it may be listed at all
            counts["LIST"] += not is_a_try
        elif re.search(r"\.(jpg|webp)$", path.split("?")[0]):
            counts[method] += 1
    faults.log.clear()
    return +counts


def expected(title: str) -> Counter[str]:
    """Give the table's figures, for as many pictures as the test has."""
    figures = next(row[1:] for row in rows("Requests per million pictures") if row[0] == title)
    lists, *others = (int(figure.replace(",", "")) for figure in figures)
    counts = {"LIST": math.ceil(lists / 1000)}  # of so few pictures a listing is one page
    for method, count in zip(("HEAD", "GET", "PUT"), others, strict=True):
        counts[method] = count * PICTURES // 1_000_000
    return +Counter(counts)


@pytest.mark.parametrize(
    ("way", "ledger"),
    [
        ("bucket to bucket", False),
        ("bucket to bucket", True),
        ("folder to bucket", False),
        ("folder to bucket", True),
        ("bucket to folder", False),
    ],
)
def test_requests_per_million_pictures_are_as_the_table_says(
    way: str, ledger: bool, tmp_path: Path, s3: S3, optimizr: Program
) -> None:
    bucket = s3.new_bucket()
    root = {"bucket": f"s3://{bucket}", "folder": str(tmp_path)}
    (tmp_path / "in").mkdir()
    for number in range(PICTURES):
        data: bytes = photo(32, 24, number).jpegsave_buffer()
        (tmp_path / f"in/{number}.jpg").write_bytes(data)
        s3.client.put_object(Bucket=bucket, Key=f"in/{number}.jpg", Body=data)
    source, output = way.split(" to ")
    args = ["--input", f"{root[source]}/in", "--output", f"{root[output]}/out"]
    args += ["--report.html", "false"]  # whose gallery asks for some pictures
    if ledger:
        args += ["--ledger", str(tmp_path / "ledger")]
    with Faults(s3.endpoint) as faults:
        env = s3.environment() | {"AWS_ENDPOINT_URL": faults.url}
        for title in (f"{way}, first run", f"{way}, second run"):
            done = optimizr("run", *args, **env)
            assert done.returncode == 0, done.stderr
            is_apart = ledger and title.endswith("second run")
            assert asked(faults) == expected(f"{title} with `--ledger`" if is_apart else title)
