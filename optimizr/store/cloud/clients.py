"""How obstore's and the SDKs' clients are set up: each request once, with a limit of its own.

Trying again is left to `patience`, which knows what other requests come to.
"""

from __future__ import annotations

import os
from datetime import timedelta
from typing import TYPE_CHECKING

from optimizr._version import __version__
from optimizr.errors import ConfigError
from optimizr.sections import StoreSettings

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig

CONNECT_SECONDS = 10.0
"""How long a connection may take."""
_BUNDLES = ("REQUESTS_CA_BUNDLE", "AWS_CA_BUNDLE")
"""Variables by which the SDKs are told of a private CA. obstore has none."""
ONCE: RetryConfig = {"max_retries": 0}


def client_options(settings: StoreSettings, endpoint: str | None) -> ClientConfig:
    """Give the options of an obstore client: plain HTTP only if the endpoint says so.

    Raises ConfigError if a private CA's certificates cannot be read.
    """
    options: ClientConfig = {
        "allow_http": (endpoint or "").startswith("http://"),
        "connect_timeout": timedelta(seconds=CONNECT_SECONDS),
        # Silence ends a request, not its length: a large picture may take its time.
        "read_timeout": settings.timeout,
        "timeout": timedelta(hours=1),
        "user_agent": f"optimizr/{__version__}",
    }
    named = {variable: path for variable in _BUNDLES if (path := os.environ.get(variable))}
    if named:
        options["root_certificate"] = "\n".join(_read(*entry) for entry in named.items())
    return options


def _read(variable: str, path: str) -> str:
    try:
        with open(path, encoding="ascii") as file:
            return file.read()
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"{variable}: expected a file of certificates (PEM), got {path!r} ({error})"
        ) from None
