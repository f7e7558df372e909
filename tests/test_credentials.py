"""How clouds are reached by what the environment says, and what their signatures are worth."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from azure.core.credentials import AzureNamedKeyCredential, AzureSasCredential
from azure.storage.blob import AccountSasPermissions, ResourceTypes, generate_account_sas
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.oauth2 import service_account

from optimizr.errors import ConfigError, EnvironmentStop
from optimizr.sections import PublishSettings, StoreSettings
from optimizr.store.bucket import BucketStore
from optimizr.store.cloud import azure as az
from optimizr.store.cloud import gcs
from optimizr.store.cloud.refusals import Refusal
from optimizr.store.open import open_place
from optimizr.store.place import parse
from tests.servers.azurite import ACCOUNT, KEY, Azure
from tests.servers.seaweed import S3

VARIABLES = (
    "AZURE_STORAGE_CONNECTION_STRING",
    "AZURE_STORAGE_ACCOUNT_NAME",
    "AZURE_STORAGE_ACCOUNT_KEY",
    "AZURE_STORAGE_SAS_TOKEN",
)


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)


@pytest.mark.parametrize(
    ("environment", "endpoint", "kind"),
    [
        (
            {"AZURE_STORAGE_ACCOUNT_NAME": "me", "AZURE_STORAGE_ACCOUNT_KEY": KEY},
            "https://me.blob.core.windows.net",
            AzureNamedKeyCredential,
        ),
        (
            {"AZURE_STORAGE_ACCOUNT_NAME": "me", "AZURE_STORAGE_SAS_TOKEN": "?sv=1&sig=x"},
            "https://me.blob.core.windows.net",
            AzureSasCredential,
        ),
        (
            {
                "AZURE_STORAGE_CONNECTION_STRING": f"AccountName=me;AccountKey={KEY};"
                "DefaultEndpointsProtocol=https;EndpointSuffix=core.chinacloudapi.cn"
            },
            "https://me.blob.core.chinacloudapi.cn",
            AzureNamedKeyCredential,
        ),
        (
            {
                "AZURE_STORAGE_CONNECTION_STRING": "BlobEndpoint=https://me.blob.example/;"
                "SharedAccessSignature=sv=1&sig=x"
            },
            "https://me.blob.example",
            AzureSasCredential,
        ),
    ],
)
def test_azures_account_is_read_from_its_own_variables(
    environment: dict[str, str], endpoint: str, kind: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    account = az._account()
    assert (account.name, account.endpoint) == ("me", endpoint)
    assert isinstance(account.credential, kind)


def test_without_an_account_azure_has_no_credentials() -> None:
    with pytest.raises(Refusal, match="no credentials are found"):
        az._account()
    with pytest.raises(ConfigError, match="no credentials are found"):
        opened("az://container").check("input")


def opened(url: str) -> BucketStore:
    place = parse("input", url)
    assert place is not None
    store = open_place(place, StoreSettings(), PublishSettings())
    assert isinstance(store, BucketStore)
    return store


@pytest.mark.long
def test_a_shared_access_signature_reads_and_writes(
    azure: Azure, monkeypatch: pytest.MonkeyPatch
) -> None:
    container = azure.new_container()
    token = generate_account_sas(
        account_name=ACCOUNT,
        account_key=KEY,
        resource_types=ResourceTypes(container=True, object=True),
        permission=AccountSasPermissions(read=True, write=True, list=True, delete=True),
        expiry=datetime.now(UTC) + timedelta(hours=1),
    )
    said = f"BlobEndpoint={azure.endpoint};AccountName={ACCOUNT};SharedAccessSignature={token}"
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", said)
    store = opened(f"az://{container}/at")
    store.prepare()
    store.put(b"a.webp", b"bytes")
    assert store.get(b"a.webp")[0] == b"bytes"
    assert [found.key for found in store.objects()] == [b"a.webp"]
    with pytest.raises(EnvironmentStop, match="CredentialsCannotSign"):
        store.sign([b"a.webp"], timedelta(hours=1))


def test_azures_signed_urls_let_anybody_read(azure: Azure, monkeypatch: pytest.MonkeyPatch) -> None:
    container = azure.new_container()
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", azure.connection_string())
    store = opened(f"az://{container}")
    let_anybody_read(store)


def test_s3s_signed_urls_let_anybody_read(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, value in s3.environment().items():
        monkeypatch.setenv(variable, value)
    let_anybody_read(opened(f"s3://{s3.new_bucket()}"))


def let_anybody_read(store: BucketStore) -> None:
    """Hold that signed URLs of all kinds of names are good, and unsigned ones are not."""
    keys = [name.encode() for name in ("a.webp", "d/a b.webp", "ü 100%.webp", "a+b#c?.webp")]
    for key in keys:
        store.put(key, key)
    urls = store.sign(keys, timedelta(hours=1))
    assert [fetched(url) for url in urls] == keys
    with pytest.raises(urllib.error.HTTPError) as refused:
        fetched(urls[0].partition("?")[0])
    refused.value.close()


def fetched(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=10) as answer:
        data: bytes = answer.read()
    return data


@pytest.fixture(scope="module")
def key_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A service account's key, of nobody."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path = tmp_path_factory.mktemp("key") / "key.json"
    account = {
        "type": "service_account",
        "project_id": "p",
        "private_key_id": "1",
        "private_key": pem.decode(),
        "client_email": "nobody@p.iam.gserviceaccount.com",
        "token_uri": "https://oauth2.googleapis.com/token",
    }
    path.write_text(json.dumps(account))
    return path


def test_a_service_accounts_key_signs_on_this_machine(
    key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("STORAGE_EMULATOR_HOST", raising=False)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key_file))
    urls = opened("gs://bucket/at").sign([b"a b.webp", b"c.webp"], timedelta(days=7))
    parts = urlsplit(urls[0])
    assert (parts.hostname, parts.path) == ("storage.googleapis.com", "/bucket/at/a%20b.webp")
    said = parse_qs(parts.query)
    assert said["X-Goog-Expires"] == ["604800"]
    assert said["X-Goog-Credential"][0].startswith("nobody@p.iam.gserviceaccount.com/")
    assert len(said["X-Goog-Signature"][0]) == 512
    assert urls[1] != urls[0]


def test_googles_credentials_without_a_key_have_it_signed_by_iam(
    key_file: Path,
) -> None:
    asked: list[dict[str, Any]] = []

    class Blob:
        def generate_signed_url(self, **how: Any) -> str:
            asked.append(how)
            return "https://signed"

    class Bucket:
        def blob(self, _path: str) -> Blob:
            return Blob()

    class Machine:
        """Credentials of a machine: a token, and whose it is."""

        valid = False
        token = None
        service_account_email = "vm@p.iam.gserviceaccount.com"

        def refresh(self, _request: object) -> None:
            self.token, self.valid = "a token", True

    span = timedelta(hours=1)
    assert gcs._signed(Bucket(), Machine(), ["a", "b"], span) == ["https://signed"] * 2
    assert {how["access_token"] for how in asked} == {"a token"}
    assert {how["service_account_email"] for how in asked} == {"vm@p.iam.gserviceaccount.com"}
    asked.clear()
    key: Any = service_account.Credentials.from_service_account_file(str(key_file))  # type: ignore[no-untyped-call]
    gcs._signed(Bucket(), key, ["a"], span)
    assert "access_token" not in asked[0]


def test_without_googles_credentials_it_is_said_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("STORAGE_EMULATOR_HOST", "GOOGLE_APPLICATION_CREDENTIALS"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    with pytest.raises(ConfigError, match="no credentials are found"):
        opened("gs://bucket").check("input")
