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
        self._run_id = self._mark = ""
        if identity is not None and identity.attempt_id is not None:
            self._run_id = identity.run_id
            self._mark = f"{identity.run_id}/{identity.attempt_id}"

    def of(self, version: str, is_larger: bool) -> Label:
        """Label what is made from this version of a picture; a copy of it is no smaller."""
        return Label(version, self._makings[is_larger], self._mark)

    def vouch_for(self, label: Label, version: str) -> bool:
        """Tell whether an output was made from this version, as this run would make it."""
        return label.source == version and label.making in self._makings

    def are_resumed(self, label: Label) -> bool:
        """Tell whether an output was made by an earlier attempt at this very run."""
        run_id = label.attempt.partition("/")[0]
        return bool(self._run_id) and run_id == self._run_id and label.attempt != self._mark
