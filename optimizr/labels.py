"""What outputs in a bucket are labelled with: written with each, and read by the next run."""

from __future__ import annotations

from optimizr.config import Settings
from optimizr.events import Identity
from optimizr.ledger.makings import names_of
from optimizr.store import Label


class Labels:
    """Those of one attempt at a run."""

    def __init__(self, settings: Settings, identity: Identity | None = None) -> None:
        self._makings = names_of(settings)  # by whether the WebP did not get smaller
        self._part = self._mark = ""
        if identity is not None and identity.attempt_id is not None:
            self._part = f"{identity.run_id}/{identity.shard or ''}"
            self._mark = f"{self._part}/{identity.attempt_id}"

    def of(self, version: str, is_larger: bool) -> Label:
        """Label what is made from this version of a picture; a copy of it is no smaller."""
        return Label(version, self._makings[is_larger], self._mark)

    def vouch_for(self, label: Label, version: str) -> bool:
        """Tell whether an output was made from this version, as this run would make it."""
        return label.source == version and label.making in self._makings

    def are_resumed(self, label: Label) -> bool:
        """Tell whether an output was made by an earlier attempt at this shard of this run."""
        part = label.attempt.rpartition("/")[0]
        return bool(part) and part == self._part and label.attempt != self._mark

    def tell_of_copy(self, label: Label) -> bool:
        """Tell whether what was made did not get smaller: then it may be the original itself."""
        return label.making == self._makings[True]
