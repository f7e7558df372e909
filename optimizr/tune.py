"""Which workers and which effort suit a library on this machine: by trying them on a sample of it.

Each trial is a run of the program itself, in a process of its own, so that what is measured is what
a run does: reading where the pictures are, converting, syncing, the ledger. Its WebPs go to a
folder that is removed again. A first trial that does not count brings the sample into the page
cache; then all trials take turns, for a number of rounds, and medians are given.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from optimizr import inputs
from optimizr.config import ENV_PREFIX, Settings
from optimizr.errors import (
    Cancelled,
    ConfigError,
    EnvironmentStop,
    ExitCode,
    PictureError,
    stopped_by,
)
from optimizr.keys import to_text
from optimizr.options import options_of
from optimizr.pool import Stop
from optimizr.scratch import scratch
from optimizr.source import Item
from optimizr.store import Store

WORKERS: tuple[int | str, ...] = (1, 2, 3, 4, 6, 8, "auto")
EFFORTS = range(7)
_LOOK_SECONDS = 0.2
NEAR_BEST = 0.03
"""Share of the best rate that is not worth more workers."""
NEAR_SMALLEST = 0.02
"""Share of the smallest bytes that is not worth more effort."""


class Trial(NamedTuple):
    """What to try."""

    workers: int | str
    effort: int


class Result(NamedTuple):
    """What came of a trial, as medians of its rounds."""

    pictures_per_second: float
    megabytes_per_second: float
    """Input, 10^6 bytes."""
    cpu_seconds: float
    peak_bytes: int
    """Largest RSS."""
    output_bytes: int
    seconds: float


class Tuned(NamedTuple):
    """All that was measured, and what to use."""

    pictures: int
    input_bytes: int
    by_workers: dict[int | str, Result]
    by_effort: dict[int, Result]
    workers: int | str
    """`auto` where it is about as fast as the best; else the fewest that are."""
    effort: int
    """The least of which the WebPs are about as small as the smallest."""


def tune(
    settings: Settings, sample: int, rounds: int, tell: Callable[[str], None], stop: Stop
) -> Tuned:
    """Try a sample of the input; `tell` is told what is being tried.

    The sample is drawn evenly, and is the same each time. Raises ConfigError if there are no
    pictures, EnvironmentStop if a trial cannot be run, Cancelled once `stop` is requested.
    """
    store, source = inputs.open_input(settings)
    items = _readable(store, _draw(source, sample))
    if not items:
        raise ConfigError(f"input: expected pictures in {settings.input!r}, got none")
    by_workers = [Trial(workers, options_of(settings).effort) for workers in WORKERS]
    by_effort = [Trial("auto", effort) for effort in EFFORTS]
    with _folder() as folder:
        listed = folder / "sample.jsonl"
        listed.write_text("".join(_line(item, store.full_path(item.key)) for item in items))

        def run(trial: Trial) -> dict[str, Any]:
            tell(f"{trial.workers} workers, effort {trial.effort}")
            return _run(_settings_of(settings, trial, listed), folder, stop)

        run(by_workers[-1])
        measured: dict[Trial, list[dict[str, Any]]] = {}
        for _ in range(rounds):
            for trial in dict.fromkeys([*by_workers, *by_effort]):
                measured.setdefault(trial, []).append(run(trial))
    results = {trial: _result(figures) for trial, figures in measured.items()}
    return _tuned(
        len(items),
        sum(item.size for item in items),
        {trial.workers: results[trial] for trial in by_workers},
        {trial.effort: results[trial] for trial in by_effort},
    )


@contextmanager
def _folder() -> Iterator[Path]:
    """Make a folder for the length of a `with`, and translate what the system says about it."""
    try:
        with tempfile.TemporaryDirectory(prefix="optimizr-tune-", dir=scratch()) as folder:
            yield Path(folder)
    except OSError as error:
        where = f"to try in the temporary folder {scratch()!r}"
        raise stopped_by(error, "trial_failed", where) from None


def _tuned(
    pictures: int,
    input_bytes: int,
    by_workers: dict[int | str, Result],
    by_effort: dict[int, Result],
) -> Tuned:
    enough = (1 - NEAR_BEST) * max(r.pictures_per_second for r in by_workers.values())
    fast = [workers for workers, r in by_workers.items() if r.pictures_per_second >= enough]
    small = (1 + NEAR_SMALLEST) * min(r.output_bytes for r in by_effort.values())
    return Tuned(
        pictures,
        input_bytes,
        by_workers,
        by_effort,
        workers="auto" if "auto" in fast else fast[0],
        effort=next(effort for effort, r in by_effort.items() if r.output_bytes <= small),
    )


def _draw(found: Iterable[Item], count: int) -> list[Item]:
    """Draw an even sample (Algorithm R) of the pictures that can be read."""
    draw = random.Random(0)  # noqa: S311 - a sample, not a secret
    sample: list[Item] = []
    for number, item in enumerate(item for item in found if item.problem is None):
        if number < count:
            sample.append(item)
        elif (place := draw.randrange(number + 1)) < count:
            sample[place] = item
    return sample


def _readable(store: Store, items: Iterable[Item]) -> list[Item]:
    """Ask about items that a list names, and leave out those that cannot be read."""
    found = []
    for item in items:
        with suppress(PictureError):
            size = store.head(item.key).size if item.is_unseen else item.size
            found.append(item._replace(size=size))
    return found


def _line(item: Item, full_path: str) -> str:
    """Write a line that a run takes as its input."""
    return json.dumps({"key": to_text(item.key), "source": full_path}) + "\n"


def _settings_of(settings: Settings, trial: Trial, listed: Path) -> dict[str, Any]:
    """Give the settings of one trial: those of the run, but for what is tried."""
    chosen = settings.model_dump(mode="json")
    chosen["input"] = f"@{listed}"
    chosen["dead_letter"] = chosen["ledger"] = chosen["root"] = None
    chosen["run_id"] = None
    chosen["publish"] = {}
    chosen["webp"] |= {"effort": trial.effort, "deadline": None, "cpu_per_image": None}
    chosen["pool"]["workers"] = trial.workers
    if "naming" not in settings.policy.model_fields_set:
        del chosen["policy"]["naming"]  # where it is not said, it is as the input asks for
    chosen["policy"] |= {"max_failed": "100%", "if_larger": "keep"}
    chosen["shard"] = {"index": 0, "count": 1}
    chosen["log"] = {"format": "json", "images": "none"}
    chosen["report"] = {"html": False}
    chosen["telemetry"] = {}
    return chosen


def _run(chosen: dict[str, Any], folder: Path, stop: Stop) -> dict[str, Any]:
    """Run the program once; give its summary's figures."""
    environment = {k: v for k, v in os.environ.items() if not k.upper().startswith(ENV_PREFIX)}
    with tempfile.TemporaryDirectory(dir=folder) as output:
        chosen["output"] = output
        config = folder / "trial.json"
        config.write_text(json.dumps(chosen))
        with subprocess.Popen(  # noqa: S603 - this program
            [sys.executable, "-m", "optimizr", "run", str(config)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        ) as child:
            said = _end_of(child, stop)
        if child.returncode == ExitCode.USAGE:
            raise ConfigError(said.removeprefix("optimizr: "))
        if child.returncode:
            raise EnvironmentStop(
                "trial_failed", f"expected a trial to run, got exit code {child.returncode}: {said}"
            )
        figures: dict[str, Any] = json.loads(Path(output, "summary.json").read_bytes())
    if not figures["processed_files"]:
        raise ConfigError(
            "input: expected pictures that can be converted, got a sample of which all "
            f"{figures['failed_files']} failed: {figures['failures_by_reason']}"
        )
    return figures


def _end_of(child: subprocess.Popen[str], stop: Stop) -> str:
    """Wait for a child; give the last line that it said. Raises Cancelled, and ends it first."""
    while True:
        try:
            return child.communicate(timeout=_LOOK_SECONDS)[1].strip().rpartition("\n")[2]
        except subprocess.TimeoutExpired:
            if stop.requested:
                child.kill()  # it writes to a folder that goes
                raise Cancelled from None


def _result(rounds: list[dict[str, Any]]) -> Result:
    def median(name: str) -> float:
        return float(statistics.median(figures[name] for figures in rounds))

    return Result(
        pictures_per_second=median("images_per_second"),
        megabytes_per_second=median("throughput_mb_per_sec") * (1 << 20) / 1e6,
        cpu_seconds=median("cpu_user_seconds") + median("cpu_system_seconds"),
        peak_bytes=int(median("peak_memory_mb") * (1 << 20)),
        output_bytes=int(median("total_output_bytes")),
        seconds=median("duration_seconds"),
    )
