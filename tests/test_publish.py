"""Where outputs are served, and for how long signed URLs are valid."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from botocore.credentials import Credentials, RefreshableCredentials

from optimizr.errors import EnvironmentStop
from optimizr.publish import Manifest, served_as
from optimizr.store.bucket import BucketStore
from optimizr.store.cloud import s3


def test_an_output_is_served_at_its_quoted_key_below_the_base() -> None:
    assert served_as("https://cdn.example/p/", "a/b c%FF.webp") == (
        "https://cdn.example/p/a/b%20c%FF.webp"
    )
    assert served_as("https://cdn.example", "100%25.webp") == "https://cdn.example/100%25.webp"


def refreshable(left: timedelta) -> RefreshableCredentials:
    return RefreshableCredentials("a", "b", "c", datetime.now(UTC) + left, dict, "a role")


@pytest.mark.parametrize(
    ("credentials", "ends"),
    [
        (Credentials("a", "b"), False),
        (Credentials("a", "b", "a token"), True),
        (refreshable(timedelta(hours=1)), True),
        (refreshable(timedelta(days=8)), False),
    ],
)
def test_temporary_credentials_end_before_a_week(credentials: Credentials, ends: bool) -> None:
    assert s3._ends_before(credentials, timedelta(days=7)) is ends


class Bucket:
    """What a manifest asks of a bucket."""

    def __init__(self, ends: bool) -> None:
        self.ends = ends

    def ends_before(self, _span: timedelta) -> bool:
        return self.ends

    def full_path(self, key: bytes) -> str:
        return f"s3://bucket/{key.decode()}"

    def sign(self, keys: list[bytes], span: timedelta) -> list[str]:
        return [f"https://signed/{key.decode()}?{span.days}" for key in keys]


def manifest(ends: bool) -> Manifest:
    bucket: Any = Bucket(ends)
    return Manifest(bucket, cast(BucketStore, bucket), timedelta(days=7))


@pytest.mark.parametrize("ends", [True, False])
def test_urls_that_end_with_their_credentials_are_warned_of(
    ends: bool, tmp_path: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "optimizr"), manifest(ends) as signed:
        signed.write(b"manifest.jsonl", str(tmp_path / "m.jsonl"))
    assert ("the URLs end with them" in caplog.text) is ends


def test_a_manifest_of_many_outputs_names_each_and_is_its_owners_alone(tmp_path: Any) -> None:
    path = tmp_path / "m.jsonl"
    path.write_text("an old one")
    path.chmod(0o644)
    with manifest(ends=False) as signed:
        for number in range(2_345):
            signed.add(f"{number}.jpg", f"{number}.jpg.webp", number)
        assert signed.write(b"manifest.jsonl", str(path)) == str(path)
    lines = path.read_text().splitlines()
    assert len(lines) == 2_345
    assert "https://signed/2344.jpg.webp?7" in lines[-1]
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["m.jsonl"]


def test_a_manifest_that_cannot_be_written_stops_the_run(tmp_path: Any) -> None:
    with manifest(ends=False) as signed, pytest.raises(EnvironmentStop, match="to write"):
        signed.write(b"manifest.jsonl", str(tmp_path / "none" / "m.jsonl"))
