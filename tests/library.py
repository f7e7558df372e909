"""A small library of pictures in a bucket in memory, and runs from it to another."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

import optimizr
from optimizr.config import Settings
from optimizr.events import Event, ImageConverted, ImageFailed, ImageSkipped
from optimizr.store.memory import MemoryStore
from optimizr.summary import Summary
from tests.buckets import Memory, open_at
from tests.make_pictures import drawing, photo


class Done(NamedTuple):
    """What a run told."""

    summary: Summary
    converted: dict[str, str]
    """Outputs by key."""
    skipped: dict[str, str]
    """Reasons by key."""
    failed: dict[str, str]
    """Reasons by key."""


class Library:
    """Six pictures at `input`, to be converted to `output`."""

    def __init__(self) -> None:
        self.bucket, self.webps = Memory("pictures"), Memory("webps")
        self.input, self.output = f"{self.bucket.url}/in", f"{self.webps.url}/out"
        self.keys = {
            f"{name}.{ending}" for name in ("a", "a b", "d/c") for ending in ("jpg", "png")
        }
        for number, key in enumerate(sorted(self.keys)):
            self.draw(key, number)

    def draw(self, key: str, seed: int) -> None:
        """Put a picture."""
        if key.endswith("png"):
            self.put(key, drawing(48, 32, seed).pngsave_buffer())
        else:
            self.put(key, photo(48, 32, seed).jpegsave_buffer(Q=95))

    def put(self, key: str, data: bytes) -> None:
        """Put anything into the input."""
        self.bucket.put(f"in/{key}", data)

    def run(self, force: bool = False, **settings: Any) -> Done:
        """Run to the end."""
        done = Done(Summary(), {}, {}, {})

        def read(event: Event) -> None:
            if isinstance(event, ImageConverted):
                done.converted[event.key] = event.output
            elif isinstance(event, ImageSkipped):
                done.skipped[event.key] = event.reason
            elif isinstance(event, ImageFailed):
                done.failed[event.key] = event.reason

        wanted = {"input": self.input, "output": self.output, "pool": {"workers": 2}, **settings}
        return done._replace(summary=optimizr.run(Settings(**wanted), read, force=force))

    def made(self, output: str | None = None) -> dict[str, bytes]:
        """Read all of the output but the reports."""
        store = open_at(output or self.output)
        found = {object_.key.decode(): store.get(object_.key)[0] for object_ in store.objects()}
        return {key: data for key, data in found.items() if key not in REPORTS}

    def read(self, name: str) -> bytes | None:
        """Read a report of the output."""
        store = open_at(self.output)
        return store.get(name.encode())[0] if store.find(name.encode()) else None

    def remove(self, key: str) -> None:
        """Remove anything from the input."""
        del MemoryStore.buckets[self.bucket.name][f"in/{key}".encode()]

    def failures(self) -> dict[str, str]:
        """Read failed.jsonl."""
        lines = map(json.loads, (self.read("failed.jsonl") or b"").splitlines())
        return {line["key"]: line["reason"] for line in lines}


REPORTS = ("summary.json", "report.html", "failed.jsonl")


def hard_to_beat() -> bytes:
    """Draw a JPEG that a WebP of quality 100 is larger than."""
    data: bytes = photo(120, 90, noise=20).jpegsave_buffer(Q=20)
    return data


def counting(monkeypatch: pytest.MonkeyPatch, *names: str) -> Counter[str]:
    """Count calls of the methods of stores in memory."""
    counts: Counter[str] = Counter()

    def counted(name: str) -> Callable[..., Any]:
        real = getattr(MemoryStore, name)

        def call(*args: Any) -> Any:
            counts[name] += 1
            return real(*args)

        return call

    for name in names:
        monkeypatch.setattr(MemoryStore, name, counted(name))
    return counts
