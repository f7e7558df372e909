"""Azure Blob Storage: credentials and listing by Azure's own libraries.

The account is named as Azure's own tools have it: by AZURE_STORAGE_CONNECTION_STRING, or by
AZURE_STORAGE_ACCOUNT_NAME with AZURE_STORAGE_ACCOUNT_KEY, or with whatever identity
`DefaultAzureCredential` finds.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from azure.core.credentials import AzureNamedKeyCredential
from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError
from azure.identity import DefaultAzureCredential
from azure.storage.blob import ContainerClient
from obstore.auth.azure import AzureCredentialProvider
from obstore.store import AzureStore

from optimizr.sections import StoreSettings
from optimizr.store import Object
from optimizr.store.cloud.backend import NO_CREDENTIALS, Backend, Page, Refusal
from optimizr.store.cloud.clients import CONNECT_SECONDS, ONCE, client_options
from optimizr.store.cloud.objects import Objects
from optimizr.store.place import Place


def connect(place: Place, settings: StoreSettings) -> Backend:
    """Reach a container. Raises Refusal."""
    with _translated():
        client = _client(place.bucket, settings)
        credential = client.credential
    reached: dict[str, Any] = {"credential_provider": AzureCredentialProvider(credential)}
    key = getattr(credential, "account_key", None)
    if key is not None:
        reached = {"account_key": key}
    endpoint = client.url.rpartition("/")[0]
    store = AzureStore(
        place.bucket,
        account_name=client.account_name,
        endpoint=endpoint,
        **reached,
        client_options=client_options(settings, endpoint),
        retry_config=ONCE,
    )

    def page(prefix: str, token: str | None, most: int) -> Page:
        with _translated():
            pages: Any = client.list_blobs(
                name_starts_with=prefix or None, results_per_page=most
            ).by_page(token)
            blobs = next(pages, ())
            return Page([_object(blob) for blob in blobs], pages.continuation_token or None)

    return Backend(Objects(store), page)


def _client(container: str, settings: StoreSettings) -> Any:
    options: dict[str, Any] = {
        "connection_timeout": CONNECT_SECONDS,
        "read_timeout": settings.timeout.total_seconds(),
        "retry_total": 0,
    }
    connection = os.environ.get("AZURE_STORAGE_CONNECTION_STRING")
    if connection:
        return ContainerClient.from_connection_string(connection, container, **options)
    account = os.environ.get("AZURE_STORAGE_ACCOUNT_NAME")
    if not account:
        raise Refusal(401, NO_CREDENTIALS)
    key = os.environ.get("AZURE_STORAGE_ACCOUNT_KEY")
    credential: Any = AzureNamedKeyCredential(account, key) if key else DefaultAzureCredential()
    url = f"https://{account}.blob.core.windows.net"
    return ContainerClient(url, container, credential=credential, **options)


def _object(blob: Any) -> Object:
    # Listing leaves out the quotes that headers have.
    return Object(
        blob.name.encode(),
        blob.size,
        f'"{blob.etag.strip(chr(34))}"',
        int(blob.last_modified.timestamp() * 1e9),
    )


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except HttpResponseError as error:
        code = getattr(error, "error_code", None) or ""
        raise Refusal(error.status_code, str(getattr(code, "value", code))) from None
    except ClientAuthenticationError as error:
        raise Refusal(401, type(error).__name__) from None
    except AzureError as error:  # no connection, or none in time
        raise Refusal(None, type(error).__name__) from None
    except ValueError:
        raise Refusal(401, NO_CREDENTIALS) from None
