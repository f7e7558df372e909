"""A web server: pictures are read from it, one by its URL; nothing can be listed or written."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from obstore.store import HTTPStore

from optimizr.sections import StoreSettings
from optimizr.store.cloud.backend import Backend, Page
from optimizr.store.cloud.clients import ONCE, client_options
from optimizr.store.cloud.objects import Objects
from optimizr.store.cloud.refusals import Refusal
from optimizr.store.place import Place


def connect(place: Place, settings: StoreSettings) -> Backend:
    """Reach a server, or rather: get ready to."""
    root = place._replace(prefix="").url
    store = HTTPStore.from_url(
        root, client_options=client_options(settings, root), retry_config=ONCE
    )

    def page(_prefix: str, _token: str | None, _most: int) -> Page:
        raise Refusal(405, "a web server is not listed")

    def sign(_paths: Sequence[str], _span: timedelta) -> Sequence[str]:
        raise Refusal(405, "a web server signs nothing")

    return Backend(Objects(store), page, sign)
