"""What `webp.effort auto` makes of a budget: `python -m benchmarks.spending`.

110 small JPEGs are encoded at each effort, on one CPU; then runs of 1,600 of them are played
through `optimizr.efforts` with what each took and made, and a fifth of noise. Nothing waits, so the
budget is all that decides. Beside each stands what one effort for all makes of the budget, and what
would be made of it by who knew in advance all that each effort takes and makes.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

from benchmarks.corpora import small
from optimizr import convert
from optimizr.config import Settings
from optimizr.convert import Header, Options
from optimizr.efforts import Efforts, Table, steps
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

    @property
    def table(self) -> Table:
        """Give it as efforts are chosen by; by chance a higher one may have taken less."""
        return Table(tuple(accumulate(self.seconds, lambda a, b: max(a * 1.001, b))), (*self.made,))


def measure(data: bytes) -> Known:
    """Encode one at all efforts."""
    seconds, made = [], []
    for effort in EFFORTS:
        options, start = Options(effort=effort), time.thread_time()
        made.append(len(convert.convert(convert.probe(data, options), options).data))
        seconds.append(time.thread_time() - start)
    return Known(convert.probe(data, Options()).header, len(data), seconds, made)


def drawn(known: list[Known]) -> list[Known]:
    """Give the pictures of a run."""
    draw = random.Random(1)
    return [draw.choice(known) for _ in range(PICTURES)]


def play(pictures: list[Known], milliseconds: float) -> str:
    """Have efforts chosen within a budget for each picture; tell what came of it."""
    webp = {"effort": "auto", "cpu_per_image": milliseconds / 1000}
    settings = Settings.model_validate({"input": "in", "output": "out", "webp": webp})
    efforts = Efforts(settings, Live(Stop()), Limits.of(settings.pool))
    noise = random.Random(2)
    spent, made, chosen = 0.0, 0, Counter[int]()
    for picture in pictures:
        effort = efforts(picture.header, picture.size)
        effort = 4 if effort is None else effort
        seconds = picture.seconds[effort] * noise.lognormvariate(0, 0.2)
        efforts.learn(_event(picture, effort, seconds), seconds)
        spent, made = spent + seconds, made + picture.made[effort]
        chosen[effort] += 1
    return _told("auto", spent, made, dict(sorted(chosen.items())))


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


def fixed(pictures: list[Known], milliseconds: float) -> str:
    """Tell what is made with the one effort for all that makes least within the budget."""
    made = {
        sum(picture.made[effort] for picture in pictures): effort
        for effort in EFFORTS
        if _spent(pictures, effort) <= milliseconds / 1000 * PICTURES
    }
    best = made[min(made)]
    return _told("fixed", _spent(pictures, best), min(made), {best: PICTURES})


def _spent(pictures: list[Known], effort: int) -> float:
    return sum(picture.seconds[effort] for picture in pictures)


def foreseen(pictures: list[Known], milliseconds: float) -> str:
    """Take those steps of all pictures that save most for their time, all of it known."""
    spent, made = _spent(pictures, 0), sum(picture.made[0] for picture in pictures)
    ahead = [step for picture in pictures for step in steps(picture.table)]
    for step in sorted(ahead, key=lambda step: step.size / step.cpu, reverse=True):
        if spent + step.cpu > milliseconds / 1000 * PICTURES:
            break
        spent, made = spent + step.cpu, made - round(step.size)
    return _told("foreseen", spent, made, {})


def _told(what: str, spent: float, made: int, chosen: dict[int, int]) -> str:
    return f"  {what:8} {spent / PICTURES * 1000:.2f} ms, {made / 1e6:.2f} MB, efforts {chosen}"


def main() -> None:
    """Measure, and play."""
    convert.start()
    with tempfile.TemporaryDirectory() as folder:
        small(Path(folder), 440)
        files = sorted(Path(folder).iterdir())[::4]
        known = [measure(path.read_bytes()) for path in files]
    pictures = drawn(known)
    each = [_spent(pictures, effort) / PICTURES * 1000 for effort in EFFORTS]
    for budget in sorted([each[2], each[4], *(share * each[4] for share in (0.4, 0.6, 0.8, 1.3))]):
        print(f"{budget:.2f} ms a picture, {budget / each[4]:.2f} of effort 4")
        for way in (fixed, play, foreseen):
            print(way(pictures, budget))


if __name__ == "__main__":
    main()
