"""argparse, but a mistake is a ConfigError of one sentence that names the nearest flag."""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any, NoReturn

from optimizr.errors import ConfigError


class Parser(argparse.ArgumentParser):
    """Flags may be written with dashes or underscores; they may not be shortened."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(allow_abbrev=False, **kwargs)

    def parse_args(  # type: ignore[override]
        self, args: Sequence[str], namespace: argparse.Namespace | None = None
    ) -> argparse.Namespace:
        """Parse all of `args`. Raises ConfigError for what is not known."""
        known, unknown = self.parse_known_args([_dashed(arg) for arg in args], namespace)
        if not unknown:
            return known
        flag = unknown[0].partition("=")[0]
        if not flag.startswith("-"):
            raise ConfigError(f"expected flags, got {flag!r}; see `{self.prog} --help`")
        flags = [name for name in self._option_string_actions if name.startswith("--")]
        near = get_close_matches(flag, flags, n=1)
        hint = f"did you mean {near[0]}?" if near else f"see `{self.prog} --help`"
        raise ConfigError(f"expected a flag of `{self.prog}`, got {flag!r}; {hint}")

    def rename(self, names: Mapping[str, str]) -> None:
        """Call the types in the help text by other names, and write durations as they are set."""
        for action in self._actions:
            if isinstance(action.metavar, str):
                words = re.split(r"(\w+)", action.metavar)
                action.metavar = "".join(names.get(word, word) for word in words)
            if action.help:
                action.help = re.sub(r"0:00:(\d\d)\)", r"\1s)", action.help)

    def error(self, message: str) -> NoReturn:
        """Take argparse's own complaints."""
        raise ConfigError(f"{message}; see `{self.prog} --help`")


def _dashed(arg: str) -> str:
    if not arg.startswith("--"):
        return arg
    name, equals, value = arg.partition("=")
    return name.replace("_", "-") + equals + value
