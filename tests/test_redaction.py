"""What lets somebody in is told nowhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from optimizr.redaction import exporter_secrets, mask, redact_url, scrub
from tests.conftest import Program


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://user:s3cret@host:9091/a?token=s3cret#s3cret", "http://host:9091/a"),
        ("http://user:s3/cret@host/a", "http://host/a"),
        ("http://user:s3?cret#x@host/a", "http://host/a"),
        ("s3://bucket/a b/c", "s3://bucket/a b/c"),
        ("http://[::1", "http://"),
        ("a/path@2x.png", "a/path@2x.png"),
    ],
)
def test_a_url_is_told_without_userinfo_query_and_fragment(url: str, told: str) -> None:
    assert redact_url(url) == told


def test_what_is_refused_is_shown_without_its_password(optimizr: Program, tmp_path: Path) -> None:
    for value in (
        "user:s3cret@host:9091",
        "ftp://user:s3cret@host",
        "http:///user:s3cret@host/",
        "http://user:s3cret@host:port/",
        "http://user:s3/cret@host/",
    ):
        output = tmp_path / "out"
        flags = ("--telemetry.pushgateway", value)
        done = optimizr("run", "--input", tmp_path, "--output", output, *flags)
        assert done.returncode == 2
        assert "telemetry.pushgateway: expected a URL such as" in done.stderr
        assert "cret" not in done.stderr
        assert not output.exists()
    assert mask("'@failed.jsonl'") == "'@failed.jsonl'"


@pytest.mark.parametrize(
    ("variable", "value", "protocol"),
    [
        ("OTEL_EXPORTER_OTLP_HEADERS", "Authorization: Bearer s3cret", "grpc"),
        ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "Authorization=s3cret%0Ax", "http/protobuf"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://user:s3cret@127.0.0.1:1", "grpc"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "user:s3cret@127.0.0.1:1", "http/protobuf"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1/?token=s3cret", "http/protobuf"),
    ],
)
def test_what_exporters_are_given_is_in_no_event(
    optimizr: Program, pictures: Path, tmp_path: Path, variable: str, value: str, protocol: str
) -> None:
    done = optimizr(
        *("run", "--input", pictures / "photos", "--output", tmp_path / "out"),
        *("--telemetry.otlp", "true", "--report.html", "false"),
        OTEL_EXPORTER_OTLP_PROTOCOL=protocol,
        **({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"} | {variable: value}),
    )
    assert done.returncode in (0, 2)
    assert "run.warned" in done.stdout + done.stderr or done.returncode == 2
    assert "s3cret" not in done.stdout + done.stderr


def test_longer_secrets_are_hidden_before_those_that_are_in_them() -> None:
    found = exporter_secrets({"OTEL_EXPORTER_OTLP_HEADERS": "a=abc,b=abcdef", "OTHER": "xyz"})
    assert scrub("abcdef abc xyz", found) == "*** *** xyz"
