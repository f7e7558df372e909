"""Nothing secret is told: URLs without what may let somebody in."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit, urlunsplit


def redact_url(text: str) -> str:
    """Take userinfo, query and fragment out of a URL; other text stays as it is."""
    if "://" not in text:
        return text
    try:
        parts = urlsplit(text)
    except ValueError:
        return text.partition("://")[0] + "://"
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "", ""))


def redact(value: Any) -> Any:
    """Redact each URL in plain JSON data."""
    if isinstance(value, dict):
        return {key: redact(item) for key, item in value.items()}
    if isinstance(value, list):
        return [redact(item) for item in value]
    return redact_url(value) if isinstance(value, str) else value
