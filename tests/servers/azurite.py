"""Azurite: Azure Blob Storage in memory."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import shutil
import urllib.parse
import urllib.request
import uuid
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path

from docs.generate import ROOT
from tests.servers.shared import Command
from tests.watching import free_port

ACCOUNT = "devstoreaccount1"
# Published: every emulator of Azure's storage has this account with this key.
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
_PROGRAM = ROOT / "build/azurite/node_modules/.bin/azurite-blob"


@dataclass(frozen=True, slots=True)
class Azure:
    """An Azure Blob Storage with one account."""

    endpoint: str
    """With the account, as clients want it: http://host:port/account."""

    def new_container(self, name: str = "container") -> str:
        """Make a container and give its name: `name`, and what makes it nobody else's."""
        container = f"{name}-{uuid.uuid4().hex}"
        self.ask("PUT", f"/{container}?restype=container")
        return container

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> bytes:
        """Ask its REST API, signed by the account's key. Raises urllib.error.HTTPError.

        A header `x_ms_blob_type` is sent as `x-ms-blob-type`.
        """
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        sent |= {"x-ms-date": formatdate(usegmt=True), "x-ms-version": "2021-08-06"}
        signed = "\n".join(
            # Twelve headers of HTTP come first, of which only these two are ever sent here.
            [method, "", "", str(len(body) or ""), "", "application/octet-stream" if body else ""]
            + [""] * 6
            + [f"{name}:{sent[name]}" for name in sorted(sent)]
            + _resource(f"{self.endpoint}{path}")
        )
        mac = hmac.digest(base64.b64decode(KEY), signed.encode(), hashlib.sha256)
        sent["Authorization"] = f"SharedKey {ACCOUNT}:{base64.b64encode(mac).decode()}"
        if body:
            sent["Content-Type"] = "application/octet-stream"
        request = urllib.request.Request(
            f"{self.endpoint}{path}", body or None, headers=sent, method=method
        )
        if not body and method == "PUT":
            request.add_header("Content-Length", "0")
        with urllib.request.urlopen(request, timeout=10) as answer:
            got: bytes = answer.read()
        return got

    def connection_string(self) -> str:
        """Give all that a client needs to know, in Azure's form."""
        return (
            f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};"
            f"BlobEndpoint={self.endpoint};"
        )

    def environment(self) -> dict[str, str]:
        """Give the variables by which a child process finds it."""
        return {"AZURE_STORAGE_CONNECTION_STRING": self.connection_string()}


def _resource(url: str) -> list[str]:
    """Give the lines of a signature that stand for what is asked for."""
    parts = urllib.parse.urlsplit(url)
    query = sorted(urllib.parse.parse_qsl(parts.query))
    return [f"/{ACCOUNT}{parts.path}", *(f"{name}:{value}" for name, value in query)]


def program() -> str | None:
    """Find the program, where there is a node that can run it."""
    return str(_PROGRAM) if _PROGRAM.exists() and shutil.which("node") else None


def command(home: Path) -> Command:
    """Tell how to start it; it keeps all in memory."""
    found, node = program(), shutil.which("node")
    assert found is not None
    assert node is not None
    port = free_port()
    url = f"http://127.0.0.1:{port}/{ACCOUNT}"
    flags = ["--blobHost", "127.0.0.1", "--blobPort", str(port)]
    flags += ["--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry", "--silent"]
    return Command(
        arguments=[node, found, *flags],
        environment={"PATH": os.environ["PATH"], "HOME": str(home)},
        facts={"endpoint": url},
        ready=lambda: Azure(url).ask("GET", "?comp=list"),
    )
