"""Ways in which one picture was encoded, and which of them is the better."""

from __future__ import annotations

import math
from dataclasses import dataclass

from optimizr.convert.options import Options
from optimizr.errors import PictureError, Reason, Stage

_FAITHFUL = ("lossy", "near_lossless", "lossless")
"""The later loses less."""

ONLY_DRAWINGS = "only drawings are worth a lossless try"


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way in which a picture was encoded."""

    mode: str
    quality: float
    effort: int
    data: bytes
    psnr_db: float | None
    look: float | None
    """None if nobody asked."""

    @property
    def size(self) -> int:
        """Bytes."""
        return len(self.data)


class Judge:
    """Says which candidates will do, and which is the best."""

    def __init__(self, options: Options) -> None:
        self._most = options.target_size
        self.most_bytes = math.inf if options.target_size is None else options.target_size
        self._least = options.target_look

    def fits(self, candidate: Candidate) -> bool:
        """Tell whether it is no larger than `target_size`."""
        return self._most is None or candidate.size <= self._most

    def looks(self, candidate: Candidate) -> bool:
        """Tell whether it looks no worse than `target_look`."""
        return self._least is None or candidate.look is None or candidate.look >= self._least

    def will_do(self, candidate: Candidate) -> bool:
        """Tell whether it is what was asked for."""
        return self.fits(candidate) and self.looks(candidate)

    @property
    def wants_faithful(self) -> bool:
        """Whether what loses less is the better: as much as fits is wanted, and no look."""
        return self._most is not None and self._least is None

    def rank(self, candidate: Candidate) -> tuple[float, ...]:
        """Sort candidates by how good they are.

        Those that keep the cap come first, then those that hold the look; of these the smaller, or
        under a cap alone what loses less.
        """
        if not self.fits(candidate):
            return (0, -candidate.size)
        if not self.looks(candidate):
            return (1, candidate.look or 0)
        if self.wants_faithful:
            return (2, _FAITHFUL.index(candidate.mode), candidate.size)
        return (2, -candidate.size)

    def why(self, best: Candidate, others: list[Candidate]) -> str:
        """Say for people why one of several ways was taken."""
        if not self.will_do(best):
            return f"no way will do; of those tried {_way(best)} comes nearest"
        if len(others) == 1 and others[0].mode == "lossy":
            return ONLY_DRAWINGS
        if self.wants_faithful:
            return f"{_way(best)} loses the least of what fits into {self._most} bytes"
        ways = ", ".join(f"{_way(other)} {other.size}" for other in others)
        held = "" if self._least is None else f" at a look of {self._least:g} or more"
        return f"{_way(best)} is the smallest{held}, in bytes: {ways}"

    def unreachable(self, best: Candidate) -> PictureError:
        """Make the error of a picture of which no WebP will do."""
        if not self.fits(best):
            told = (
                f"expected a WebP of at most {self._most} bytes, got {best.size} by {_way(best)}, "
                f"effort {best.effort}; raise webp.target_size, lower webp.min_quality, or make "
                "pictures smaller with picture.resize"
            )
        else:
            told = (
                f"expected a look of at least {self._least:g}, got {best.look:.2f} by "
                f"{_way(best)}; lower webp.target_look, or set webp.mode auto or webp.sharp_yuv"
            )
            if self._most is not None:
                told += f", or raise webp.target_size above {self._most} bytes"
        return PictureError(
            Stage.CONVERT,
            Reason.CANNOT_REACH_TARGET,
            f"{told}; webp.if_unreachable keep takes what comes nearest",
        )


def _way(candidate: Candidate) -> str:
    if candidate.mode == "lossless":
        return "lossless"
    return f"{candidate.mode} {candidate.quality:g}"
