"""What `webp.effort auto` makes of a budget: `python -m benchmarks.spending`.

110 small JPEGs are encoded at each effort, on one CPU; then runs of 1,600 of them are played
through `optimizr.efforts` with what each took and made, and a fifth of noise. Nothing waits, so the
budget is all that decides.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.corpora import small
from optimizr import convert
from optimizr.config import Settings
from optimizr.convert import Header, Options
from optimizr.efforts import Efforts
from optimizr.events import ImageConverted
from optimizr.limits import Limits
from optimizr.live import Live
from optimizr.pool import Stop

EFFORTS = range(7)
PICTURES = 1600


class Known(NamedTuple):
    """A picture, and what each effort takes and makes."""

    header: Header
    size: int
    """Bytes of its file."""
    seconds: Sequence[float]
    made: Sequence[int]
    """Bytes."""


def measure(data: bytes) -> Known:
    """Encode one at all efforts."""
    seconds, made = [], []
    for effort in EFFORTS:
        options, start = Options(effort=effort), time.thread_time()
        made.append(len(convert.convert(convert.probe(data, options), options).data))
        seconds.append(time.thread_time() - start)
    return Known(convert.probe(data, Options()).header, len(data), seconds, made)


def play(known: list[Known], milliseconds: float) -> str:
    """Have efforts chosen within a budget for each picture; tell what came of it."""
    webp = {"effort": "auto", "cpu_per_image": milliseconds / 1000}
    settings = Settings.model_validate({"input": "in", "output": "out", "webp": webp})
    efforts = Efforts(settings, Live(Stop()), Limits.of(settings.pool))
    draw, noise = random.Random(1), random.Random(2)
    spent, made, chosen = 0.0, 0, Counter[int]()
    for _ in range(PICTURES):
        picture = draw.choice(known)
        effort = efforts(picture.header, picture.size)
        effort = 4 if effort is None else effort
        seconds = picture.seconds[effort] * noise.lognormvariate(0, 0.2)
        efforts.learn(_event(picture, effort, seconds), seconds)
        spent, made = spent + seconds, made + picture.made[effort]
        chosen[effort] += 1
    return _told(f"{milliseconds:g} ms a picture", spent, made, dict(sorted(chosen.items())))


def _event(picture: Known, effort: int, seconds: float) -> ImageConverted:
    header = picture.header
    return ImageConverted(
        key="",
        output="",
        format=header.format,
        width=header.width,
        height=header.height,
        mode="lossy",
        effort=effort,
        input_bytes=picture.size,
        output_bytes=picture.made[effort],
        fetch_ms=0,
        convert_ms=seconds * 1000,
        store_ms=0,
        duration_ms=0,
    )


def fixed(known: list[Known], effort: int) -> str:
    """Tell what the same pictures take and make at one effort."""
    draw = random.Random(1)
    drawn = [draw.choice(known) for _ in range(PICTURES)]
    spent = sum(picture.seconds[effort] for picture in drawn)
    made = sum(picture.made[effort] for picture in drawn)
    return _told(f"effort {effort}", spent, made, {effort: PICTURES})


def _told(what: str, spent: float, made: int, chosen: dict[int, int]) -> str:
    return f"{what}: {spent / PICTURES * 1000:.2f} ms, {made / 1e6:.2f} MB, efforts {chosen}"


def main() -> None:
    """Measure, and play."""
    convert.start()
    with tempfile.TemporaryDirectory() as folder:
        small(Path(folder), 440)
        files = sorted(Path(folder).iterdir())[::4]
        known = [measure(path.read_bytes()) for path in files]
    for effort in EFFORTS:
        print(fixed(known, effort))
    four = sum(picture.seconds[4] for picture in known) / len(known) * 1000
    for share in (0.4, 0.5, 0.6, 0.8, 1.0, 1.3):
        print(play(known, share * four))


if __name__ == "__main__":
    main()
