"""Azure Blob Storage: credentials and listing by Azure's own libraries.

The account is named as Azure's own tools have it: by AZURE_STORAGE_CONNECTION_STRING, or by
AZURE_STORAGE_ACCOUNT_NAME with AZURE_STORAGE_ACCOUNT_KEY or AZURE_STORAGE_SAS_TOKEN, or with
whatever identity `DefaultAzureCredential` finds.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import quote

from azure.core.credentials import AzureNamedKeyCredential, AzureSasCredential
from azure.core.exceptions import (
    AzureError,
    DecodeError,
    HttpResponseError,
    IncompleteReadError,
)
from azure.identity import DefaultAzureCredential
from azure.storage.blob import (
    BlobSasPermissions,
    BlobServiceClient,
    ContainerClient,
    generate_blob_sas,
)
from obstore.auth.azure import AzureCredentialProvider
from obstore.store import AzureStore

from optimizr.sections import StoreSettings
from optimizr.store import Object
from optimizr.store.cloud.backend import Backend, Page
from optimizr.store.cloud.clients import CONNECT_SECONDS, ONCE, client_options
from optimizr.store.cloud.objects import Objects
from optimizr.store.cloud.refusals import NO_CREDENTIALS, Refusal
from optimizr.store.place import Place


class _Account(NamedTuple):
    """Whose storage, and by what right."""

    name: str
    endpoint: str
    credential: Any
    """For Azure's library."""
    right: dict[str, Any]
    """The same for obstore."""


def connect(place: Place, settings: StoreSettings) -> Backend:
    """Reach a container. Raises Refusal."""
    account = _account()
    client = ContainerClient(
        account.endpoint,
        place.bucket,
        credential=account.credential,
        connection_timeout=CONNECT_SECONDS,
        read_timeout=settings.timeout.total_seconds(),
        retry_total=0,
    )
    store = AzureStore(
        place.bucket,
        account_name=account.name,
        endpoint=account.endpoint,
        **account.right,
        client_options=client_options(settings, account.endpoint),
        retry_config=ONCE,
    )

    def page(prefix: str, token: str | None, most: int) -> Page:
        with _translated():
            pages: Any = client.list_blobs(
                name_starts_with=prefix or None, results_per_page=most
            ).by_page(token)
            blobs = next(pages, ())
            return Page([_object(blob) for blob in blobs], pages.continuation_token or None)

    def sign(paths: Sequence[str], span: timedelta) -> Sequence[str]:
        with _translated():
            return _signed(account, place.bucket, paths, span)

    return Backend(Objects(store), page, sign)


def _signed(
    account: _Account, container: str, paths: Sequence[str], span: timedelta
) -> Sequence[str]:
    """Sign by the account's key, or by one that Azure delegates to an identity.

    By Azure's own library: obstore's signatures are of names without their quoting undone, so those
    of names with a space are refused.
    """
    now = datetime.now(UTC)
    how: dict[str, Any] = {"permission": BlobSasPermissions(read=True), "expiry": now + span}
    if "account_key" in account.right:
        how["account_key"] = account.right["account_key"]
    elif "credential_provider" in account.right:
        service = BlobServiceClient(account.endpoint, account.credential)
        how["user_delegation_key"] = service.get_user_delegation_key(now, now + span)
    else:
        raise Refusal(403, "CredentialsCannotSign")  # a signature is no key
    return [
        f"{account.endpoint}/{container}/{quote(path)}?"
        + generate_blob_sas(account.name, container, path, **how)
        for path in paths
    ]


def _account() -> _Account:
    """Read the environment. Raises Refusal if it names no account."""
    said = dict(
        part.partition("=")[::2]
        for part in os.environ.get("AZURE_STORAGE_CONNECTION_STRING", "").split(";")
    )
    name = said.get("AccountName") or os.environ.get("AZURE_STORAGE_ACCOUNT_NAME")
    endpoint = said.get("BlobEndpoint")
    if endpoint is not None and name is None:
        name = endpoint.partition("://")[2].partition(".")[0]
    if not name:
        raise Refusal(401, NO_CREDENTIALS)
    if endpoint is None:
        scheme = said.get("DefaultEndpointsProtocol", "https")
        endpoint = f"{scheme}://{name}.blob.{said.get('EndpointSuffix', 'core.windows.net')}"
    endpoint = endpoint.rstrip("/")
    key = said.get("AccountKey") or os.environ.get("AZURE_STORAGE_ACCOUNT_KEY")
    if key:
        named = AzureNamedKeyCredential(name, key)
        return _Account(name, endpoint, named, {"account_key": key})
    sas = said.get("SharedAccessSignature") or os.environ.get("AZURE_STORAGE_SAS_TOKEN")
    if sas:
        token = sas.lstrip("?")
        return _Account(name, endpoint, AzureSasCredential(token), {"sas_key": token})
    found = DefaultAzureCredential()
    provider = AzureCredentialProvider(found)
    return _Account(name, endpoint, found, {"credential_provider": provider})


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
    except (DecodeError, IncompleteReadError) as error:  # a cut answer
        raise Refusal(None, type(error).__name__) from None
    except HttpResponseError as error:
        code = getattr(error, "error_code", None) or ""
        # Without a status, no identity was found.
        raise Refusal(error.status_code or 401, str(getattr(code, "value", code))) from None
    except AzureError as error:  # no connection, or none in time
        raise Refusal(None, type(error).__name__) from None
