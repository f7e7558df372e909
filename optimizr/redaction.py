"""Nothing secret is told: URLs lose what lets somebody in, texts what is meant for exporters."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

_HIDDEN = "***"
_USERINFO = re.compile(r"[^\s/'\"@]*:[^\s'\"@]*@")
"""What stands before a host, with or without a scheme; a password may have a slash in it."""
_QUERY = re.compile(r"\?[^\s\"'=]*=[^\s\"']*")


def redact_url(text: str) -> str:
    """Take userinfo, query and fragment out of a URL; other text stays as it is.

    Whatever stands before the last `@` is taken for userinfo: a password may have any character.
    """
    scheme, found, rest = text.partition("://")
    if not found:
        return text
    try:
        parts = urlsplit(f"{scheme}://{rest.rpartition('@')[2]}")
    except ValueError:
        return f"{scheme}://"
    return urlunsplit((parts.scheme, parts.netloc, parts.path, "", ""))


def mask(text: str) -> str:
    """Hide what looks like userinfo in a value that is no URL, or not one that can be read."""
    return _USERINFO.sub(f"{_HIDDEN}@", text)


def mask_urls(text: str) -> str:
    """Hide userinfo and queries in a text of others that may have URLs in it, signed ones too."""
    return mask(_QUERY.sub(f"?{_HIDDEN}", text))


def exporter_secrets(environ: Mapping[str, str]) -> set[str]:
    """Give what the variables of OpenTelemetry's exporters hold that must not be told.

    Values of headers, as they are and decoded; userinfo and query of endpoints.
    """
    found: set[str] = set()
    for name, value in environ.items():
        if not name.startswith("OTEL_EXPORTER_OTLP_"):
            continue
        if name.endswith("HEADERS"):
            found.update(
                part for header in value.split(",") for part in re.split("[=:]", header)[1:]
            )
        elif name.endswith("ENDPOINT"):
            before, _, after = value.rpartition("@")
            found.add(before.rpartition("://")[2])
            found.add(after.partition("?")[2])
    found |= {unquote(secret) for secret in found}
    words = {word for secret in found for word in (secret, *secret.split())}
    return {word for word in words if len(word) > 2}


def scrub(text: str, secrets: Iterable[str]) -> str:
    """Hide these in a text, longer ones first."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, _HIDDEN)
    return text


def redact(value: Any) -> Any:
    """Redact each URL in plain JSON data."""
    if isinstance(value, dict):
        return {key: redact(item) for key, item in value.items()}
    if isinstance(value, list):
        return [redact(item) for item in value]
    return redact_url(value) if isinstance(value, str) else value
