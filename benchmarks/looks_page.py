"""The section of docs/benchmarks.md on bytes against look, and its chart."""

from __future__ import annotations

import statistics
from datetime import UTC, datetime
from itertools import pairwise
from typing import NamedTuple

from benchmarks import page


class Result(NamedTuple):
    """What one way to convert made of the corpus."""

    family: str
    setting: str
    sizes: list[int]
    """Bytes of each WebP."""
    looks: list[float]
    """The judge's, of each."""
    cpu: float
    """Seconds, of all processes."""

    @property
    def size(self) -> int:
        """Bytes of all."""
        return sum(self.sizes)

    @property
    def worst(self) -> float:
        """The worst look."""
        return min(self.looks)


def row(result: Result) -> str:
    """Give a line of the table."""
    tenth = statistics.quantiles(result.looks, n=10)[0]
    return (
        f"| {result.family} | {result.setting} | {result.size / 1e6:.2f} | {result.worst:.1f} |"
        f" {tenth:.1f} | {statistics.median(result.looks):.1f} | {result.cpu:.1f} |"
    )


def markdown(results: list[Result]) -> str:
    """Write the section."""
    base = next(result for result in results if result.setting == "quality 80, effort 4")
    searched = [result for result in results if result.family == "target_look"]
    size = _size_at(searched, base.worst)
    worst = _worst_at(searched, base.size)
    head = _INTRO.format(
        day=datetime.now(UTC).date().isoformat(),
        pictures=len(base.sizes),
        machine=page.machine(),
        base_worst=f"{base.worst:.1f}",
        base_size=f"{base.size / 1e6:.2f}",
        size="no setting reaches it" if size is None else f"{size / 1e6:.2f} MB",
        fewer="" if size is None else f", {100 - 100 * size / base.size:.0f}% fewer",
        worst="outside of what was tried" if worst is None else f"{worst:.1f}",
        cpu=f"{statistics.median(result.cpu for result in searched) / base.cpu:.2f}",
    )
    lines = [
        "| by | setting | MB | worst look | tenth of looks below | median look | CPU s |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        *map(row, results),
    ]
    return head + "\n".join(lines) + "\n"


_INTRO = """
Made by `python -m benchmarks.looks --write` on {day}, on {machine}; its docstring says of what.
{pictures} wallpapers that fit into 1600 pixels, by fixed qualities, by `webp.target_look`, by
`cwebp` and sharp; judged by the Python package `ssimulacra2`, on whole pictures: 100 is the same,
70 good, 50 fair, 30 poor. No constant was chosen by these pictures.

- At fixed quality 80 and effort 4 they take {base_size} MB, and the worst looks like {base_worst}.
- With `webp.target_look` the same worst look takes {size}{fewer} (interpolated between targets).
- In as many bytes as quality 80 takes, the worst look is {worst} (interpolated).
- CPU time of a target against quality 80 at effort 4: {cpu} times (median of the targets).

![Bytes against the worst look and against the median look, for each way to convert](looks.svg)

"""


def _size_at(results: list[Result], worst: float) -> float | None:
    """Give the bytes at which a worst look is had; None outside of what was tried."""
    return _between(sorted((result.worst, float(result.size)) for result in results), worst)


def _worst_at(results: list[Result], size: int) -> float | None:
    return _between(sorted((float(result.size), result.worst) for result in results), size)


def _between(points: list[tuple[float, float]], x: float) -> float | None:
    for (x0, y0), (x1, y1) in pairwise(points):
        if x0 <= x <= x1:
            return y0 + (y1 - y0) * (x - x0) / (x1 - x0) if x1 > x0 else y0
    return None


def write(text: str, results: list[Result]) -> None:
    """Put the section and its chart into docs/."""
    page.write_looks(text)
    import matplotlib as mpl  # only for who draws

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "optimizr"  # the same figures make the same file
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(11, 4.4))
    for axis, title in zip(axes, ("worst look", "median look"), strict=True):
        for family in dict.fromkeys(result.family for result in results):
            of = sorted((r for r in results if r.family == family), key=lambda r: r.size)
            looks = [r.worst if title == "worst look" else statistics.median(r.looks) for r in of]
            style = "o-" if family == "target_look" else "s--"
            axis.plot([r.size / 1e6 for r in of], looks, style, label=family, markersize=4)
        axis.set_xlabel("MB of all WebPs")
        axis.set_ylabel(f"{title} (SSIMULACRA2)")
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(alpha=0.3)
        axis.legend(frameon=False, fontsize=8)
    figure.tight_layout()
    figure.savefig(page.DOCS / "looks.svg", metadata={"Date": None})
