"""What a URL of a queue names: the service, where it is, and the queue there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from optimizr.errors import ConfigError

FORMS = {
    "sqs": "sqs://NAME",
    "sqs+https": "sqs+https://HOST/ACCOUNT/NAME",
    "sqs+http": "sqs+http://HOST:PORT/ACCOUNT/NAME",
    "redis": "redis://HOST:PORT/0?stream=STREAM&group=GROUP",
    "rediss": "rediss://HOST:PORT/0?stream=STREAM&group=GROUP",
    "pubsub": "pubsub://PROJECT/SUBSCRIPTION",
    "amqp": "amqp://HOST:PORT/QUEUE",
    "amqps": "amqps://HOST:PORT/QUEUE",
    "memqueue": "memqueue://NAME",
}
"""By scheme, how a URL of it looks."""


class Address(NamedTuple):
    """Where a queue is."""

    scheme: str
    host: str
    """With its port if one is given, without userinfo; empty where the service is known by itself.
    """
    path: str
    """What follows the host, decoded, without slashes at its ends."""
    user: str | None = None
    password: str | None = None
    query: Mapping[str, str] = {}

    @property
    def name(self) -> str:
        """Name it for people; no credential is ever part of it."""
        stream = f"?stream={self.query['stream']}" if "stream" in self.query else ""
        return f"{self.scheme}://{self.host}" + (f"/{self.path}" if self.path else "") + stream


def is_queue(value: str) -> bool:
    """Tell whether a value begins as the URL of a queue does."""
    scheme, found, _ = value.partition("://")
    return bool(found) and scheme.lower() in FORMS


def parse(setting: str, value: str) -> Address:
    """Read a URL that `is_queue`. Raises ConfigError."""
    scheme = value.partition("://")[0].lower()
    try:
        parts = urlsplit(value)
        query = dict(
            parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
        )
        address = Address(
            scheme,
            _host(parts),
            unquote(parts.path).strip("/"),
            None if parts.username is None else unquote(parts.username),
            None if parts.password is None else unquote(parts.password),
            query,
        )
    except ValueError:
        raise _other(setting, scheme) from None
    if not address.host or parts.fragment or not _fits(address):
        raise _other(setting, scheme)
    return address


def _host(parts: SplitResult) -> str:
    """Give host and port. Raises ValueError for a port that is none."""
    if parts.hostname is None:
        return ""
    _ = parts.port
    return parts.netloc.rpartition("@")[2]


def _fits(address: Address) -> bool:
    """Tell whether it has what its scheme needs and nothing else."""
    scheme, host, path, user, _, query = address
    if scheme in ("redis", "rediss"):
        is_database = not path or path.isdecimal()
        return is_database and set(query) == {"stream", "group"} and all(query.values())
    if query:
        return False
    if scheme in ("amqp", "amqps"):
        return bool(path)
    if user is not None:
        return False  # their credentials are found elsewhere
    if scheme == "pubsub":
        return bool(path) and "/" not in path
    if scheme.startswith("sqs+"):
        return bool(path)
    return not path and ":" not in host


def _other(setting: str, scheme: str) -> ConfigError:
    # What is wrong is not repeated: it may be a secret.
    return ConfigError(f"{setting}: expected {FORMS[scheme]}, got another URL; see docs/queues.md")
