"""How obstore's and the SDKs' clients are set up: each request once, with a limit of its own.

Trying again is left to `patience`, which knows what other requests come to.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from optimizr._version import __version__
from optimizr.sections import StoreSettings

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig

CONNECT_SECONDS = 10.0
"""How long a connection may take."""
ONCE: RetryConfig = {"max_retries": 0}


def client_options(settings: StoreSettings, endpoint: str | None) -> ClientConfig:
    """Give the options of an obstore client: plain HTTP only if the endpoint says so."""
    return {
        "allow_http": (endpoint or "").startswith("http://"),
        "connect_timeout": timedelta(seconds=CONNECT_SECONDS),
        # Silence ends a request, not its length: a large picture may take its time.
        "read_timeout": settings.timeout,
        "timeout": timedelta(hours=1),
        "user_agent": f"optimizr/{__version__}",
    }
