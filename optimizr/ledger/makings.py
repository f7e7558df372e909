"""What outputs are made with: the settings that decide their bytes, and the encoder.

A row for each such combination, however many outputs: the ledger's items carry its number.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3

from optimizr.config import Settings


class Makings:
    """The rows, as one run sees them. The caller serialises what reaches the database."""

    def __init__(self, db: sqlite3.Connection, settings: Settings, encoder: str) -> None:
        self._db = db
        self._settings = made_with(settings)
        self._name = fingerprint(self._settings)
        self._if_larger = settings.policy.if_larger
        self._encoder = encoder
        self.read()

    def are_same(self, number: int) -> bool:
        """Tell whether a row is of the same settings as this run's, whatever the encoder."""
        return number in self._same

    def number(self, smaller: bool) -> int:
        """Give this run's row, made if need be.

        `policy.if_larger` belongs to it only where the WebP is not `smaller` than its original, so
        a change of that policy redoes no other picture.
        """
        policy = "" if smaller else self._if_larger
        if policy not in self._own:
            self._db.execute(
                "insert or ignore into makings(fingerprint, if_larger, encoder, settings) "
                "values(?,?,?,?)",
                (self._name, policy, self._encoder, self._settings),
            )
            self.read()
        return self._own[policy]

    def read(self) -> None:
        """Read the rows of this run's settings."""
        rows = self._db.execute(
            "select id, if_larger, encoder from makings "
            "where fingerprint = ? and if_larger in ('', ?)",
            (self._name, self._if_larger),
        ).fetchall()
        self._same: set[int] = {number for number, _, _ in rows}
        self._own: dict[str, int] = {
            policy: number for number, policy, made_by in rows if made_by == self._encoder
        }


def made_with(settings: Settings) -> str:
    """Give the settings that decide an output's bytes, as canonical JSON.

    Defaults are left out, so that a version that adds a setting does not redo whole libraries.
    `picture.formats` decides which files are read, not what becomes of them; and with
    `webp.effort auto` a budget is for this run, not for what was done before.
    """
    deciding = {
        "webp": settings.webp.model_dump(
            mode="json", exclude={"deadline", "cpu_per_image"}, exclude_defaults=True
        ),
        "picture": settings.picture.model_dump(
            mode="json", exclude={"formats"}, exclude_defaults=True
        ),
    }
    return json.dumps(deciding, sort_keys=True)


def names_of(settings: Settings) -> tuple[str, str]:
    """Name what outputs are made with, for labels: where a WebP got smaller, and where it did not.

    As in the ledger, `policy.if_larger` belongs to the second only.
    """
    name = fingerprint(made_with(settings))
    return name, f"{name}-{settings.policy.if_larger}"


def fingerprint(settings: str) -> str:
    """Give 16 hex digits of BLAKE2b of what `made_with` gave."""
    return hashlib.blake2b(settings.encode(), digest_size=8).hexdigest()
