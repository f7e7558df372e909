from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from optimizr.cli.run import command
from optimizr.cli.settings import SHORT_FLAGS, setting_names
from optimizr.config import Settings
from optimizr.errors import ConfigError
from optimizr.redaction import redact_url

ROOT = Path(__file__).parents[1]
BASE = ["--input", "in", "--output", "out"]


def parse(*args: str) -> Settings:
    return command().parse([*BASE, *args])[0]


def mistake(*args: str) -> str:
    with pytest.raises(ConfigError) as caught:
        command().parse(list(args))
    return str(caught.value)


def write(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)


CONFIGS = {
    "a.yaml": "webp: {quality: 60}\npool:\n  memory: 512Mi\npolicy:\n",
    "a.toml": "[webp]\nquality = 60\n[pool]\nmemory = '512Mi'\n",
    "a.json": '{"webp": {"quality": 60}, "pool": {"memory": "512Mi"}}',
}


@pytest.mark.parametrize("name", CONFIGS)
def test_a_config_file_sets_what_it_names_and_nothing_else(tmp_path: Path, name: str) -> None:
    settings = parse(write(tmp_path / name, CONFIGS[name]))
    assert settings.webp.quality == 60
    assert settings.pool.memory == 512 << 20
    assert settings.webp.effort == 4


EXAMPLES = [path for path in (ROOT / "config").glob("*.yaml") if path.name != "compose.yaml"]


@pytest.mark.parametrize("path", sorted(EXAMPLES), ids=lambda path: path.name)
def test_each_example_of_a_config_file_loads(path: Path) -> None:
    settings = parse(str(path))
    assert settings != parse(), "it sets nothing"


def test_environment_wins_over_file_and_flags_over_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(tmp_path / "c.yaml", "webp: {quality: 1, effort: 1}\npool: {workers: 1}")
    monkeypatch.setenv("OPTIMIZR_WEBP__QUALITY", "2")
    monkeypatch.setenv("OPTIMIZR_WEBP__EFFORT", "2")
    settings = parse(file, "--quality", "3")
    assert (settings.webp.quality, settings.webp.effort, settings.pool.workers) == (3, 2, 1)


def test_input_and_output_may_come_from_the_file(tmp_path: Path) -> None:
    file = write(tmp_path / "c.yaml", "input: a\noutput: b\n")
    settings, flags = command().parse([file, "--verbose"])
    assert (settings.input, settings.output) == ("a", "b")
    assert (flags.verbose, flags.dry_run, flags.force) == (True, False, False)


@pytest.mark.parametrize("dotted", SHORT_FLAGS)
def test_short_flags_set_what_the_long_ones_set(dotted: str) -> None:
    value = {"naming": "append", "log-format": "json"}.get(SHORT_FLAGS[dotted], "5")
    value = "512MB" if dotted == "pool.memory" else value
    short = parse(f"--{SHORT_FLAGS[dotted]}", value)
    assert short.model_dump() == parse(f"--{dotted}={value}").model_dump()
    assert short.model_dump() != parse().model_dump()


def test_flags_take_dashes_and_underscores() -> None:
    assert parse("--policy.max-failed", "1%").policy.max_failed == "1%"
    assert parse("--policy.max_failed=3").policy.max_failed == 3


