"""From a config file, the environment and the flags to Settings, and from mistakes to sentences.

pydantic-settings derives the flags from the model, so no second list of settings is kept here;
just the short names of a few.
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from argparse import Namespace
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import timedelta
from difflib import get_close_matches
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_settings import (
    BaseSettings,
    CliSettingsSource,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsError,
)

from optimizr.cli.parser import Parser
from optimizr.config import ENV_DELIMITER, ENV_PREFIX, CompletionIndex, Settings
from optimizr.errors import ConfigError
from optimizr.redaction import mask
from optimizr.sections import Section
from optimizr.units import format_seconds

SHORT_FLAGS = {
    "webp.quality": "quality",
    "webp.effort": "effort",
    "pool.workers": "workers",
    "pool.memory": "memory",
    "policy.naming": "naming",
    "log.format": "log-format",
}

_TYPE_NAMES = {"timedelta": "DURATION", "ByteSize": "SIZE", "str": "TEXT", "int": "N"}
"""What `--help` calls the types of values."""

_LOADERS: dict[str, Callable[[str], Any]] = {
    ".yaml": yaml.safe_load,
    ".yml": yaml.safe_load,
    ".toml": tomllib.loads,
    ".json": json.loads,
}

# Kubernetes sets these in every pod for a Service called optimizr; they are not meant for us.
_SERVICE_LINK = re.compile(r"_(SERVICE_HOST|SERVICE_PORT\w*|PORT(_\d+_\w+)?)$")


class Command:
    """The flags of a command that takes settings, and what comes out of them."""

    def __init__(self, name: str, description: str, switches: Mapping[str, str]) -> None:
        """`switches` are flags that are no settings, with what each does."""
        self.parser = Parser(prog=f"optimizr {name}", description=description)
        self.parser.add_argument(
            "config", nargs="?", metavar="CONFIG", help="settings as YAML, TOML or JSON"
        )
        for switch, meaning in switches.items():
            self.parser.add_argument(switch, action="store_true", help=meaning)
        self._flags = CliSettingsSource[Any](
            Settings,
            root_parser=self.parser,
            parse_args_method=Parser.parse_args,
            cli_kebab_case=True,
            cli_hide_none_type=True,
            cli_avoid_json=True,
            cli_shortcuts=SHORT_FLAGS,
        )
        self.parser.rename(_TYPE_NAMES)

    def parse(
        self, argv: list[str], defaults: Mapping[str, Any] | None = None
    ) -> tuple[Settings, Namespace]:
        """Give the settings, and the flags that are none. Raises ConfigError.

        `defaults` count where neither file nor environment nor flags give a setting.
        """
        args = self.parser.parse_args(argv)
        flags = self._flags(parsed_args=args)
        given = load_config(args.config) if args.config else {}
        _check_environment(os.environ)
        return _build(flags, {**(defaults or {}), **given}), args


def load_config(path: str) -> dict[str, Any]:
    """Read a config file, by its extension. Raises ConfigError."""
    suffix = os.path.splitext(path)[1].lower()
    if suffix not in _LOADERS:
        raise ConfigError(
            f"config: expected a file called *.yaml, *.toml or *.json, got {path!r}; "
            "folders of pictures go to --input"
        )
    try:
        with open(path, encoding="utf-8") as file:
            loaded = _LOADERS[suffix](file.read())
    except OSError as error:
        raise ConfigError(
            f"config: expected a file that can be read, got {path!r} ({error.strerror})"
        ) from None
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        flat = " ".join(str(error).split())
        raise ConfigError(f"config: expected {suffix[1:]} in {path!r}, got: {flat}") from None
    if loaded is not None and not isinstance(loaded, dict):
        raise ConfigError(
            f"config: expected settings by name in {path!r}, got a {type(loaded).__name__}"
        )
    odd = next((key for key in loaded or {} if not isinstance(key, str)), None)
    if odd is not None:
        raise ConfigError(f"config: expected settings by name in {path!r}, got the name {odd!r}")
    # `webp:` with all its keys commented out is null, and means nothing was set.
    return {key: value for key, value in (loaded or {}).items() if value is not None}


def setting_names(model: type[BaseModel] = Settings, prefix: str = "") -> Iterator[str]:
    """Yield the dotted name of each setting, as `webp.quality`."""
    for name, field in model.model_fields.items():
        section = field.annotation
        if isinstance(section, type) and issubclass(section, Section):
            yield from setting_names(section, f"{prefix}{name}.")
        else:
            yield prefix + name


def _build(flags: PydanticBaseSettingsSource, given: dict[str, Any]) -> Settings:
    class Given(Settings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic's signature
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
            file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return (
                *(flags, env_settings, InitSettingsSource(settings_cls, given)),
                CompletionIndex(settings_cls),
            )

    try:
        return Given()  # type: ignore[call-arg]
    except ValidationError as error:
        raise ConfigError(_sentence(error)) from None
    except SettingsError as error:  # a section given as a whole, and not as JSON
        flat = " ".join(str(error).split())
        raise ConfigError(f"expected settings by name, got: {flat}") from None


def _check_environment(environ: Mapping[str, str]) -> None:
    """Refuse variables that look like settings and are none: a typo must not go unnoticed.

    OPTIMIZR_VERSION and the like, which images and charts set for themselves, look like none.
    """
    names = list(setting_names())
    known = {_variable(name) for name in names} | {_variable(n.partition(".")[0]) for n in names}
    bare = {name.removeprefix(ENV_PREFIX): name for name in known}
    for variable in sorted(environ):
        upper = variable.upper()
        if not upper.startswith(ENV_PREFIX) or upper in known or _SERVICE_LINK.search(upper):
            continue
        near = get_close_matches(upper.removeprefix(ENV_PREFIX), bare, n=1, cutoff=0.75)
        if near or ENV_DELIMITER in upper:
            hint = f"did you mean {bare[near[0]]}?" if near else "see `optimizr schema`"
            raise ConfigError(f"environment: expected no variable {variable}; {hint}")


def _variable(name: str) -> str:
    return ENV_PREFIX + name.replace(".", ENV_DELIMITER).upper()


def _nearest(name: str, names: Iterable[str]) -> str:
    near = get_close_matches(name, list(names), n=1)
    return f"did you mean {near[0]}?" if near else ""


def _sentence(error: ValidationError) -> str:
    """Tell what pydantic found, a clause a setting; a setting with two types has one clause."""
    found: dict[str, list[Any]] = {}
    for detail in error.errors(include_url=False):
        found.setdefault(_setting_of(detail["loc"]), []).append(detail)
    return "; ".join(_clause(name, details) for name, details in found.items())


def _setting_of(loc: tuple[int | str, ...]) -> str:
    """Cut from a place in the model what pydantic adds for unions."""
    parts = [str(part) for part in loc]
    names = set(setting_names())
    for length in range(len(parts), 0, -1):
        if ".".join(parts[:length]) in names:
            return ".".join(parts[:length])
    return ".".join(parts)


def _clause(name: str, details: list[Any]) -> str:
    first = details[0]
    if first["type"] == "missing":
        return f"{name}: expected a value, got none; pass --{name}, or set it in the config file"
    if first["type"] == "extra_forbidden":
        hint = _nearest(name, setting_names()) or "see `optimizr schema`"
        if name in setting_names():
            hint = f"write it nested, as {name.replace('.', ': {')}: ...}}"
        return f"{name}: no such setting; {hint}"
    expected = " or ".join(dict.fromkeys(_expected(detail) for detail in details))
    return f"{name}: expected {expected}, got {_came(first['input'])}"


def _expected(detail: Any) -> str:
    text: str = detail["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    text = text.partition(", unable to parse")[0]
    if "instance of" in text:
        return "settings by name"
    # pydantic writes the bounds of durations as Python does.
    text = re.sub(r"datetime\.timedelta\(days=(\d+)\)", r"\1d", text).replace("0 seconds", "0s")
    text = re.sub(r"(\d+)000 microseconds", r"\1ms", text)
    what = "a duration" if text[-1] in "ds" else "a number"
    return f"{what} {text}" if text.startswith(("less", "greater")) else text


def _came(value: object) -> str:
    if isinstance(value, timedelta):
        return format_seconds(value.total_seconds())
    return mask(repr(value))
