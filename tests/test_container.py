"""The container image, built for real and run as docs/container.md says: limited and read-only."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from PIL import Image, ImageChops, ImageStat

from tests import container
from tests.conftest import Program, events, named, summary_of, webps
from tests.container import IMAGE, podman, started, to_run
from tests.make_pictures import HOME, photo, unlike
from tests.servers.seaweed import S3
from tests.watching import wait_until

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(900),  # Debian comes over the network
    pytest.mark.skipif(bool(container.missing()), reason=container.missing()),
]


@pytest.fixture(scope="module", autouse=True)
def _image() -> None:
    container.build()


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """A folder that the container's user may write to."""
    folder = tmp_path / "out"
    folder.mkdir()
    os.chown(folder, 1000, 1000)
    return folder


def mounted(pictures: Path, output: Path) -> tuple[str, ...]:
    return (f"--volume={pictures}:/data/input:ro", f"--volume={output}:/data/output")


def run(*args: object, network: str = "none") -> CompletedProcess[str]:
    return podman(*to_run("--rm", *args, network=network), check=False)


@pytest.fixture
def slow_pictures(tmp_path: Path) -> Path:
    """Pictures that take some seconds together."""
    (tmp_path / "slow").mkdir()
    data = photo(1600, 1200).jpegsave_buffer(Q=90)
    for number in range(40):
        (tmp_path / "slow" / f"{number:02}.jpg").write_bytes(unlike(data, number))
    return tmp_path / "slow"


def test_the_doctor_sees_the_limits_and_a_libwebp_to_call_directly() -> None:
    done = run(IMAGE, "doctor")
    assert done.returncode == 0, done.stderr
    assert "1 to use" in done.stdout
    assert "a quota of 1" in done.stdout
    assert "a limit of 537 MB" in done.stdout
    assert "encoder   libwebp " in done.stdout


def test_mounted_folders_are_all_it_needs_and_the_webps_are_those_of_a_run_outside(
    optimizr: Program, tmp_path: Path, output: Path
) -> None:
    done = run(*mounted(HOME, output), IMAGE)
    assert done.returncode == 0, done.stderr
    (begun,) = named(done.stdout, "run.started")
    assert begun["pid"] == 1
    assert begun["cpu_slots"] == 1
    assert begun["memory_bytes"] == int((512 << 20) * 0.85)
    assert {(path.stat().st_uid, path.stat().st_gid) for path in output.rglob("*")} == {
        (1000, 1000)
    }
    assert optimizr("run", "--input", HOME, "--output", tmp_path / "outside").returncode == 0
    inside, outside = webps(output), webps(tmp_path / "outside")
    assert inside.keys() == outside.keys()
    for name, data in inside.items():
        assert difference(data, outside[name]) < 1, name


def difference(one: bytes, other: bytes) -> float:
    """Give the mean difference of two pictures of the same size; the libwebps may differ."""
    a, b = (Image.open(BytesIO(data)) for data in (one, other))
    assert (a.size, a.mode) == (b.size, b.mode)
    return max(ImageStat.Stat(ImageChops.difference(a, b)).mean)


def test_a_mounted_config_and_the_environment_set_what_they_name(
    tmp_path: Path, output: Path
) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("input: /data/input/photos\noutput: /data/output\nwebp: {quality: 95}\n")
    done = run(
        *mounted(HOME, output),
        f"--volume={config}:/etc/optimizr/config.yaml:ro",
        "--env=OPTIMIZR_WEBP__EFFORT=0",
        IMAGE,
    )
    assert done.returncode == 0, done.stderr
    settings = named(done.stdout, "run.started")[0]["settings"]
    assert settings["webp"]["quality"] == 95
    assert settings["webp"]["effort"] == 0
    assert len(webps(output)) == len(list((HOME / "photos").iterdir()))


def test_without_a_place_for_temporary_files_what_needs_one_says_so(output: Path) -> None:
    done = run(*mounted(HOME, output), IMAGE, "tune", "--input", "/data/input")
    assert done.returncode == 3
    assert "expected a folder for temporary files" in done.stderr
    assert "Traceback" not in done.stderr


