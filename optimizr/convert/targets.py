"""Pictures for which a quality is searched, or of which several ways to encode are compared.

Such a picture is decoded once, into memory, and encoded as often as the search asks. `webp.mode`
says which ways there are, the targets which of their WebPs will do:

    target_size    at most so many bytes, and as near to it as the range of qualities allows
    target_look    at least so good a look, in as few bytes as can be
    neither        the smallest; lossy encoding then sets the look, and the others have a better one
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from optimizr.convert.candidates import Candidate, Judge
from optimizr.convert.choose import is_flat, may_be_drawing
from optimizr.convert.deadline import Deadline
from optimizr.convert.decode import decode, in_memory
from optimizr.convert.encode import Trial, is_direct
from optimizr.convert.options import Options
from optimizr.convert.probe import Probed
from optimizr.convert.search import LOOK, SIZE, Window, approach

if TYPE_CHECKING:
    from optimizr.convert.look import Eye

_LEAST_SHARE = 0.9
"""Of `target_size`, that its WebP shall have where the range of qualities allows."""
_LEAST_ABOVE, _SHARE_ABOVE = 1.5, 0.05
"""By how much a WebP may look better than `target_look`, and no smaller one is searched for: in
points, and as a share of what is missing to 100, since low looks have fewer bytes to the point."""
_NEAR_LOSSLESS = 60
"""libwebp's near_lossless where no target says how near: nothing is lost that can be seen."""
_LEVELS = (0, 20, 40, 60, 80, 100)
"""All of near_lossless that differ, from the smallest WebP on; 100 is lossless."""
_HARDEST = 6
"""The effort for what is too large."""
_EFFORT_GAINS = 2.0
"""How many times its size at the least effort a lossless WebP may be smaller with more, at most."""
_NEARNESS_GAINS = 2.5
"""How many times smaller near_lossless may be than lossless, at most."""
_NEAREST_SHARE = 0.98
"""The same of `_LEAST_SHARE`, under both targets."""
_NEARLY_BEST = 90
"""The quality above which the next step is to 100."""
_SAME = 100.0
"""The look of what is lossless."""
_USUAL_LOOK = 69.5
"""Of pictures at quality 75: the median, by the same measurement as `search.LOOK`."""
_MUCH_EFFORT = 3
"""The effort from which on a search with effort 0, which takes a fifth of the time, comes first."""
_EQUAL_LOOK = 76.0
"""At which effort 0 looks as good as more; below that it looks better, a point for each twenty, to
within one or two (standard deviation; `python -m benchmarks.looks_constants quick`)."""
_NEAR = 5.0
"""How near to the look that is searched for such a search comes."""
_QUICK_TRIES, _LOOK_TRIES = 3, 4


@dataclass(frozen=True, slots=True)
class Chosen:
    """The candidate that was taken."""

    candidate: Candidate
    encodes: int
    """How often the whole picture was encoded."""
    why: str | None
    """For people; None if there was one way only."""


def choose(picture: Probed, options: Options, deadline: Deadline) -> Chosen:
    """Encode a picture as its options' targets and mode ask.

    Raises PictureError `cannot_reach_target`, and what `encode` raises.
    """
    image = in_memory(decode(picture, options, deadline), deadline)
    eye = _eye(image, picture.header.pages, options)
    with Trial(image, deadline, direct=is_direct(picture.header, options)) as trial:
        search = _Search(trial, eye, options)
        if options.mode != "auto":
            return search.taken([search.best(options.mode)])
        if may_be_drawing(picture.header) and is_flat(image):
            return search.taken(search.compared())
        return search.taken(search.lossy_if_it_will_do())


def _eye(image: Any, pages: int, options: Options) -> Eye | None:
    if options.target_look is None:
        return None
    from optimizr.convert.look import Eye  # NumPy is there for who asks for it

    return Eye(image, pages)


