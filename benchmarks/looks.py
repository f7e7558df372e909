r"""Bytes against look: `python -m benchmarks.looks [--write]`, judged by SSIMULACRA2.

Debian's wallpapers, photographs and drawings, made to fit into 1600 pixels. Half of them, those of
odd numbers, are converted by optimizr at fixed qualities and for several `webp.target_look`, by
`cwebp` at its default and for several PSNRs, and by sharp at its default. Judge is the package
`ssimulacra2`, an implementation that is not ours, on the whole pictures.

The other half is what constants are chosen by: see `benchmarks.looks_constants`.

`python -m benchmarks.looks rank` tells how measures agree with the judge, and `targets` what
targets take and reach at full size. To have all peers:

    apt-get install webp plasma-workspace-wallpapers ukui-wallpapers lomiri-wallpapers-20.04
    npm install --prefix build/sharp sharp

`--write` puts a section into docs/benchmarks.md, and docs/looks.svg.
"""

from __future__ import annotations

import ctypes
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyvips
from PIL import Image
from ssimulacra2 import compute_ssimulacra2

from benchmarks import looks_page
from benchmarks.corpora import wallpapers
from benchmarks.looks_page import Result
from optimizr import convert
from optimizr.convert import Options, libwebp
from optimizr.convert.look import Reference

SIDE = 1600
HERE = Path(__file__).parent
AT_ONCE = len(os.sched_getaffinity(0))


class Way(NamedTuple):
    """One way to convert a folder."""

    family: str
    setting: str
    command: Callable[[Path, Path], list[str]]


def ways() -> list[Way]:
    """Give those whose programs are installed."""
    found = [_optimizr("fixed quality", f"quality {q}", f"--quality={q}") for q in (50, 60, 70, 90)]
    for effort in (0, 2, 4, 6):
        name = f"quality 80, effort {effort}"
        found.append(_optimizr("fixed quality", name, f"--effort={effort}"))
    for look in (40, 45, 50, 55, 60, 65, 70, 75, 80):
        kept = "--webp.if-unreachable=keep"
        found.append(_optimizr("target_look", f"look {look}", f"--webp.target-look={look}", kept))
    if shutil.which("cwebp"):
        found.append(_cwebp("quality 80", "-q 80"))
        found += [_cwebp(f"psnr {psnr}", f"-psnr {psnr}") for psnr in (36, 39, 42, 45)]
    if (HERE.parent / "build/sharp/node_modules/sharp").exists():
        found.append(Way("sharp", "default", _sharp))
    return found


def _optimizr(family: str, setting: str, *flags: str) -> Way:
    def command(source: Path, output: Path) -> list[str]:
        paths = ["--input", str(source), "--output", str(output), "--policy.naming=append"]
        return [sys.executable, "-m", "optimizr", "run", *paths, *flags, "--report.html=false"]

    return Way(family, setting, command)


def _cwebp(setting: str, flags: str) -> Way:
    def command(source: Path, output: Path) -> list[str]:
        one = f'cwebp -quiet {flags} "$1" -o "$2/$(basename "$1").webp"'
        each = f"xargs -0 -P {AT_ONCE} -I {{}} sh -c '{one}' sh {{}} '{output}'"
        return ["sh", "-c", f"find '{source}' -name '*.png' -print0 | {each}"]

    return Way("cwebp", setting, command)


def _sharp(source: Path, output: Path) -> list[str]:
    return ["node", str(HERE / "peers/sharp.js"), str(source), str(output), str(AT_ONCE)]


def corpus(folder: Path, half: int) -> None:
    """Write half of the wallpapers, each once, upright and opaque, as PNGs that fit."""
    folder.mkdir()
    for number, path in enumerate(wallpapers()):
        if number % 2 == half:
            image = pyvips.Image.thumbnail(str(path), SIDE, height=SIDE, size="down")
            image = image.colourspace("srgb")
            image = image.flatten() if image.hasalpha() else image
            image.pngsave(str(folder / f"{number:03}.png"), compression=1, keep="none")


