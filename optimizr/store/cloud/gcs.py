"""Google Cloud Storage: credentials and listing by Google's own library.

Versions are generations, which listing and reading both tell; their ETags differ.
`STORAGE_EMULATOR_HOST` names an emulator, as Google's libraries have it; it asks for no
credentials.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import google.auth
import requests
from google.api_core.exceptions import GoogleAPICallError
from google.auth.credentials import AnonymousCredentials
from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError
from google.cloud.storage import Client
from obstore.auth.google import GoogleCredentialProvider
from obstore.store import GCSStore

from optimizr.sections import StoreSettings
from optimizr.store import Object
from optimizr.store.cloud.backend import NO_CREDENTIALS, Backend, Page, Refusal
from optimizr.store.cloud.clients import CONNECT_SECONDS, ONCE, client_options
from optimizr.store.cloud.objects import Objects
from optimizr.store.place import Place

_EMULATOR = "STORAGE_EMULATOR_HOST"
_SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"


def connect(place: Place, settings: StoreSettings) -> Backend:
    """Reach a bucket, with Google's default credentials. Raises Refusal."""
    emulator = os.environ.get(_EMULATOR)
    with _translated():
        credentials: Any = AnonymousCredentials()  # type: ignore[no-untyped-call]
        if emulator is None:
            credentials, _ = google.auth.default(scopes=[_SCOPE])
        client = Client(project="", credentials=credentials)
    reached: dict[str, Any] = {"credential_provider": None}
    if emulator is None:
        reached["credential_provider"] = GoogleCredentialProvider(credentials)
    else:
        reached = {"base_url": emulator, "skip_signature": True}
    store = GCSStore(
        place.bucket,
        **reached,
        client_options=client_options(settings, emulator),
        retry_config=ONCE,
    )
    patience = (CONNECT_SECONDS, settings.timeout.total_seconds())

    def page(prefix: str, token: str | None, most: int) -> Page:
        with _translated():
            listed = client.list_blobs(
                place.bucket,
                prefix=prefix,
                page_token=token,
                page_size=most,
                timeout=patience,
                retry=None,
                fields="items(name,size,generation,updated),nextPageToken",
            )
            blobs = next(listed.pages, ())
            return Page([_object(blob) for blob in blobs], listed.next_page_token)

    return Backend(Objects(store, "version"), page)


def _object(blob: Any) -> Object:
    return Object(
        blob.name.encode(), blob.size, str(blob.generation), int(blob.updated.timestamp() * 1e9)
    )


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except GoogleAPICallError as error:
        reasons = [detail.get("reason", "") for detail in error.errors]
        code = "NoSuchBucket" if error.code == 404 else "".join(reasons[:1])
        raise Refusal(int(error.code or 500), code) from None
    except DefaultCredentialsError:
        raise Refusal(401, NO_CREDENTIALS) from None
    except GoogleAuthError as error:
        raise Refusal(None if error.retryable else 401, type(error).__name__) from None
    except requests.RequestException as error:
        raise Refusal(None, type(error).__name__) from None