class _Search:
    """Encodes one picture until it is as it shall be."""

    def __init__(self, trial: Trial, eye: Eye | None, options: Options) -> None:
        self._trial = trial
        self._eye = eye
        self._options = options
        self._judge = Judge(options)
        self._encodes = 0

    def best(self, mode: str) -> Candidate:
        """Give the best that one way to encode can do."""
        if mode == "lossless":
            return self._harder(self._encoded("lossless", self._options.quality))
        return self._near_lossless() if mode == "near_lossless" else self._lossy()

    def compared(self) -> list[Candidate]:
        """Give the best of each way that has a chance.

        A lossless encode with little effort tells which have one.
        """
        quick = self._encoded("lossless", self._options.quality, 0)
        if self._judge.wants_faithful:
            return self._faithful(quick)
        lossy = self.best("lossy")
        most = lossy.size if self._judge.will_do(lossy) else math.inf
        if quick.size > _EFFORT_GAINS * most:
            return [quick, lossy]
        lossless = self.best("lossless")
        if lossless.size > _NEARNESS_GAINS * most:
            return [lossless, lossy]
        return [lossless, self.best("near_lossless"), lossy]

    def _faithful(self, quick: Candidate) -> list[Candidate]:
        """Go from what loses less to what loses more until one fits."""
        found = [quick]
        if quick.size <= _EFFORT_GAINS * self._judge.most_bytes:
            found = [self.best("lossless")]
        for way in ("near_lossless", "lossy"):
            hopeless = quick.size > _EFFORT_GAINS * _NEARNESS_GAINS * self._judge.most_bytes
            if self._judge.fits(found[-1]):
                break
            if way == "lossy" or not hopeless:
                found.append(self.best(way))
        return found

    def lossy_if_it_will_do(self) -> list[Candidate]:
        """Give the best lossy one, and the other ways if no quality looks well enough."""
        lossy = self.best("lossy")
        if self._judge.looks(lossy):
            return [lossy]
        return [self.best("lossless"), self.best("near_lossless"), lossy]

    def taken(self, found: list[Candidate]) -> Chosen:
        """Take the best of the best; raises PictureError if it will not do."""
        best = max(found, key=self._judge.rank)
        if self._options.if_unreachable == "fail" and not self._judge.will_do(best):
            raise self._judge.unreachable(best)
        why = self._judge.why(best, found) if self._options.mode == "auto" else None
        return Chosen(best, self._encodes, why)

    def _encoded(self, mode: str, quality: float, effort: int | None = None) -> Candidate:
        effort = self._options.effort if effort is None else effort
        made = self._trial(replace(self._options, quality=quality, effort=effort), mode)
        self._encodes += 1
        look = None
        if self._eye is not None:
            look = _SAME if mode == "lossless" else self._eye.look(made.data)
        return Candidate(mode, quality, effort, made.data, made.psnr_db, look)

    def _better(self, best: Candidate | None, tried: Candidate) -> Candidate:
        return tried if best is None else max(best, tried, key=self._judge.rank)

    def _harder(self, best: Candidate) -> Candidate:
        """Try with all effort what is too large."""
        if self._judge.fits(best) or best.effort == _HARDEST:
            return best
        return self._better(best, self._encoded(best.mode, best.quality, _HARDEST))

    def _near_lossless(self) -> Candidate:
        options = self._options
        if not options.has_target:
            level = _NEAR_LOSSLESS if options.mode == "auto" else options.quality
            return self._encoded("near_lossless", level)
        levels = [level for level in _LEVELS if level >= options.min_quality]
        best: Candidate | None = None
        while levels:
            middle = len(levels) // 2
            tried = self._encoded("near_lossless", levels[middle])
            best = self._better(best, tried)
            by_look = options.target_look is not None
            smaller = self._judge.looks(tried) if by_look else not self._judge.fits(tried)
            levels = levels[:middle] if smaller else levels[middle + 1 :]
        assert best is not None
        return self._harder(best)

    def _lossy(self) -> Candidate:
        options = self._options
        if not options.has_target:
            return self._encoded("lossy", options.quality)
        best: Candidate | None = None

        def tried(quality: float) -> Candidate:
            nonlocal best
            candidate = self._encoded("lossy", quality)
            best = self._better(best, candidate)
            return candidate

        if options.target_look is not None:
            self._find_look(tried, options.target_look)
        if options.target_size is not None and (best is None or not self._judge.will_do(best)):
            self._find_size(tried, options.target_size)
        assert best is not None
        return self._harder(best)

    def _find_size(self, tried: Callable[[float], Candidate], most: int) -> None:
        """Search for what fits; where it is to look well too, as near to the cap as can be."""
        least = self._options.min_quality
        share = _LEAST_SHARE if self._judge.wants_faithful else _NEAREST_SHARE
        window = Window(share * most, (1 + share) / 2 * most, most)

        def size(quality: float) -> float:
            return tried(quality).size

        sizes = approach(size, SIZE, window, self._options.quality, least, self._trial.step)
        if min(sizes.values()) > most and least not in sizes:
            tried(least)

    def _find_look(self, tried: Callable[[float], Candidate], least_look: float) -> None:
        above = max(_LEAST_ABOVE, _SHARE_ABOVE * (_SAME - least_look))
        window = Window(least_look, least_look + 0.4 * above, least_look + above)
        least, step = self._options.min_quality, self._trial.step
        first = max(float(least), LOOK.quality(LOOK.of(least_look) - LOOK.of(_USUAL_LOOK)))
        if self._options.effort >= _MUCH_EFFORT:
            first = self._quickly(window, first)

        def look(quality: float) -> float:
            return tried(quality).look or 0

        looks = approach(look, LOOK, window, first, least, step, _LOOK_TRIES)
        while max(looks.values()) < least_look and 100 not in looks:
            highest = max(looks)
            higher = 100 if highest > _NEARLY_BEST else round((highest + 100) / 2)
            looks[higher] = look(higher)

    def _quickly(self, window: Window, first: float) -> float:
        """Give the quality to begin with, by encodes with the least effort."""
        aim = window.aim + (_EQUAL_LOOK - window.aim) / 20
        near = Window(aim - _NEAR, aim, aim + _NEAR)
        least, step = self._options.min_quality, self._trial.step

        def look(quality: float) -> float:
            return self._encoded("lossy", quality, 0).look or 0

        looks = approach(look, LOOK, near, first, least, step, _QUICK_TRIES)
        quality = min(looks, key=lambda quality: abs(looks[quality] - aim))
        return LOOK.moved(quality, looks[quality], aim)
