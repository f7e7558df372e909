"""The kinds of values that settings take, beside numbers, sizes and durations."""

from __future__ import annotations

import re
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator

Auto = Literal["auto"]
Naming = Literal["replace", "append"]
"""What becomes of a picture's extension."""
LogFormat = Literal["auto", "json", "console"]
LogLevel = Literal["debug", "info", "warning", "error"]
LogImages = Literal["all", "failed", "none"]
"""Which pictures that went well get a line of their own in the log."""


Mode = Literal["lossy", "lossless", "near_lossless", "auto"]
Preset = Literal["default", "picture", "photo", "drawing", "icon", "text"]
Color = Literal["srgb", "keep"]
Metadata = Literal["none", "keep"]
Format = Literal["jpeg", "png", "gif", "webp", "tiff", "heif", "avif"]
Unreachable = Literal["fail", "keep"]
IfLarger = Literal["keep", "skip", "copy"]
Overwrite = Literal["changed", "never", "always"]
Fsync = Literal["file", "batch", "none"]


def _check_path(value: str) -> str:
    if not value or "\0" in value:
        raise ValueError("a path")
    return value


Path = Annotated[str, AfterValidator(_check_path)]


def _check_address(value: str) -> str:
    host, _, port = value.rpartition(":")
    if not host or not port.isdecimal() or not 1 <= int(port) <= 65535:
        raise ValueError("HOST:PORT with a port from 1 to 65535, such as 0.0.0.0:9464")
    return value


def _check_url(value: str) -> str:
    expected = "a URL such as http://user:password@pushgateway:9091, with %2F for / and so on"
    try:
        parts = urlsplit(value)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        raise ValueError(expected) from None
    if not usable or "@" in parts.path + parts.query + parts.fragment:
        raise ValueError(expected)
    return value


Address = Annotated[str, AfterValidator(_check_address)]
Url = Annotated[str, AfterValidator(_check_url)]


def _check_header(value: str) -> str:
    if not value or not value.isascii() or not value.isprintable():
        raise ValueError("the value of an HTTP header, in printable ASCII")
    return value


HeaderValue = Annotated[str, AfterValidator(_check_header)]


def _check_run_id(value: str) -> str:
    """Take what Kubernetes names things by: it becomes part of files' names and of headers."""
    if not re.fullmatch("[A-Za-z0-9][A-Za-z0-9._-]{0,127}", value):
        raise ValueError("a name of letters, digits, dots, dashes and underscores, 128 at most")
    return value


RunId = Annotated[str, AfterValidator(_check_run_id)]
