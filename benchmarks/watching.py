"""What it costs to be watched: `python -m benchmarks.watching [COUNT] [ROUNDS]`.

The program converts COUNT small JPEGs (5,000; cut from Debian's wallpapers), by turns with all that
tells of a run off, with all of it on, and with parts of it. Told are CPU seconds of the process,
medians of ROUNDS (3), and the median of each round's ratio to `off`.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from benchmarks import corpora
from tests.watching import free_port

_OFF = ("--report.html=false", "--log.images=none")
_SCRAPE_SECONDS = 5.0
_COLLECTOR = """
import http.server, socketserver, sys
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


def main(count: int, rounds: int) -> None:
    """Measure, and print a table."""
    with tempfile.TemporaryDirectory() as folder, _collector() as endpoint:
        pictures = Path(folder, "pictures")
        pictures.mkdir()
        corpora.small(pictures, count)
        port = free_port()
        ways = _ways(Path(folder), port)
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        _run(pictures, Path(folder), ways["off"], endpoint, port)  # into the page cache
        for _ in range(rounds):
            for name, flags in ways.items():
                seconds[name].append(_run(pictures, Path(folder), flags, endpoint, port))
    print(f"{count} pictures, {rounds} rounds\n\n| | CPU s | of off |\n| --- | --- | --- |")
    for name, measured in seconds.items():
        ratios = [own / off for own, off in zip(measured, seconds["off"], strict=True)]
        ratio = statistics.median(ratios)
        print(f"| {name} | {statistics.median(measured):.2f} | {ratio:.3f} |")


def _ways(folder: Path, port: int) -> dict[str, tuple[str, ...]]:
    metrics = (f"--telemetry.http=127.0.0.1:{port}", f"--telemetry.textfile={folder}/metrics.prom")
    traces = "--telemetry.otlp=true"
    log = f"--log.file={folder}/log.jsonl"
    return {
        "off": _OFF,
        "all on": (log, *metrics, traces),
        "all on, a tenth of the pictures traced": (
            *(log, *metrics, traces),
            "--telemetry.trace-sample=0.1",
        ),
        "report and gallery": ("--log.images=none",),
        "log lines": ("--report.html=false", log),
        "metrics, scraped": (*_OFF, *metrics),
        "traces": (*_OFF, traces),
    }


def _run(pictures: Path, folder: Path, flags: tuple[str, ...], endpoint: str, port: int) -> float:
    """Run the program; give its CPU seconds."""
    environment = os.environ | {
        "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
    }
    with tempfile.TemporaryDirectory(dir=folder) as output, _scraping(port):
        command = [sys.executable, "-m", "optimizr", "run", "--input", str(pictures)]
        child = subprocess.Popen(
            [*command, "--output", output, *flags], env=environment, stdout=subprocess.DEVNULL
        )
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"expected the run to go well, got exit code {child.returncode}")
    return usage.ru_utime + usage.ru_stime


@contextmanager
def _scraping(port: int) -> Iterator[None]:
    """Ask for the metrics now and then, as Prometheus does; there may be none."""
    over = threading.Event()

    def scrape() -> None:
        while not over.wait(_SCRAPE_SECONDS):
            with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as r:
                r.read()

    thread = threading.Thread(target=scrape)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextmanager
def _collector() -> Iterator[str]:
    """Take traces in a process of its own, whose CPU time is not counted."""
    port = free_port()
    with subprocess.Popen([sys.executable, "-c", _COLLECTOR, str(port)]) as process:
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


if __name__ == "__main__":
    main(*(int(argument) for argument in [*sys.argv[1:], *("5000", "3")[len(sys.argv) - 1 :]]))
