"""The search for a quality that gives what was asked for, in few tries.

How a picture's size and look run with quality is much the same for all pictures, but for a factor.
So one try says nearly which quality is right, and two say it well: the curves below guess, and what
was tried corrects them.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import NamedTuple

QUALITIES = (0, 2, 5, 10, 25, 40, 55, 65, 75, 80, 85, 90, 95, 98, 100)
"""At which the curves are known."""


_MOST_BENT = 4.0
"""How much steeper or flatter than its curve a picture may be. Two values that are near each other
differ by noise more than by quality, and would lead anywhere."""


class Curve(NamedTuple):
    """How something that is measured runs with quality, on a scale where pictures run in parallel.

    The heights are medians of 44 pictures (`python -m benchmarks.looks_constants curves`).
    """

    of: Callable[[float], float]
    """From what is measured to the scale."""
    heights: tuple[float, ...]
    """On that scale at `QUALITIES`, rising; where none is at is of no account."""

    def height(self, quality: float) -> float:
        """Give the height at a quality, 0 to 100."""
        return _between(quality, QUALITIES, self.heights)

    def quality(self, height: float) -> float:
        """Give the quality that has a height, 0 or 100 for what lies outside."""
        return _between(height, self.heights, QUALITIES)

    def moved(self, quality: float, value: float, aim: float, bend: float = 1) -> float:
        """Give the quality that has what is aimed at, by one whose value was measured.

        `bend` tells how many times further apart the picture has the qualities of two values.
        """
        return self.quality(self.height(quality) + bend * (self.of(aim) - self.of(value)))


def _between(x: float, xs: Sequence[float], ys: Sequence[float]) -> float:
    """Interpolate; beyond the ends, as at the end."""
    right = min(max(1, bisect_left(xs, x)), len(xs) - 1)
    share = (x - xs[right - 1]) / (xs[right] - xs[right - 1])
    return ys[right - 1] + min(1.0, max(0.0, share)) * (ys[right] - ys[right - 1])


SIZE = Curve(
    math.log,
    (-1.51, -1.21, -1.1, -0.95, -0.67, -0.43, -0.23, -0.12, 0.0, 0.2, 0.42, 0.74, 1.15, 1.42, 1.5),
)
"""Of the bytes of a WebP: the logarithm, so that what is added is a factor."""
LOOK = Curve(
    lambda look: -math.log(max(0.01, 100 - look)),
    (-1.23, -1.01, -0.91, -0.78, -0.54, -0.35, -0.19, -0.1, 0.0, 0.14, 0.3, 0.48, 0.69, 0.8, 0.82),
)
"""Of SSIMULACRA2: by what is missing to 100."""


class Window(NamedTuple):
    """What the search is for: anything from `low` to `high`, and best what is aimed at."""

    low: float
    aim: float
    high: float


def approach(
    measure: Callable[[float], float],
    curve: Curve,
    window: Window,
    first: float,
    least: float = 0,
    step: float = 0.1,
    tries: int = 8,
) -> dict[float, float]:
    """Measure qualities from `least` to 100 until one is in the window, or none can be, or few are.

    What is measured must rise with quality, but for noise. `step` is the least difference between
    two qualities. Gives what was measured, by quality.
    """
    points: dict[float, float] = {}
    quality = _rounded(first, least, step)
    while len(points) < tries and quality not in points:
        points[quality] = measure(quality)
        if window.low <= points[quality] <= window.high:
            break
        quality = _rounded(_next(list(points.items()), curve, window, least), least, step)
    return points


def _rounded(quality: float, least: float, step: float) -> float:
    return min(100.0, max(float(least), round(round(quality / step) * step, 1)))


def _next(points: list[tuple[float, float]], curve: Curve, window: Window, least: float) -> float:
    """Guess by the curve and what was measured, and stay between what is known to be out."""
    below = max((point for point in points if point[1] < window.low), default=None)
    above = min((point for point in points if point[1] > window.high), default=None)
    if below is None or above is None:
        known = below or above
        assert known is not None
        guess = _beyond(points, known, curve, window.aim)
        if below is None:
            return least if guess >= known[0] else guess
        return 100 if guess <= known[0] else guess
    middle = (below[0] + above[0]) / 2
    if below[0] > above[0] or len(points) % 3 == 0:  # noise, or a curve that is unlike the others
        return middle
    return curve.quality(_on_line(below, above, curve, window.aim))


def _beyond(
    points: list[tuple[float, float]], known: tuple[float, float], curve: Curve, aim: float
) -> float:
    """Guess where all that was measured is on one side, from what is nearest."""
    bend = 1.0
    others = [point for point in points if point[0] != known[0]]
    if others:
        nearest = min(others, key=lambda point: abs(point[0] - known[0]))
        run = curve.height(known[0]) - curve.height(nearest[0])
        rise = curve.of(known[1]) - curve.of(nearest[1])
        if run * rise > 0:
            bend = min(_MOST_BENT, max(1 / _MOST_BENT, run / rise))
    return curve.moved(*known, aim, bend)


def _on_line(a: tuple[float, float], b: tuple[float, float], curve: Curve, aim: float) -> float:
    """Give the height at which the aim is, on the line through two points; b where it is level."""
    start, run = curve.height(a[0]), curve.height(b[0]) - curve.height(a[0])
    rise = curve.of(b[1]) - curve.of(a[1])
    return start + (run * (curve.of(aim) - curve.of(a[1])) / rise if rise else run)
