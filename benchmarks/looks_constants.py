"""What the search for a look or a size is tuned by: half of the wallpapers, see `benchmarks.looks`.

`python -m benchmarks.looks_constants WHAT`, where WHAT is

    curves      how size and look run with quality (convert/search.py)
    quick       how effort 0 looks beside more (convert/targets.py)
    sharpness   what that of the deblocking saves (convert/encode.py)
    efforts     what each effort costs and saves (optimizr/efforts.py)
    sample      how tiles stand for the whole (convert/look/sample.py)
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyvips

from benchmarks.corpora import wallpapers
from benchmarks.looks import converted, corpus, rgb
from optimizr import convert
from optimizr.convert import Options
from optimizr.convert.deadline import Deadline
from optimizr.convert.encode import Trial
from optimizr.convert.look import MOST_PIXELS, Eye, Reference
from optimizr.convert.search import LOOK, QUALITIES, SIZE


def _loaded() -> Iterator[bytes]:
    """Give pictures as PNGs."""
    with tempfile.TemporaryDirectory() as folder:
        corpus(Path(folder) / "in", 0)
        for path in sorted((Path(folder) / "in").iterdir()):
            yield path.read_bytes()


def curves() -> None:
    """Print the heights of both curves, and the median look at quality 75."""
    sizes, looks = [], []
    for data in _loaded():
        reference = Reference(rgb(data))
        made = [converted(data, quality=quality).data for quality in QUALITIES]
        sizes.append([SIZE.of(len(webp)) for webp in made])
        looks.append([reference.look(rgb(webp)) for webp in made])
    middle = QUALITIES.index(75)
    for name, rows in (("SIZE", sizes), ("LOOK", [[LOOK.of(x) for x in row] for row in looks])):
        heights = [
            statistics.median(row[place] - row[middle] for row in rows)
            for place in range(len(QUALITIES))
        ]
        print(name, ", ".join(f"{height:.2f}" for height in heights))
    print("look at quality 75:", round(statistics.median(row[middle] for row in looks), 1))


def quick() -> None:
    """Print by how much effort 0 looks better than effort 4, by quality."""
    pictures = [(data, Reference(rgb(data))) for data in _loaded()]
    for quality in (10, 25, 40, 55, 70, 80, 88, 94):
        looks = [
            [reference.look(rgb(converted(data, quality=quality, effort=e).data)) for e in (0, 4)]
            for data, reference in pictures
        ]
        better = [least - more for least, more in looks]
        print(
            f"look {statistics.mean(more for _, more in looks):.1f} at effort 4, effort 0 "
            f"{statistics.mean(better):+.2f} on average, sd {statistics.pstdev(better):.2f}"
        )


def sharpness() -> None:
    """Print by how much the sharpness of a search for a look changes bytes at the same look."""
    qualities = (15, 30, 45, 60, 72, 80, 87, 93)
    curves: list[list[tuple[list[float], list[float]]]] = [[], []]
    for data in _loaded():
        reference = Reference(rgb(data))
        image = pyvips.Image.new_from_buffer(data, "").copy_memory()
        with Trial(image, Deadline(600), direct=True) as trial:
            for found, look in zip(curves, (None, 60.0), strict=True):
                options = (Options(quality=quality, target_look=look) for quality in qualities)
                webps = [trial(asked, "lossy").data for asked in options]
                looks = [reference.look(rgb(webp)) for webp in webps]
                found.append((looks, [SIZE.of(len(webp)) for webp in webps]))
    for look in (45, 55, 65, 75, 80):
        saved = [
            np.interp(look, *sharp) - np.interp(look, *plain)
            for plain, sharp in zip(*curves, strict=True)
            if all(looks[0] <= look <= looks[-1] for looks, _ in (plain, sharp))
        ]
        print(f"look {look}: {np.mean(saved):+.1%}, sd {np.std(saved):.1%}, {len(saved)} pictures")


def efforts() -> None:
    """Print what each effort takes and makes, relative to effort 4: medians."""
    for mode in ("lossy", "lossless"):
        rows = []
        for data in list(_loaded())[:24]:
            row = []
            for effort in range(7):
                start = time.thread_time()
                webp = converted(data, effort=effort, mode=mode).data
                row.append((time.thread_time() - start, len(webp)))
            rows.append([(cpu / row[4][0], size / row[4][1]) for cpu, size in row])
        for what, place in (("cpu", 0), ("size", 1)):
            medians = [statistics.median(row[effort][place] for row in rows) for effort in range(7)]
            print(mode, what, ", ".join(f"{median:.2f}" for median in medians))


def sample() -> None:
    """Print by how much the look of the tiles differs from that of the whole, at full size."""
    differences = []
    for path in wallpapers()[::4]:
        image = pyvips.Image.new_from_file(str(path)).colourspace("srgb")
        if not MOST_PIXELS < image.width * image.height <= 10e6:
            continue
        image = (image.flatten() if image.hasalpha() else image)[:3].copy_memory()
        eye, whole = Eye(image), Reference(np.asarray(image.numpy()))
        for quality in (40, 75, 90):
            webp = image.webpsave_buffer(Q=quality, effort=2)
            differences.append(eye.look(webp) - whole.look(rgb(webp)))
    spread, most = statistics.pstdev(differences), max(map(abs, differences))
    mean = statistics.mean(differences)
    print(f"{len(differences)} WebPs: {mean:+.2f} on average, sd {spread:.2f}, at most {most:.1f}")


if __name__ == "__main__":
    convert.start(("jpeg", "png", "webp"), looks=True)
    commands = (curves, quick, sharpness, efforts, sample)
    next(command for command in commands if command.__name__ == sys.argv[-1])()
