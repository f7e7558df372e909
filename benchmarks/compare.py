r"""Whole programs side by side: `python -m benchmarks.compare [--runs 5] [--write] [CORPUS ...]`.

Every program converts the same pictures at quality 80 and effort 4, as many at a time as there are
CPUs. They take turns, so that a machine that gets slower does so for all; each round has another
order. Quoted are medians, and the median of each round's ratios to optimizr. CPU is that of the
program and all that it starts; peak RSS is that of its largest process. Outputs are counted and
weighed.

`bare` is no program: libvips' decode and libwebp's encode of the same pictures and nothing else,
one process for each CPU, without writing. It is what optimizr's CPU time is measured against.

A peer that is not installed is left out by name. To have them all:

    apt-get install webp libvips-tools imagemagick \
        plasma-workspace-wallpapers ukui-wallpapers lomiri-wallpapers-20.04
    npm install --prefix build/sharp sharp

`--write` puts tables and chart into docs/benchmarks.md and docs/benchmarks.svg.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import PIL
import pyvips

from benchmarks import page
from benchmarks.corpora import MAKE
from optimizr import __version__
from optimizr.convert import libwebp

HERE = Path(__file__).parent
AT_ONCE = len(os.sched_getaffinity(0))


class Peer(NamedTuple):
    """A program to measure."""

    name: str
    version: str
    command: Callable[[Path, Path], list[str]]
    """For an input and an output folder."""
    in_one_process: bool = True


class Run(NamedTuple):
    """What one run of one peer took."""

    cpu: float
    wall: float
    rss: int
    """Bytes, of the largest process."""
    files: int
    size: int
    """Bytes of all outputs."""


def peers() -> tuple[list[Peer], list[str]]:
    """Give those that are installed, and the names of those that are not."""
    found = [
        _optimizr(),
        _bare(),
        _script("pyvips", f"libvips {_vips_version()}"),
        _script("pillow", f"Pillow {PIL.__version__}"),
    ]
    missing = []
    for name, peer in (("cwebp", _cwebp), ("vips CLI", _vips), ("sharp", _sharp)):
        made = peer()
        if made is None:
            missing.append(name)
        else:
            found.append(made)
    return found, missing


def _optimizr() -> Peer:
    def command(source: Path, output: Path) -> list[str]:
        options = ["--quality", "80", "--effort", "4", "--log-format", "json"]
        paths = ["--input", str(source), "--output", str(output)]
        return [sys.executable, "-m", "optimizr", "run", *paths, *options]

    return Peer("optimizr", __version__, command)


def _bare() -> Peer:
    library, _ = libwebp.newest(libwebp.candidates())
    version = libwebp.dotted(library.version) if library else "none"
    return _script("bare", f"libvips {_vips_version()}, libwebp {version}")


def _script(name: str, version: str) -> Peer:
    def command(source: Path, output: Path) -> list[str]:
        return [
            sys.executable,
            "-m",
            f"benchmarks.peers.{name}",
            str(source),
            str(output),
            str(AT_ONCE),
        ]

    return Peer(name, version, command)


def _each(program: str) -> Callable[[Path, Path], list[str]]:
    """Run a command for each picture, as people do with find and xargs."""

    def command(source: Path, output: Path) -> list[str]:
        script = f'cd "$0" && find -L . -type f -print0 | xargs -0 -P{AT_ONCE} -I{{}} {program}'
        return ["sh", "-c", script, str(source), str(output)]

    return command


def _cwebp() -> Peer | None:
    if shutil.which("cwebp") is None:
        return None
    version = _output("cwebp", "-version").split()[0]
    return Peer("cwebp", version, _each('cwebp -quiet -q 80 -m 4 {} -o "$1"/{}.webp'), False)


def _vips() -> Peer | None:
    if shutil.which("vips") is None:
        return None
    command = _each('env VIPS_CONCURRENCY=1 vips copy {} "$1"/{}.webp[Q=80,effort=4,strip]')
    return Peer("vips CLI", _output("vips", "--version").split("-")[1].split()[0], command, False)


def _sharp() -> Peer | None:
    home = HERE.parent / "build/sharp"
    if shutil.which("node") is None or not (home / "node_modules/sharp").is_dir():
        return None
    version = _output("node", "-p", "require('sharp').versions.sharp", cwd=home).strip()

    def command(source: Path, output: Path) -> list[str]:
        script = str(HERE / "peers/sharp.js")
        return [
            "env",
            f"NODE_PATH={home}/node_modules",
            "node",
            script,
            str(source),
            str(output),
            str(AT_ONCE),
        ]

    return Peer("sharp", version, command)


def _vips_version() -> str:
    return ".".join(str(pyvips.version(part)) for part in range(3))


def _output(*command: str, cwd: Path | None = None) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=cwd).stdout


def measure(peer: Peer, source: Path, scratch: Path) -> Run:
    """Run a program once, into a folder that is new: on ext4 a name deleted just now costs more."""
    output = Path(tempfile.mkdtemp(prefix="out-", dir=scratch))
    for folder in (path for path in source.rglob("*") if path.is_dir()):
        (output / folder.relative_to(source)).mkdir(parents=True)
    start = time.perf_counter()
    with open(scratch / "log", "wb") as log:
        process = subprocess.Popen(
            peer.command(source, output), stdout=log, stderr=subprocess.STDOUT
        )
        _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(
            f"{peer.name} ended with {process.returncode}:\n"
            + (scratch / "log").read_text()[-2000:]
        )
    made = [path.stat().st_size for path in output.rglob("*.webp")]
    files, size = len(made), sum(made)
    cpu = usage.ru_utime + usage.ru_stime
    if peer.name == "bare":  # its start does not count
        told = re.findall(r"[\d.]+", (scratch / "log").read_text())
        files, size, cpu = int(told[0]), int(told[1]), float(told[2]) + float(told[3])
    return Run(cpu, wall, usage.ru_maxrss * 1024, files, size)


def compare(found: list[Peer], source: Path, scratch: Path, rounds: int) -> dict[str, list[Run]]:
    """Let all take turns."""
    runs: dict[str, list[Run]] = {peer.name: [] for peer in found}
    order = list(found)
    for number in range(rounds):
        random.Random(number).shuffle(order)
        for peer in order:
            runs[peer.name].append(measure(peer, source, scratch))
            last = runs[peer.name][-1]
            print(
                f"  {number + 1} {peer.name:9} cpu {last.cpu:6.1f} wall {last.wall:6.1f}",
                flush=True,
            )
    return runs


def medians(runs: dict[str, list[Run]], name: str) -> page.Row:
    """Sum up the runs of one peer: medians, and medians of each round's ratios to optimizr."""
    own, ours = runs[name], runs["optimizr"]
    return page.Row(
        name=name,
        cpu=statistics.median(run.cpu for run in own),
        wall=statistics.median(run.wall for run in own),
        rss=statistics.median(run.rss for run in own),
        cpu_ratio=statistics.median(a.cpu / b.cpu for a, b in zip(own, ours, strict=True)),
        wall_ratio=statistics.median(a.wall / b.wall for a, b in zip(own, ours, strict=True)),
        files=own[-1].files,
        size=own[-1].size,
    )


def _made_apart(corpus: str, folder: Path) -> str:
    """Make a corpus in a process of its own: what is started here begins with this one's peak."""
    return _output(sys.executable, "-m", "benchmarks.corpora", corpus, str(folder)).strip()


def main() -> None:
    """Measure, and print or write the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("corpora", nargs="*", metavar="CORPUS", default=list(MAKE))
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    found, missing = peers()
    tables = []
    with tempfile.TemporaryDirectory() as folder:
        for name in given.corpora:
            source = Path(folder) / name
            described = _made_apart(name, source)
            print(f"{name}: {described}")
            runs = compare(found, source, Path(folder), given.runs)
            tables.append(page.Table(name, described, [medians(runs, peer.name) for peer in found]))
    versions = {peer.name: peer.version for peer in found}
    text = page.markdown(tables, versions, missing, given.runs)
    print(text)
    if given.write:
        page.write(text, tables)


if __name__ == "__main__":
    main()
