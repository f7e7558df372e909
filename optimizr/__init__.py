"""optimizr turns whole picture libraries into WebP.

    Settings -> Source -> items -> Pool( fetch -> convert -> store ) -> events -> Summary

`run(Settings(input="pictures", output="webp"))` converts a tree and returns its Summary.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from optimizr._version import __version__

if TYPE_CHECKING:
    from optimizr.config import Settings
    from optimizr.pipeline import run
    from optimizr.summary import Summary

__all__ = ["Settings", "Summary", "__version__", "run"]

_HOMES = {
    "Settings": "optimizr.config",
    "Summary": "optimizr.summary",
    "run": "optimizr.pipeline",
}


def __getattr__(name: str) -> Any:
    """Import on first use: a program that only asks for the version loads no libvips."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
