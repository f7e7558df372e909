"""Which settings an output was made with, as a short name for telling them apart."""

from __future__ import annotations

import hashlib
import json

from optimizr.config import Settings


def making(settings: Settings) -> str:
    """Give the settings that decide an output's bytes, as canonical JSON.

    Defaults are left out, so that a version that adds a setting does not redo whole libraries.
    `picture.formats` decides which files are read, not what becomes of them.
    """
    made_with = {
        "webp": settings.webp.model_dump(mode="json", exclude_defaults=True),
        "picture": settings.picture.model_dump(
            mode="json", exclude={"formats"}, exclude_defaults=True
        ),
    }
    return json.dumps(made_with, sort_keys=True)


def fingerprint(made_with: str) -> str:
    """Give 16 hex digits of BLAKE2b of what `making` gave."""
    return hashlib.blake2b(made_with.encode(), digest_size=8).hexdigest()
