"""Two pictures, or two trees of them, compared: for `optimizr compare`.

The trees are walked a folder at a time, and of the pairs only sums and the worst are kept, so trees
of any size take little memory.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from optimizr.budget import OverBudget
from optimizr.convert import probe
from optimizr.convert.deadline import Deadline, Expired
from optimizr.convert.look.pair import OPTIONS, Pair, Unlike, pair_bytes
from optimizr.convert.vips import VipsError
from optimizr.errors import ConfigError, PictureError, Reason, Stage
from optimizr.keys import from_text, to_text
from optimizr.limits import Limits
from optimizr.pool import Pool, Stop
from optimizr.report.compared import Comparison, Counted, Problem, Row, Shown
from optimizr.source.names import extensions, is_picture
from optimizr.store import Folder
from optimizr.store.local import LocalStore
from optimizr.units import format_size

_SECONDS = 300.0
_DRAIN_SECONDS = 5.0
_ENDINGS = extensions(OPTIONS.formats)


class Compare:
    """Compares what two paths name: two files, or two folders of which the first is the reference.

    Raises ConfigError if they are neither.
    """

    def __init__(self, first: str, second: str, limits: Limits) -> None:
        self.are_files = os.path.isfile(first) and os.path.isfile(second)
        for path in (first, second):
            if not os.path.exists(path):
                raise ConfigError(f"expected a file or a folder, got {path!r}, which is not there")
        if not self.are_files and not (os.path.isdir(first) and os.path.isdir(second)):
            raise ConfigError(f"expected two files or two folders, got {first!r} and {second!r}")
        self._paths = first, second
        places = map(os.path.dirname, map(os.path.abspath, self._paths))
        self._stores = [LocalStore(path) for path in (places if self.are_files else self._paths)]
        self._limits = limits
        self.found = Comparison()

    def run(self, stop: Stop) -> Comparison:
        """Compare all pairs; what cannot be compared is told, and the others go on."""
        pool = Pool(self._compared, self._limits.slots.total)
        for results in pool.run(self._pairs(), stop, _DRAIN_SECONDS):
            for result in results:
                if isinstance(result, Exception):
                    raise result
                self.found.add(result)
        return self.found

    def _pairs(self) -> Iterator[tuple[bytes, bytes]]:
        if self.are_files:
            first, second = (os.fsencode(os.path.basename(path)) for path in self._paths)
            yield first, second
            return
        for folder in self._stores[0].folders():
            yield from self._pairs_of(folder)
        for folder in self._stores[1].folders():
            if not self._stores[0].is_folder(folder.key):
                self._miss(self.found.only_second, folder.prefix, self._pictures(folder))

    def _pairs_of(self, folder: Folder) -> Iterator[tuple[bytes, bytes]]:
        """Give the pairs of one folder, and count what has no partner."""
        if folder.problem is not None:
            self.found.problems.add(Problem(to_text(folder.key), folder.problem.message))
        beside = next(iter(self._stores[1].folders(folder.key)), None)
        others = set(self._pictures(beside)) if beside and beside.key == folder.key else set()
        names = self._pictures(folder)
        partners = {name: partner(name, others) for name in names}
        for name, other in partners.items():
            if other is not None:
                yield folder.prefix + name, folder.prefix + other
        alone = [name for name, other in partners.items() if other is None]
        self._miss(self.found.only_first, folder.prefix, alone)
        rest = sorted(others.difference(filter(None, partners.values())))
        self._miss(self.found.only_second, folder.prefix, rest)

    def _miss(self, counted: Counted, prefix: bytes, names: list[bytes]) -> None:
        for name in names:
            counted.add(to_text(prefix + name))

    def _pictures(self, folder: Folder) -> list[bytes]:
        return [name for name in folder.names if is_picture(name, _ENDINGS)]

    def _compared(self, pair: tuple[bytes, bytes]) -> Row | Problem:
        key = to_text(pair[0])
        try:
            with self._opened(pair) as (opened, sizes, _):
                height, width = opened.first.shape[:2]
                look = round(opened.look(), 2)
                return Row(*(look, key, to_text(pair[1]), *sizes), width, height, opened.is_fitted)
        except (PictureError, Unlike) as error:
            return Problem(key, str(error))

    def shown(self, count: int, width: int, height: int, stop: Stop) -> list[Shown]:
        """Cut, of the worst pairs, the place of at most so many pixels where they differ most.

        What has changed since is left out.
        """
        made = []
        for row in self.found.worst[:count]:
            if stop.requested:
                break
            with suppress(PictureError, Unlike), self._opened(_keys(row)) as (opened, _, deadline):
                made.append(Shown(row, *opened.parts(width, height, deadline)))
        return made

    def difference(self) -> bytes:
        """Draw what differs in two files as a PNG, amplified. Raises ConfigError for folders."""
        if not self.are_files:
            raise ConfigError("--difference: expected two files to compare, got two folders")
        if not self.found.worst:
            problem = self.found.problems.some[0]
            raise ConfigError(f"--difference: expected two pictures that compare, got {problem}")
        with self._opened(_keys(self.found.worst[0])) as (opened, _, _):
            return opened.difference()

    @contextmanager
    def _opened(
        self, keys: tuple[bytes, bytes]
    ) -> Iterator[tuple[Pair, tuple[int, int], Deadline]]:
        """Have both pictures in memory for the length of a `with`; give their files' sizes too.

        Raises PictureError, Unlike and EnvironmentStop.
        """
        limits, stores = self._limits, zip(self._stores, keys, strict=True)
        opening = [(store, key, store.head(key).size) for store, key in stores]
        sizes = opening[0][2], opening[1][2]
        try:
            with limits.fetched.hold(sum(sizes)):
                first, second = (probe(store.get(key)[0], OPTIONS) for store, key, _ in opening)
                with (
                    limits.peak.hold(pair_bytes(first, second)),
                    limits.slots.hold(1),
                    Deadline(_SECONDS) as deadline,
                ):
                    yield Pair.of(first, second, deadline), sizes, deadline
        except OverBudget as over:
            raise PictureError(
                Stage.RESERVE,
                Reason.TOO_LARGE_FOR_MEMORY,
                f"expected a pair to take at most {format_size(over.total)} of memory, got one "
                "that takes more; compare it where there is more",
            ) from None
        except Expired:
            raise PictureError(
                Stage.CONVERT,
                Reason.TIMEOUT,
                f"expected to compare it within {_SECONDS:g} s, got no result",
            ) from None
        except VipsError:
            raise PictureError(
                Stage.CONVERT,
                Reason.CORRUPT,
                "expected two pictures, got one that cannot be decoded to its end; fetch the "
                "original again, or convert it anew",
            ) from None


def _keys(row: Row) -> tuple[bytes, bytes]:
    return from_text(row.key), from_text(row.other)


def partner(name: bytes, others: set[bytes]) -> bytes | None:
    """Find what was made of a picture: of its own name, or with `.webp` instead or added.

    Beside `photo.png`, `photo.jpg` has `photo.jpg.webp` (see `source.names`), so that comes first.
    """
    stem = os.path.splitext(name)[0]
    named = (name, name + b".webp", stem + b".webp")
    return next((other for other in named if other in others), None)