def measure(way: Way, source: Path, folder: Path, judged: dict[bytes, float]) -> Result:
    """Convert by one way, weigh and judge; what is the same to the byte is judged once."""
    output = folder / "output"
    output.mkdir()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, "NODE_PATH": str(HERE.parent / "build/sharp/node_modules")}
    with open(os.devnull, "w") as nowhere:
        command = way.command(source, output)
        subprocess.run(command, check=True, stdout=nowhere, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    pictures = sorted(source.glob("*.png"))
    made = {path: (output / f"{path.name}.webp").read_bytes() for path in pictures}
    fresh = [(path, data) for path, data in made.items() if data not in judged]
    with ProcessPoolExecutor(AT_ONCE) as pool:
        for (_, data), look in zip(fresh, pool.map(_judge, *zip(*fresh, strict=True)), strict=True):
            judged[data] = look
    shutil.rmtree(output)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    sizes = [len(data) for data in made.values()]
    return Result(way.family, way.setting, sizes, [judged[data] for data in made.values()], cpu)


def _judge(path: Path, webp: bytes) -> float:
    return float(compute_ssimulacra2(path, BytesIO(webp)))


def rgb(data: bytes) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Decode a picture, by Pillow."""
    return np.asarray(Image.open(BytesIO(data)).convert("RGB"))


def converted(data: bytes, **options: Any) -> convert.Converted:
    """Convert a picture."""
    asked = Options(**options)
    return convert.convert(convert.probe(data, asked), asked)


def rank() -> None:
    """Print how measures rank WebPs of 50 pictures: Spearman's correlation with the judge."""
    judged: list[float] = []
    measured: dict[str, list[float]] = {"look": [], "SSIM of luma": [], "PSNR": [], "quality": []}
    for path in wallpapers()[:50]:
        image = pyvips.Image.thumbnail(str(path), 800, height=800, size="down").colourspace("srgb")
        data = (image.flatten() if image.hasalpha() else image).pngsave_buffer(compression=1)
        reference = Reference(rgb(data))
        for quality in range(10, 100, 17):
            made = converted(data, quality=quality)
            judged.append(float(compute_ssimulacra2(BytesIO(data), BytesIO(made.data))))
            measured["look"].append(reference.look(rgb(made.data)))
            measured["SSIM of luma"].append(_ssim(data, made.data))
            measured["PSNR"].append(made.psnr_db or 0)
            measured["quality"].append(quality)
    for name, values in measured.items():
        correlation = np.corrcoef(_places(values), _places(judged))[0, 1]
        print(f"{name}: {correlation:.4f}")
    off = [ours - theirs for ours, theirs in zip(measured["look"], judged, strict=True)]
    print(f"look less the judge's: {statistics.mean(off):+.2f} on average")


def _ssim(data: bytes, webp: bytes) -> float:
    """Give the SSIM that libwebp computes of two pictures' luma (WebPPlaneDistortion)."""
    library, _ = libwebp.newest(libwebp.candidates())
    if library is None:
        raise SystemExit("no libwebp: install optimizr[fast]")
    distortion = ctypes.CDLL(library.path).WebPPlaneDistortion
    first, second = (Image.open(BytesIO(one)).convert("L") for one in (data, webp))
    width, height = first.size
    stride, step, kind = ctypes.c_size_t(width), ctypes.c_size_t(1), 1
    total, decibels = ctypes.c_float(), ctypes.c_float()
    planes = (first.tobytes(), stride, second.tobytes(), stride, width, height, step, kind)
    distortion(*planes, ctypes.byref(total), ctypes.byref(decibels))
    return total.value / (width * height)


def targets() -> None:
    """Print what targets take at full size, against one plain encode each, and what they reach."""
    pictures = [path.read_bytes() for path in wallpapers()[1::2]]
    plain = [_timed(data) for data in pictures]
    seconds = sum(taken for _, taken in plain)
    for look in (50, 60, 70, 80):
        made = [_timed(data, target_look=look, if_unreachable="keep") for data in pictures]
        held = sum((one.look or 0) >= look for one, _ in made)
        _print_targets(f"look {look}: held by {held} of {len(made)}", made, seconds)
    for share in (0.3, 0.6, 1.0, 2.0):
        caps = [round(share * len(one.data)) for one, _ in plain]
        made = [
            _timed(data, target_size=cap, if_unreachable="keep")
            for data, cap in zip(pictures, caps, strict=True)
        ]
        sizes = [len(one.data) for one, _ in made]
        kept = sum(size <= cap for size, cap in zip(sizes, caps, strict=True))
        filled = sum(0.9 * cap <= size <= cap for size, cap in zip(sizes, caps, strict=True))
        what = f"{share:.0%} of quality 80: {kept} of {len(made)} keep the cap, {filled} fill it"
        _print_targets(what, made, seconds)


def _timed(data: bytes, **options: Any) -> tuple[convert.Converted, float]:
    start = time.process_time()
    made = converted(data, **options)
    return made, time.process_time() - start


def _print_targets(
    what: str, made: list[tuple[convert.Converted, float]], plain_seconds: float
) -> None:
    encodes = statistics.mean(one.encodes for one, _ in made)
    ratio = sum(taken for _, taken in made) / plain_seconds
    print(f"{what}; {encodes:.2f} encodes, {ratio:.2f} times the CPU of plain ones", flush=True)


def _places(values: list[float]) -> list[int]:
    return [int(place) for place in np.argsort(np.argsort(values))]


def main(write: bool) -> None:
    """Convert by all ways, and print or write what came of it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        corpus(folder / "in", 1)
        judged: dict[bytes, float] = {}
        results = []
        for way in ways():
            results.append(measure(way, folder / "in", folder, judged))
            print(looks_page.row(results[-1]), flush=True)
    text = looks_page.markdown(results)
    print(text)
    if write:
        looks_page.write(text, results)


if __name__ == "__main__":
    convert.start(("jpeg", "png", "webp"), looks=True)
    names: dict[str, Callable[[], None]] = {
        "rank": rank,
        "targets": targets,
    }
    names.get(sys.argv[-1], partial(main, "--write" in sys.argv))()
