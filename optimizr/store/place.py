"""What a URL of a store names: the kind of store, the bucket, and the part of it that is meant."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import unquote

from optimizr.errors import ConfigError, PictureError, Stage
from optimizr.store.addresses import path_of

BUCKETS = {"s3": "Amazon S3", "gs": "Google Cloud Storage", "az": "Azure Blob Storage"}
"""Schemes of stores that are listed and written to, with the services' names."""
WEB = ("http", "https")
MEMORY = "memory"
_BUCKET = re.compile(r"[\w.$-]+", re.ASCII)
_HOST = re.compile(r"([\w.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)


class Place(NamedTuple):
    """Where a store begins."""

    scheme: str
    bucket: str
    """Bucket or container; of the web, host and port."""
    prefix: str
    """What all keys begin with, without slashes at its ends; empty for the whole bucket."""

    @property
    def url(self) -> str:
        """Name it for people; no credential is ever part of it."""
        return f"{self.scheme}://{self.bucket}" + (f"/{self.prefix}" if self.prefix else "")

    def parent(self) -> tuple[Place, str]:
        """Give the place around it, and its own name there."""
        prefix, _, name = self.prefix.rpartition("/")
        return self._replace(prefix=prefix), name

    def contains(self, other: Place) -> bool:
        """Tell whether another place is the same or within."""
        same = self[:2] == other[:2]
        return same and f"{other.prefix}/".startswith(self.beginning)

    @property
    def beginning(self) -> str:
        """What the bucket's keys of this place begin with; what follows is the key in it."""
        return f"{self.prefix}/" if self.prefix else ""

    def beginnings(self, others: Iterable[Place]) -> tuple[bytes, ...]:
        """Give what keys in this place begin with that are in others, which are within it."""
        within = [other for other in others if self.contains(other) and other != self]
        return tuple(other.beginning[len(self.beginning) :].encode() for other in within)


def parse(setting: str, value: str) -> Place | None:
    """Read a URL; None for what is none, and so a path. Raises ConfigError."""
    match = _SCHEME.fullmatch(value)
    if match is None:
        return None
    scheme, rest = match[1].lower(), match[2]
    if scheme not in (*BUCKETS, *WEB, MEMORY):
        raise ConfigError(
            f"{setting}: expected a path, or a URL that begins with s3://, gs://, az:// or "
            f"https://, got one that begins with {scheme}://"
        )
    bucket, _, prefix = rest.partition("/")
    # What is wrong is not repeated: it may be a secret.
    if "@" in bucket or (":" in bucket and scheme not in WEB):
        raise ConfigError(
            f"{setting}: expected {scheme}://BUCKET/PREFIX, got a bucket with '@' or ':' in it; "
            "credentials come from the environment, access points go by their alias"
        )
    if scheme in WEB:
        return Place(scheme, *_check_web(setting, scheme, rest))
    if not bucket:
        raise ConfigError(f"{setting}: expected {scheme}://BUCKET/PREFIX, got one without a bucket")
    if _BUCKET.fullmatch(bucket) is None:
        raise ConfigError(
            f"{setting}: expected {scheme}://BUCKET/PREFIX, got a bucket's name with other "
            "characters than letters, digits, '.', '-', '_' and '$'"
        )
    return Place(scheme, bucket, _checked(setting, prefix.strip("/")))


def _check_web(setting: str, scheme: str, rest: str) -> tuple[str, str]:
    """Give host and path. The path of a URL is quoted; a key is not: a per cent sign is one."""
    if "?" in rest or "#" in rest:
        raise ConfigError(f"{setting}: expected a URL without a query, got one with a query")
    host, _, path = rest.partition("/")
    if _HOST.fullmatch(host) is None:
        raise ConfigError(f"{setting}: expected {scheme}://HOST:PORT/PATH, got another host")
    return host, _checked(setting, unquote(path))


def _checked(setting: str, prefix: str) -> str:
    """Give back what keys can begin with. Raises ConfigError if none can."""
    try:
        return prefix and path_of(prefix.encode("utf-8", "surrogateescape"), Stage.LIST)
    except (PictureError, UnicodeEncodeError):
        raise ConfigError(
            f"{setting}: expected what keys can begin with behind the bucket, got an empty "
            "segment, '.' or '..' between slashes, a control character, bytes that are no UTF-8, "
            "or more than a key can have"
        ) from None
