"""The dashboard's PromQL, asked of a real Prometheus that scrapes a real run."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import COMMAND, clean_environment, fill
from tests.dashboard import asked
from tests.make_pictures import unlike
from tests.watching import free_port

pytestmark = pytest.mark.skipif(
    shutil.which("prometheus") is None, reason="prometheus is not installed"
)
CONFIG = """
scrape_configs:
  - job_name: optimizr
    scrape_interval: 200ms
    scrape_timeout: 200ms
    static_configs: [{targets: ["127.0.0.1:%d"]}]
"""


@contextmanager
def process(*args: object) -> Iterator[None]:
    """Let a program work for the length of a `with`."""
    started = subprocess.Popen(
        [str(arg) for arg in args],
        env=clean_environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    with started:
        yield
        assert started.poll() is None, f"{args[0]} ended with {started.returncode}"
        started.terminate()


def ask(url: str, expr: str) -> list[dict[str, Any]]:
    """Evaluate PromQL as of now. Raises urllib.error.HTTPError where it cannot be."""
    query = urllib.parse.urlencode({"query": expr})
    with urllib.request.urlopen(f"{url}/api/v1/query?{query}") as reply:
        answer = json.load(reply)
    assert answer["status"] == "success"
    result: list[dict[str, Any]] = answer["data"]["result"]
    return result


def wait_for(url: str, expr: str) -> None:
    """Wait until a query gives something."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            if ask(url, expr):
                return
        except OSError:  # it does not listen yet
            pass
        time.sleep(0.1)
    pytest.fail(f"expected {expr} to give something within 60 s")


def pictures(folder: Path) -> Path:
    """Lay out more than the test waits for; first one that fails, and some that are skipped."""
    fill(folder / "drawn", 6)
    for number, drawing in enumerate((folder / "drawn").rglob("*.png")):
        shutil.copy(drawing, folder / f"a drawing {number}.png")
    (folder / "a text.png").write_text("no picture")
    photo = next(folder.rglob("*.jpg")).read_bytes()
    for number in range(20_000):
        (folder / f"photo {number}.jpg").write_bytes(unlike(photo, number))
    return folder


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start a run and a Prometheus that looks at it; give its URL once it has seen enough."""
    folder = tmp_path_factory.mktemp("live")
    target, own = free_port(), free_port()
    (folder / "prometheus.yml").write_text(CONFIG % target)
    run = [*COMMAND, "run", "--input", pictures(folder / "in"), "--output", folder / "out"]
    run += ["--policy.if-larger", "skip", "--telemetry.http", f"127.0.0.1:{target}"]
    server = [
        "prometheus",
        f"--config.file={folder}/prometheus.yml",
        f"--storage.tsdb.path={folder}/data",
        f"--web.listen-address=127.0.0.1:{own}",
    ]
    url = f"http://127.0.0.1:{own}"
    with process(*server), process(*run):
        seen = "min(count_over_time(optimizr_memory_reserved_bytes[1h])) > 5"
        wait_for(url, f"({seen}) and sum(optimizr_source_images) and sum(optimizr_skips_total) > 0")
        yield url


def test_every_query_of_the_dashboard_gives_series_with_the_labels_of_its_legend(
    prometheus: str,
) -> None:
    for query in asked("prometheus"):
        result = ask(prometheus, query.expr)
        assert result, f"{query.panel}: {query.expr}"
        for label in re.findall(r"\{\{(\w+)\}\}", query.legend):
            assert all(label in one["metric"] for one in result), f"{query.panel}: {label}"
