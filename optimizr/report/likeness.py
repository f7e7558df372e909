"""The figures of how like their originals the WebPs are, and of what was done for that."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from optimizr.histogram import nearest_rank
from optimizr.merges import Entry
from optimizr.report.figure import Figure, by_count, ratio
from optimizr.summary import Summary


def _least(worst: tuple[Entry, ...]) -> float | None:
    return worst[0].rank / 100 if worst else None


def _at_least(counts: Mapping[int, int], worst: tuple[Entry, ...], percent: float) -> float | None:
    """Give what all but `percent` of the pictures have at least; never below the least."""
    least, tenth = _least(worst), nearest_rank(counts, percent)
    return least if least is None or tenth is None else max(least, tenth / 10)


def _worst(worst: tuple[Entry, ...], measure: str) -> list[dict[str, Any]]:
    return [
        {
            "key": entry.key,
            measure: entry.rank / 100,
            "input_bytes": entry.input_bytes,
            "output_bytes": entry.output_bytes,
        }
        for entry in worst
    ]


def _encodes(s: Summary) -> float | None:
    encoded = s.converted_files - s.duplicate_files
    return ratio(encoded + s.more_encodes, encoded, 2) or None


LIKENESS: tuple[Figure, ...] = (
    Figure("by_mode", "converted, by how: counts", lambda s: by_count(s.by_mode)),
    Figure(
        "encodes_per_picture",
        "how often one that is no clone was encoded until it was as asked for, on average",
        _encodes,
    ),
    Figure(
        "min_quality",
        "least of lossy ones, in whole points; with a target, each has its own",
        lambda s: nearest_rank(s.qualities, 0),
    ),
    Figure("p50_quality", "the median of these", lambda s: nearest_rank(s.qualities, 50)),
    Figure("max_quality", "the most", lambda s: nearest_rank(s.qualities, 100)),
    Figure(
        "min_look",
        "of the picture that looks least like its original, by SSIMULACRA2, as much as 100; "
        "null without `webp.target_look`",
        lambda s: _least(s.worst_looks),
    ),
    Figure(
        "p5_look",
        "all but 5% look at least as well; rounded down to a tenth, and 0 for all below",
        lambda s: _at_least(s.looks, s.worst_looks, 5),
    ),
    Figure(
        "p50_look",
        "half look at least as well; likewise",
        lambda s: _at_least(s.looks, s.worst_looks, 50),
    ),
    Figure(
        "worst_looks",
        "the pictures that look least like their originals, at most 20",
        lambda s: _worst(s.worst_looks, "look"),
    ),
    Figure(
        "min_psnr_db",
        "least PSNR of all planes, as libwebp tells it of lossy stills; null without these",
        lambda s: _least(s.worst_psnrs),
    ),
    Figure(
        "p5_psnr_db",
        "all but 5% have at least that; rounded down to a tenth",
        lambda s: _at_least(s.psnrs, s.worst_psnrs, 5),
    ),
    Figure(
        "p50_psnr_db",
        "half have at least that; likewise",
        lambda s: _at_least(s.psnrs, s.worst_psnrs, 50),
    ),
    Figure(
        "worst_psnrs",
        "the pictures with the least PSNR, at most 20",
        lambda s: _worst(s.worst_psnrs, "psnr_db"),
    ),
)
