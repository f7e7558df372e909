"""What is still to be done: each item is looked up in the ledger before a worker gets it.

Looking up is quick and there may be millions that are up to date, so these never go through a
worker one by one: word of them is passed on in batches.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

from optimizr.errors import PictureError, Reason, Stage
from optimizr.events import ImageSkipped
from optimizr.keys import to_text
from optimizr.ledger.ledger import Known, Ledger
from optimizr.source import Item
from optimizr.store import Writer
from optimizr.values import Overwrite

Skips = list[ImageSkipped]
"""Word of items that need no worker."""

_BATCH = 500
_BATCH_SECONDS = 0.1


class Resume:
    """Iterates over what is to be done: items, and batches of skips between them."""

    def __init__(
        self,
        items: Iterable[Item],
        ledger: Ledger,
        output: Writer,
        overwrite: Overwrite,
        force: bool = False,
    ) -> None:
        """With `force`, nothing is up to date."""
        self._items = items
        self._ledger = ledger
        self._output = output
        self._overwrite = overwrite
        self._force = force

    def __iter__(self) -> Iterator[Item | Skips]:
        skips: Skips = []
        due = 0.0
        for item in self._items:
            found = self._look_up(item)
            if isinstance(found, ImageSkipped):
                due = due if skips else time.monotonic() + _BATCH_SECONDS
                skips.append(found)
                if len(skips) < _BATCH and time.monotonic() < due:
                    continue
            if skips:
                yield skips
                skips = []
            if isinstance(found, Item):
                yield found
        if skips:
            yield skips

    def may_write(self, key: bytes) -> bool:
        """Tell whether a key may be written, whatever stands there; False to leave it as it is.

        Raises PictureError if something stands there that optimizr did not make.
        """
        standing = self._output.find(key)
        if standing is None or self._overwrite == "always":
            return True
        if self._overwrite == "never":
            return False
        if not self._ledger.made(key, *standing):
            raise self._not_ours(key)
        return True

    def _look_up(self, item: Item) -> Item | ImageSkipped:
        if item.problem is not None:
            return item
        try:
            known = self._ledger.find(item.key)
            if known is not None and not self._force and self._is_up_to_date(item, known):
                self._ledger.settle(item.key)
                size = known.output_bytes if known.outcome == "converted" else 0
                return _skipped(item, "up_to_date", known.output, size)
            return self._allowed(self._with_copy(item, known))
        except PictureError as problem:
            return item._replace(problem=problem)

    def _is_up_to_date(self, item: Item, known: Known) -> bool:
        """Tell whether the item's output is there, by the name that it has today."""
        if not self._ledger.is_current(known, item.version):
            return False
        if known.output is None:
            return True  # by `if_larger: skip`, or the original stands there itself
        if known.output != (item.key if known.outcome == "larger_copied" else item.output):
            return False
        standing = self._output.find(known.output)
        return standing is not None and standing.size == known.output_bytes

    def _with_copy(self, item: Item, known: Known | None) -> Item:
        """Say which copy of the picture, by `if_larger: copy`, stands in the output."""
        if known is None or known.outcome != "larger_copied" or known.output is None:
            return item
        standing = self._output.find(known.output)
        ours = standing is not None and self._ledger.made(known.output, *standing)
        return item._replace(superseded=known.output) if ours else item

    def _allowed(self, item: Item) -> Item | ImageSkipped:
        alone = self._ledger.must_be_alone(item.key)
        standing = self._output.find(item.output)
        if standing is None:
            return item._replace(alone=True) if alone else item
        if self._overwrite == "never":
            return _skipped(item, "output_exists", item.output, 0)
        ours = self._ledger.made(item.output, *standing)
        if not ours and self._overwrite == "changed":
            raise self._not_ours(item.output)
        return item._replace(alone=alone, replaces=ours)

    def _not_ours(self, key: bytes) -> PictureError:
        return PictureError(
            Stage.LIST,
            Reason.OUTPUT_NOT_OURS,
            f"expected nothing at {self._output.full_path(key)!r} or an output of optimizr, got a "
            "file that it did not make; move it away, or set policy.overwrite to always to replace "
            "it or to never to leave it",
        )


def _skipped(item: Item, reason: str, output: bytes | None, output_bytes: int) -> ImageSkipped:
    return ImageSkipped(
        key=to_text(item.key),
        reason=reason,
        input_bytes=item.size,
        output=None if output is None else to_text(output),
        output_bytes=output_bytes,
    )
