"""Google Cloud Storage: credentials and listing by Google's own library.

Versions are generations, which listing and reading both tell; their ETags differ.
`STORAGE_EMULATOR_HOST` names an emulator, as Google's libraries have it; it asks for no
credentials.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import google.auth
import requests
from google.api_core.exceptions import GoogleAPICallError
from google.auth.credentials import AnonymousCredentials, Signing
from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError
from google.auth.transport.requests import Request
from google.cloud.storage import Client
from obstore.auth.google import GoogleCredentialProvider
from obstore.store import GCSStore

from optimizr.sections import StoreSettings
from optimizr.store import Object
from optimizr.store.cloud.backend import Backend, Page
from optimizr.store.cloud.clients import CONNECT_SECONDS, ONCE, client_options
from optimizr.store.cloud.objects import Objects
from optimizr.store.cloud.refusals import NO_CREDENTIALS, Refusal
from optimizr.store.place import Place

if TYPE_CHECKING:
    from obstore.store import GCSCredential

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
    reached: dict[str, Any] = {"credential_provider": _nobody, "base_url": emulator}
    if emulator is None:
        reached = {"credential_provider": GoogleCredentialProvider(credentials)}
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

    def sign(paths: Sequence[str], span: timedelta) -> Sequence[str]:
        with _translated():
            return _signed(client.bucket(place.bucket), credentials, paths, span)

    return Backend(Objects(store, "version"), page, sign)


def _nobody() -> GCSCredential:
    """Give what an emulator does not look at."""
    return {"token": "", "expires_at": None}


def _signed(bucket: Any, credentials: Any, paths: Sequence[str], span: timedelta) -> Sequence[str]:
    """Sign by the key of a service account, or have Google do it for who has none (signBlob)."""
    how: dict[str, Any] = {"version": "v4", "expiration": span, "method": "GET"}
    if not isinstance(credentials, Signing):
        if not credentials.valid:
            credentials.refresh(Request())
        email = getattr(credentials, "service_account_email", None)
        how |= {"service_account_email": email, "access_token": credentials.token}
    return [bucket.blob(path).generate_signed_url(**how) for path in paths]


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
    except AttributeError:  # Google's own way to say that credentials cannot sign
        raise Refusal(403, "CredentialsCannotSign") from None
    except requests.RequestException as error:
        raise Refusal(None, type(error).__name__) from None
