"""The command that runs the same again, from the settings that a run told."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from optimizr.config import Settings


def command(settings: Mapping[str, Any]) -> str:
    """Write it for a POSIX shell; what is as by default is left out.

    Settings that a run tells are redacted, so credentials in URLs are not among them.
    """
    flags = (f"--{name.replace('_', '-')}={_word(value)}" for name, value in changed(settings))
    return shlex.join(["optimizr", "run", *flags])


def changed(settings: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the settings, by dotted name, that are not as by default."""
    defaults = dict(flat(_defaults()))
    for name, value in flat(settings):
        if name not in defaults or value != defaults[name]:
            yield name, value


def flat(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield settings by dotted name."""
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _defaults() -> dict[str, Any]:
    """Give the defaults as a run tells its settings, whatever this process's environment says."""
    return {
        name: field.default.model_dump(mode="json")
        if isinstance(field.default, BaseModel)
        else field.default
        for name, field in Settings.model_fields.items()
        if not field.is_required()
    }


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