def test_every_setting_has_a_flag() -> None:
    flags = command().parser.format_help()
    for name in setting_names():
        assert f"--{name.replace('_', '-')}" in flags


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ([], "input: expected a value, got none"),
        ([*BASE, "--quality", "101"], "webp.quality: expected a number less than or equal to 100"),
        ([*BASE, "--quality", "101"], "got '101'"),
        ([*BASE, "--qualty", "7"], "did you mean --quality?"),
        ([*BASE, "--webp.qualty=7"], "did you mean --webp.quality?"),
        ([*BASE, "--qual", "7"], "did you mean --quality?"),
        ([*BASE, "--workers", "0"], "pool.workers: expected a number greater than"),
        ([*BASE, "--workers", "0"], "or 'auto', got '0'"),
        ([*BASE, "--memory", "lots"], "pool.memory: expected a size such as 512MB"),
        ([*BASE, "--naming", "random"], "policy.naming: expected 'replace' or 'append'"),
        ([*BASE, "--limits.drain", "soon"], "limits.drain: expected a duration such as 30s"),
        ([*BASE, "--policy.max-failed", "-1"], "policy.max_failed: expected a count of 0 or more"),
        ([*BASE, "--policy.max-failed", "101%"], "policy.max_failed: expected a count of 0"),
        ([*BASE, "--webp", "x"], "expected settings by name"),
        ([*BASE, "--limits.drain", "99999999999d"], "limits.drain: expected a duration"),
        ([*BASE, "--monitor.interval", "0s"], "expected a duration greater than or equal to 100ms"),
        ([*BASE, "pictures"], "folders of pictures go to --input"),
        (["c.yaml", "--input", "in", "out"], "expected flags, got 'out'"),
        ([*BASE, "--quality", "abc"], "webp.quality: expected a valid integer, got 'abc'"),
        ([*BASE, "--quality"], "argument --webp.quality/--quality: expected one argument"),
        (["pictures", *BASE], "folders of pictures go to --input"),
        (["gone.yaml", *BASE], "expected a file that can be read, got 'gone.yaml'"),
        (["--input", "", "--output", "o"], "input: expected a value, got none"),
        (["--input", "http://[foo", "--output", "o\0"], "output: expected a path"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_sentence_that_names_the_setting(args: list[str], said: str) -> None:
    message = mistake(*args)
    assert said in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("c.yaml", "webp: {qualty: 7}", "webp.qualty: no such setting; did you mean webp.quality?"),
        ("c.yaml", "webb: {quality: 7}", "webb: no such setting"),
        ("c.yaml", "webp: 7", "webp: expected settings by name, got 7"),
        ("c.yaml", "1: 2", "got the name 1"),
        ("c.yaml", "webp.quality: 7", "write it nested, as webp: {quality: ...}"),
        ("c.yaml", "limits: {drain: .inf}", "limits.drain: expected a duration"),
        ("c.yaml", "limits: {drain: -5}", "limits.drain: expected a duration"),
        ("c.yaml", "pool: {memory: true}", "pool.memory: expected a value other than true"),
        ("c.yaml", "webp: {quality: true}", "webp.quality: expected a value other than true"),
        ("c.yaml", "pool: {memory: -5}", "pool.memory: expected a size"),
        ("c.yaml", "- a list", "expected settings by name"),
        ("c.yaml", "webp: [", "expected yaml"),
        ("c.toml", "webp = ", "expected toml"),
        ("c.json", "{", "expected json"),
        ("c.json", "\xff", "expected json"),
        ("c.yaml", "webp: {quality: high}", "webp.quality: expected a valid integer"),
    ],
)
def test_a_mistake_in_a_config_file_is_told_likewise(
    tmp_path: Path, name: str, text: str, said: str
) -> None:
    (tmp_path / name).write_bytes(text.encode("latin-1"))
    message = mistake(str(tmp_path / name), *BASE)
    assert said in message
    assert "\n" not in message


def test_a_section_in_the_environment_that_is_no_json_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPTIMIZR_WEBP", "x")
    assert "expected settings by name" in mistake(*BASE)


def test_a_mistyped_variable_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPTIMIZR_WEBP__QUALTY", "7")
    assert "did you mean OPTIMIZR_WEBP__QUALITY?" in mistake(*BASE)
    monkeypatch.delenv("OPTIMIZR_WEBP__QUALTY")
    monkeypatch.setenv("OPTIMIZR_OUTPT", "x")
    assert "did you mean OPTIMIZR_OUTPUT?" in mistake(*BASE)
    monkeypatch.delenv("OPTIMIZR_OUTPT")
    monkeypatch.setenv("OPTIMIZR_FOO__BAR", "x")
    assert "expected no variable OPTIMIZR_FOO__BAR" in mistake(*BASE)


def test_variables_that_kubernetes_sets_for_a_service_are_not_meant_for_us(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPTIMIZR_VERSION", "1.2.3")
    for name in ("SERVICE_HOST", "SERVICE_PORT", "SERVICE_PORT_HTTP", "PORT", "PORT_80_TCP_ADDR"):
        monkeypatch.setenv(f"OPTIMIZR_{name}", "10.0.0.1")
    assert parse().webp.quality == 80


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError):
        parse().webp.quality = 1


@pytest.mark.parametrize(
    ("max_failed", "failed", "total", "fine"),
    [("0", 0, 9, True), ("0", 1, 9, False), ("2", 2, 9, True), ("10%", 1, 10, True),
     ("10%", 2, 10, False), ("0.5%", 5, 1000, True), ("100%", 9, 9, True), ("0%", 0, 0, True)],
)  # fmt: skip
def test_max_failed_is_a_count_or_a_percentage(
    max_failed: str, failed: int, total: int, fine: bool
) -> None:
    assert parse("--policy.max-failed", max_failed).policy.tolerates(failed, total) is fine


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("https://me:secret@host:8/a/b?token=x#y", "https://host:8/a/b"),
        ("s3://bucket/prefix", "s3://bucket/prefix"),
        ("/a/path?with=odd@name", "/a/path?with=odd@name"),
    ],
)
def test_what_is_told_of_a_url_holds_no_secret(url: str, told: str) -> None:
    assert redact_url(url) == told
    settings = Settings(input=url, output="out")
    assert settings.redacted()["input"] == told


def test_redacted_settings_are_plain_json() -> None:
    dumped = json.loads(json.dumps(parse().redacted()))
    assert dumped["limits"]["drain"] == "20s"
    assert dumped["limits"]["timeout"] == "5m"