def test_from_bucket_to_bucket_it_needs_no_folder(s3: S3) -> None:
    pictures, webps = s3.new_bucket("pictures"), s3.new_bucket("webps")
    for path in (HOME / "photos").iterdir():
        s3.client.put_object(Bucket=pictures, Key=path.name, Body=path.read_bytes())
    environment = [f"--env={name}={value}" for name, value in s3.environment().items()]
    places = ("--input", f"s3://{pictures}", "--output", f"s3://{webps}")
    done = run(*environment, IMAGE, "run", *places, network="host")
    assert done.returncode == 0, done.stderr
    made = {found["Key"] for found in s3.client.list_objects_v2(Bucket=webps)["Contents"]}
    assert {f"{path.name}.webp" for path in (HOME / "photos").iterdir()} <= made


def test_what_every_cloud_queue_and_trace_needs_is_there() -> None:
    done = run("--entrypoint=/opt/optimizr/bin/python", IMAGE, "-c", LOAD)
    assert done.returncode == 0, done.stderr


LOAD = """
import azure.identity, azure.storage.blob, obstore, pika, redis
import google.cloud.pubsub_v1, google.cloud.storage
import opentelemetry.exporter.otlp.proto.grpc.trace_exporter
import opentelemetry.exporter.otlp.proto.http.trace_exporter
import boto3
for service in ("s3", "sqs", "sts", "sso", "sso-oidc", "signin"):
    boto3.Session(region_name="eu-west-1").client(service)
"""


def test_the_exit_code_says_what_became_of_it(tmp_path: Path, output: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "text.jpg").write_text("no picture")
    done = run(*mounted(broken, output), IMAGE)
    assert done.returncode == 1
    assert named(done.stdout, "image.failed")[0]["reason"] == "not_a_picture"
    assert run("--env=OPTIMIZR_WEBP__QUALITY=101", IMAGE).returncode == 2
    assert run(IMAGE, "run").returncode == 2
    unmounted = run(f"--volume={HOME}:/data/input:ro", IMAGE)
    assert unmounted.returncode == 3
    assert "output '/data/output': the file system is read-only" in unmounted.stderr


def told(name: str) -> list[dict[str, Any]]:
    return events(podman("logs", name).stdout)


def has_converted(name: str) -> bool:
    return any(event["event"] == "image.converted" for event in told(name))


@pytest.fixture
def busy(slow_pictures: Path, output: Path) -> Iterator[str]:
    """A container that has converted its first picture, and is at the next."""
    with started(*mounted(slow_pictures, output), "--env=OPTIMIZR_WEBP__EFFORT=6", IMAGE) as name:
        wait_until(lambda: has_converted(name))
        yield name


def test_sigterm_finishes_what_is_in_flight_and_ends_with_143(busy: str, output: Path) -> None:
    podman("stop", "--time=30", busy)
    assert podman("wait", busy).stdout.strip() == "143"
    finished = told(busy)[-1]
    assert (finished["event"], finished["cause"], finished["abandoned_files"]) == (
        "run.finished",
        signal.Signals.SIGTERM.name,
        0,
    )
    converted = [event for event in told(busy) if event["event"] == "image.converted"]
    assert 1 <= len(converted) < 40
    assert len(webps(output)) == len(converted) == summary_of(output)["processed_files"]


def test_the_health_check_asks_the_run_inside(busy: str) -> None:
    assert podman("healthcheck", "run", busy, check=False).returncode == 0
    ready = podman("exec", busy, "optimizr", "probe", "ready")
    assert json.loads(ready.stdout) == {"status": "ready", "phase": "working", "why": "it works"}


def test_nothing_of_the_build_is_in_the_image_and_it_says_what_it_is() -> None:
    (image,) = json.loads(podman("image", "inspect", IMAGE).stdout)
    assert image["User"] == "1000:1000"
    assert image["Labels"]["org.opencontainers.image.title"] == "optimizr"
    assert image["Size"] < 450e6
    listed = run("--entrypoint=/opt/optimizr/bin/python", IMAGE, "-c", FIND)
    assert json.loads(listed.stdout) == [], listed.stderr


FIND = """
import json, pathlib, py_compile
site = next(pathlib.Path("/opt/optimizr/lib").glob("python3*/site-packages"))
unwanted = [str(path) for name in ("pip", "hatchling", "pytest") for path in site.glob(name)]
bare = [str(path) for path in site.glob("optimizr/**/*.py")
        if not list((path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"))]
print(json.dumps(unwanted + bare))
"""
