"""Runs that stand still where a test wants them to, and what they tell meanwhile."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from prometheus_client.parser import text_string_to_metric_families

import optimizr
from optimizr import convert as converter
from optimizr import inputs
from optimizr.config import Settings
from optimizr.convert import convert
from optimizr.pool import Stop
from optimizr.source import Item
from optimizr.summary import Summary

Metrics = dict[tuple[str, tuple[str, ...]], float]
"""Values by name and the values of the labels."""


def free_port(host: str = "127.0.0.1") -> int:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until(true: Callable[[], Any], seconds: float = 60) -> Any:
    """Give what `true` gives once it is true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if got := true():
                return got
        except OSError:  # nobody listens yet
            pass
        time.sleep(0.01)
    raise AssertionError("it has not come true")


class Answered(NamedTuple):
    status: int
    body: str
    headers: dict[str, str]

    @property
    def json(self) -> dict[str, Any]:
        loaded: dict[str, Any] = json.loads(self.body)
        return loaded


def get(port: int, path: str, method: str = "GET", host: str = "127.0.0.1", **headers: str) -> Any:
    connection = HTTPConnection(host, port, timeout=30)
    try:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return Answered(answer.status, answer.read().decode(), dict(answer.getheaders()))
    finally:
        connection.close()


def parse(text: str) -> Metrics:
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


class Gate:
    """Stands before the conversion of each picture, or before the source's next one."""

    def __init__(self, let_pass: int) -> None:
        """Let so many pass before it shuts."""
        self._left = let_pass
        self._lock = threading.Lock()
        self._open = threading.Event()

    def __call__(self) -> None:
        with self._lock:
            self._left -= 1
            passes = self._left >= 0
        if not passes:
            self._open.wait(120)

    def open(self) -> None:
        self._open.set()


def gate_conversions(monkeypatch: pytest.MonkeyPatch, let_pass: int) -> Gate:
    gate = Gate(let_pass)

    def held(*args: Any) -> Any:
        gate()
        return convert(*args)

    monkeypatch.setattr(converter, "convert", held)
    return gate


class _GatedSource:
    def __init__(self, source: Any, gate: Gate) -> None:
        self._source = source
        self._gate = gate

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)

    def __iter__(self) -> Iterator[Item]:
        for item in self._source:
            self._gate()
            yield item


def gate_source(monkeypatch: pytest.MonkeyPatch, let_pass: int) -> Gate:
    gate = Gate(let_pass)
    opened = inputs.open_input

    def open_gated(settings: Settings) -> Any:
        store, source = opened(settings)
        return store, _GatedSource(source, gate)

    monkeypatch.setattr(inputs, "open_input", open_gated)
    return gate


class Running(NamedTuple):
    port: int
    stop: Stop
    future: Future[Summary]
    gate: Gate | None

    def get(self, path: str) -> Any:
        return get(self.port, path)

    def metrics(self) -> Metrics:
        return parse(self.get("/metrics").body)

    def converted(self) -> float:
        return self.metrics()["optimizr_images_total", ("converted",)]

    def end(self) -> Summary:
        if self.gate is not None:
            self.gate.open()
        return self.future.result(120)


@contextmanager
def running(
    tmp_path: Path, gate: Gate | None = None, telemetry: dict[str, Any] | None = None, **more: Any
) -> Iterator[Running]:
    """Run in a thread, with the server on; whatever happens, the gate is opened at the end."""
    port, stop = free_port(), Stop()
    settings = optimizr.Settings(
        input=str(tmp_path / "in"),
        output=str(tmp_path / "out"),
        telemetry={"http": f"127.0.0.1:{port}"} | (telemetry or {}),  # type: ignore[arg-type]
        **({"pool": {"cpus": 2, "workers": 2}} | more),
    )
    with ThreadPoolExecutor(1) as executor:
        run = Running(port, stop, executor.submit(optimizr.run, settings, stop=stop), gate)
        try:
            yield run
        finally:
            if gate is not None:
                gate.open()
