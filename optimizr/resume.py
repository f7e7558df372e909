"""What is still to be done: each item is looked up in the ledger before a worker gets it.

Looking up is quick and there may be millions that are up to date, so these never go through a
worker one by one: word of them is passed on in batches. What only the output itself can tell is
asked by a worker: a bucket takes its time to answer.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator

from optimizr.config import Settings
from optimizr.errors import PictureError, Reason, Stage
from optimizr.events import Event, ImageConverted, ImageSkipped
from optimizr.hooks import Checked
from optimizr.keys import to_text
from optimizr.labels import Labels
from optimizr.ledger.ledger import Known, Ledger
from optimizr.ledger.none import NoLedger
from optimizr.seals import Found, Seals
from optimizr.source import Item
from optimizr.store import Head, Label, Standing, Writer

Skips = list[ImageSkipped]
"""Word of items that need no worker."""

_MADE = ("larger_skipped", "larger_copied", "webp_copied")
"""Reasons of skips that have changed the output."""
_BATCH = 500
_BATCH_SECONDS = 0.1


class Resume:
    """Iterates over what is to be done: items, and batches of skips between them."""

    def __init__(
        self,
        items: Iterable[Item],
        ledger: Ledger | NoLedger,
        output: Writer,
        settings: Settings,
        force: bool = False,
        find: Callable[[bytes], Standing | None] | None = None,
        seals: Seals | None = None,
        head: Callable[[bytes], Head] | None = None,
        labels: Labels | None = None,
    ) -> None:
        """With `force`, nothing is up to date.

        `find` tells what stands in the output without waiting, or UNSURE; by default the output
        itself does. `seals` vouch for outputs that need not be asked. `head` asks the source's
        store about items that are unseen, if there are any.
        """
        self._head = head
        self._seals = seals
        self._items = items
        self._ledger = ledger
        self._output = output
        self._find = find or output.find
        self._overwrite = settings.policy.overwrite
        self._copies = settings.policy.if_larger == "copy"
        self._labels = labels or Labels(settings)
        self._force = force

    def __iter__(self) -> Iterator[Item | Skips]:
        skips: Skips = []
        due = 0.0
        for found in self._looked_up():
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

    def _looked_up(self) -> Iterator[Item | ImageSkipped]:
        if self._seals is None:
            yield from map(self._look_up, self._items)
            return
        for found in self._seals.stretches(map(self._listed, self._items)):
            item, standing = found.item, found.standing
            if found.is_sealed and standing is not None and not self._force:
                self._seals.add(item, standing.version)
                yield _skipped(item, "up_to_date", item.output, standing.size)
            else:
                yield item if item.problem is not None else self._allowed(found)

    def _listed(self, item: Item) -> Found:
        """Look up all that is wanted of a picture at once: listings are read on, not back."""
        standing = self._find(item.output)
        return Found(item, standing, standing is None and self._may_be_copied(item))

    def may_write(self, key: bytes, label: Label | None = None) -> bool:
        """Tell whether a key may be written, whatever stands there; False to leave it as it is.

        What carries the very `label` that it is to have is what was to be written: the answer to
        a request may be lost. Called by workers. Raises PictureError if something stands there that
        optimizr did not make.
        """
        standing = self._output.find(key)
        if standing is None or self._overwrite == "always":
            return True
        if label is not None and standing.label == label:
            return True
        if self._overwrite == "never":
            return False
        if not self._is_ours(key, standing):
            raise self._not_ours(key)
        return True

    def check(self, item: Item) -> Checked:
        """Ask about an item what was not asked in its source's turn.

        Called by workers; raises PictureError.
        """
        if item.is_unseen:
            item = self._seen(item)
            found = self._look_up(item)
            if isinstance(found, ImageSkipped):
                return item, found
            item = found
        return self._checked(item) if item.is_doubtful else (item, None)

    def again(self, item: Item, outcome: Event) -> Item:
        """See whether a message's picture is still what the output was made from.

        If it is not, what is newer may have come there first, by another message, and have been
        replaced. Called by workers.
        """
        is_made = isinstance(outcome, ImageConverted)
        is_made = is_made or (isinstance(outcome, ImageSkipped) and outcome.reason in _MADE)
        if not item.delivery or not is_made:
            return item
        try:
            is_outdated = self._seen(item).version != item.version
        except PictureError as error:
            is_outdated = error.reason is not Reason.NOT_FOUND  # what is gone changes no more
        return item._replace(is_outdated=is_outdated)

    def _seen(self, item: Item) -> Item:
        assert self._head is not None
        size, version = self._head(item.key)
        return item._replace(size=size, version=version, is_unseen=False)

    def _checked(self, item: Item) -> Checked:
        """Ask the output about an item that is doubtful."""
        standing = self._output.find(item.output)
        if standing is None:
            return self._check_copy(item._replace(is_new=True))
        if self._tells_of(standing, item):
            self.made(item, standing.version)
            return item, self._up_to_date(item, standing)
        if self._overwrite == "never":
            return item, _skipped(item, "output_exists", item.output, 0)
        ours = self._is_ours(item.output, standing)
        if not ours and self._overwrite == "changed":
            raise self._not_ours(item.output)
        return item._replace(replaces=ours), None

    def made(self, item: Item, version: str) -> None:
        """Take note that an output is up to date, and of its version. Called by workers."""
        if self._seals is not None:
            self._seals.add(item, version)

    def _check_copy(self, item: Item) -> Checked:
        """See whether a copy of the picture, by `if_larger: copy`, stands for it."""
        standing = self._output.find(item.key) if self._copies else None
        if standing is None or standing.label is None:
            return item, None
        if self._tells_of(standing, item):
            is_resumed = self._labels.are_resumed(standing.label)
            reason = "larger_copied" if is_resumed else "up_to_date"
            return item, _skipped(item, reason, item.key, 0)
        return item._replace(superseded=item.key), None

    def _tells_of(self, standing: Standing, item: Item) -> bool:
        """Tell whether an output says that it was made from this, by these settings."""
        label = standing.label
        if label is None or self._force:
            return False
        return self._labels.vouch_for(label, item.version)

    def _up_to_date(self, item: Item, standing: Standing) -> ImageSkipped:
        """Say since when an output is; a WebP that was copied as it is is told so once more."""
        label = standing.label
        if label is None or not self._labels.are_resumed(label):
            return _skipped(item, "up_to_date", item.output, standing.size)
        if self._labels.tell_of_copy(label) and standing.size == item.size:
            return _skipped(item, "webp_copied", item.output, 0)
        return _skipped(item, "resumed", item.output, standing.size)

    def _is_ours(self, key: bytes, standing: Standing) -> bool:
        """Tell whether optimizr made it: by its label, which a listing does not have.

        A ledger knows sizes only, and those of others may be the same.
        """
        if self._output.keeps_labels:
            return standing.label is not None
        return self._ledger.made(key, standing.size, standing.mtime_ns)

    def _look_up(self, item: Item) -> Item | ImageSkipped:
        if item.problem is not None or item.is_unseen:
            return item
        try:
            known = self._ledger.find(item.key)
            if known is not None and not self._force and self._is_up_to_date(item, known):
                self._ledger.settle(item.key)
                size = known.output_bytes if known.outcome == "converted" else 0
                return _skipped(item, self._why(known), known.output, size)
            return self._allowed(self._listed(self._with_copy(item, known)))
        except PictureError as problem:
            return item._replace(problem=problem)

    def _why(self, known: Known) -> str:
        """Say why an item is skipped: what an earlier attempt at this run did is told once more."""
        if not self._ledger.is_of_this_run(known):
            return "up_to_date"
        return "resumed" if known.outcome == "converted" else known.outcome

    def _is_up_to_date(self, item: Item, known: Known) -> bool:
        """Tell whether the item's output is there, by the name that it has today."""
        if not self._ledger.is_current(known, item.version):
            return False
        if known.output is None:
            return True  # by `if_larger: skip`, or the original stands there itself
        if known.output != (item.key if known.outcome == "larger_copied" else item.output):
            return False
        standing = self._find(known.output)
        return standing is not None and standing.size == known.output_bytes

    def _with_copy(self, item: Item, known: Known | None) -> Item:
        """Say which copy of the picture, by `if_larger: copy`, stands in the output."""
        if known is None or known.outcome != "larger_copied" or known.output is None:
            return item
        standing = self._find(known.output)
        if standing is None:
            return item
        made = self._ledger.made(known.output, standing.size, standing.mtime_ns)
        return item._replace(superseded=known.output) if made else item

    def _allowed(self, found: Found) -> Item | ImageSkipped:
        item, standing = found.item, found.standing
        if self._ledger.must_be_alone(item.key):
            item = item._replace(alone=True)
        if standing is None:
            return self._new(item, found.may_be_copied)
        ours = self._is_ours(item.output, standing)
        if self._output.keeps_labels and not ours:
            return item._replace(is_doubtful=True)
        if self._overwrite == "never":
            return _skipped(item, "output_exists", item.output, 0)
        if not ours and self._overwrite == "changed":
            raise self._not_ours(item.output)
        return item._replace(replaces=ours)

    def _may_be_copied(self, item: Item) -> bool:
        return self._copies and self._output.keeps_labels and self._find(item.key) is not None

    def _new(self, item: Item, may_be_copied: bool) -> Item:
        """Say that nothing stands for an item, unless a copy of it may."""
        if not self._output.keeps_labels:
            return item
        return item._replace(is_new=True, is_doubtful=may_be_copied)

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
