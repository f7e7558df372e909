"""docs/benchmarks.md and its chart, from what was measured."""

from __future__ import annotations

import os
import platform
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

LOOKS = "# Bytes against look\n"
"""Where the section begins that `benchmarks.looks` writes."""
DOCS = Path(__file__).parent.parent / "docs"

_INTRO = """\
# Benchmarks

Made by `python -m benchmarks.compare --write` on {day}; its docstring says what to install.
Medians of {rounds} rounds in which all programs take turns, and medians of the ratios to optimizr
in each round: above 1 means that optimizr takes less. All run at quality 80 and effort 4, {cpus}
pictures at a time, on {machine}.
CPU is that of a program and of all that it starts, its own start included; peak RSS is that of its
largest process, so `cwebp` and the `vips` command, a process for each picture, hold twice as much
at a time. optimizr's outputs are synced to disk and on record in its ledger; no other's are. And it
honours a PNG's gamma and chromaticities as browsers do, which the others pass over: the PNGs of the
seed's corpus state them, so its outputs differ there, and it does more for them.

`bare` is no program: libvips' decode and libwebp's encode of the same pictures and nothing else,
one process for each CPU; its CPU time is what optimizr's is measured against.

![CPU, wall time and peak RSS of each program, as multiples of optimizr's](benchmarks.svg)
"""


class Row(NamedTuple):
    """One program on one corpus: medians."""

    name: str
    cpu: float
    wall: float
    rss: float
    """Bytes."""
    cpu_ratio: float
    """To optimizr."""
    wall_ratio: float
    files: int
    size: int
    """Bytes of all outputs."""


class Table(NamedTuple):
    """One corpus."""

    corpus: str
    described: str
    rows: list[Row]


def markdown(tables: list[Table], versions: dict[str, str], missing: list[str], rounds: int) -> str:
    """Write the page."""
    day = datetime.now(UTC).date().isoformat()
    parts = [_INTRO.format(day=day, rounds=rounds, cpus=_cpus(), machine=machine())]
    for table in tables:
        parts.append(f"## {table.corpus}: {table.described}\n")
        parts.append(_rows(table))
        parts.append(_overhead(table))
    parts.append("## Versions\n")
    parts.append("\n".join(f"- {name}: {version}" for name, version in versions.items()) + "\n")
    if missing:
        parts.append(f"Not installed, and left out: {', '.join(missing)}.\n")
    return "\n".join(parts)


def _rows(table: Table) -> str:
    lines = [
        "| program | CPU s | wall s | peak RSS MB | CPU ratio | wall ratio | pictures | MB made |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in sorted(table.rows, key=lambda row: row.cpu_ratio):
        bare = row.name == "bare"
        wall, rss = ("", "") if bare else (f"{row.wall:.1f}", f"{row.rss / 1e6:.0f}")
        ratio = "" if bare else f"{row.wall_ratio:.2f}"
        lines.append(
            f"| {row.name} | {row.cpu:.1f} | {wall} | {rss} | {row.cpu_ratio:.2f} | {ratio} |"
            f" {row.files} | {row.size / 1e6:.1f} |"
        )
    return "\n".join(lines) + "\n"


def _overhead(table: Table) -> str:
    rows = {row.name: row for row in table.rows}
    ours, bare = rows["optimizr"], rows["bare"]
    spare = ours.cpu / bare.cpu if bare.cpu else 0
    each = (ours.cpu - bare.cpu) / ours.files * 1000
    return (
        f"optimizr takes {spare:.3f} times the CPU of bare decode and encode, its start included: "
        f"{each:.2f} ms a picture. The aim is 1.03 times and 0.6 s: "
        f"{1.03 * bare.cpu + 0.6:.1f} s here, against {ours.cpu:.1f} s.\n"
    )


def _cpus() -> int:
    return len(os.sched_getaffinity(0))


def machine() -> str:
    model = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    name = model[1] if model else platform.machine()
    kernel = platform.release().split("-")[0]
    return f"{_cpus()} CPUs ({name}), Linux {kernel}, Python {platform.python_version()}"


def write(text: str, tables: list[Table]) -> None:
    """Put page and chart into docs/, and leave the section on looks as it is."""
    _, mark, looks = _page().partition(LOOKS)
    (DOCS / "benchmarks.md").write_text(text.rstrip() + "\n\n" + mark + looks)
    _chart(tables, DOCS / "benchmarks.svg")


def write_looks(section: str) -> None:
    """Put the section on looks into the page, and leave what is above as it is."""
    programs = _page().partition(LOOKS)[0]
    (DOCS / "benchmarks.md").write_text(programs.rstrip() + f"\n\n{LOOKS}{section}")


def _page() -> str:
    return (DOCS / "benchmarks.md").read_text()


def _chart(tables: list[Table], path: Path) -> None:
    import matplotlib as mpl  # only for who draws

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "optimizr"  # the same figures make the same file
    from matplotlib import pyplot as plt

    figure, rows = plt.subplots(len(tables), 3, figsize=(11, 2.6 * len(tables)), squeeze=False)
    for table, axes in zip(tables, rows, strict=True):
        shown = [row for row in table.rows if row.name != "bare"]
        ours = next(row for row in shown if row.name == "optimizr")
        figures = (
            ("CPU", [row.cpu_ratio for row in shown]),
            ("wall time", [row.wall_ratio for row in shown]),
            ("peak RSS", [row.rss / ours.rss for row in shown]),
        )
        for axis, (title, ratios) in zip(axes, figures, strict=True):
            names = [row.name for row in shown]
            colors = ["#1f7a5a" if name == "optimizr" else "#9aa5b1" for name in names]
            bars = axis.barh(names, ratios, color=colors)
            axis.bar_label(bars, fmt="%.2f", padding=3)
            axis.set_title(f"{table.corpus}: {title}, as multiples of optimizr's", fontsize=8)
            axis.invert_yaxis()
            axis.spines[["top", "right", "bottom"]].set_visible(False)
            axis.set_xticks([])
            axis.margins(x=0.15)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
