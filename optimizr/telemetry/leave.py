"""Metrics of runs that are over before anybody scrapes them: left in a file, or at a gateway.

The run is over by then and its exit code stands: what cannot be left is a warning.
"""

from __future__ import annotations

import logging
import socket
import threading
from functools import partial
from http.client import HTTPException, InvalidURL
from urllib.parse import unquote, urlsplit

from prometheus_client import CollectorRegistry, push_to_gateway, write_to_textfile
from prometheus_client.exposition import basic_auth_handler

from optimizr.config import Settings
from optimizr.live import Live
from optimizr.redaction import redact_url

log = logging.getLogger("optimizr")

_PUSH_SECONDS = 10.0


def at_end(settings: Settings, live: Live, metrics: CollectorRegistry) -> None:
    """Leave the metrics of a run that has finished, be it early; of one that never began, none."""
    if not live.summary.finished_runs:
        return
    asked = settings.telemetry
    if asked.textfile:
        _write(asked.textfile, metrics)
    if asked.pushgateway:
        _push_in_time(asked.pushgateway, settings.shard.name, metrics)


def _write(path: str, metrics: CollectorRegistry) -> None:
    try:
        write_to_textfile(path, metrics)
    except OSError as error:
        log.warning(
            "telemetry.textfile: expected to write %r, got: %s; the run is not touched by it",
            path,
            error.strerror or error,
        )


def _push_in_time(url: str, shard: str, metrics: CollectorRegistry) -> None:
    """Push, but wait no longer than patience lasts: the timeout of a socket is for each read."""
    pushing = threading.Thread(target=_push, args=(url, shard, metrics), name="push", daemon=True)
    pushing.start()
    pushing.join(_PUSH_SECONDS + 1)
    if pushing.is_alive():
        _not_pushed(url, f"no whole answer within {_PUSH_SECONDS:.0f} s")


def _push(url: str, shard: str, metrics: CollectorRegistry) -> None:
    """Put the metrics in place of those that the run before has left there."""
    try:
        _put(url, {"instance": socket.gethostname()} | ({"shard": shard} if shard else {}), metrics)
    except (ValueError, InvalidURL):  # its text may have what is secret in the URL
        _not_pushed(url, "it is no URL that can be used")
    except (OSError, HTTPException) as error:
        _not_pushed(url, str(error))


def _put(url: str, group: dict[str, str], metrics: CollectorRegistry) -> None:
    parts = urlsplit(url)
    user = None if parts.username is None else unquote(parts.username)
    # urllib would take user and password for a part of the host: they belong into a header.
    push_to_gateway(
        parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl(),
        job="optimizr",
        registry=metrics,
        grouping_key=group,
        timeout=_PUSH_SECONDS,
        handler=partial(basic_auth_handler, username=user, password=unquote(parts.password or "")),
    )


def _not_pushed(url: str, what: str) -> None:
    log.warning(
        "telemetry.pushgateway: expected to push to %r, got: %s; the run is not touched by it",
        redact_url(url),
        what,
    )
