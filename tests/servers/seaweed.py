"""SeaweedFS: an S3 with identities, conditional writes and presigned URLs."""

from __future__ import annotations

import json
import os
import shutil
import sys
import urllib.request
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tests.servers.shared import Command, Facts
from tests.watching import free_port

REGION = "us-east-1"
RIGHTS = {
    "admin": ["Admin", "Read", "Write", "List", "Tagging"],
    # The star takes in the buckets that `new_bucket` makes under these names.
    "reader": ["Read:pictures*", "List:pictures*"],
    "writer": ["Read:webps*", "Write:webps*", "List:webps*"],
}
_PORTS = ("master", "volume", "filer", "s3")


@dataclass(frozen=True, slots=True)
class S3:
    """An S3 as one identity sees it."""

    endpoint: str
    access_key: str
    secret_key: str
    client: Any
    """A boto3 client that retries nothing, so that a test sees each answer."""

    def new_bucket(self, name: str = "bucket") -> str:
        """Make a bucket and give its name: `name`, and what makes it nobody else's."""
        bucket = f"{name}-{uuid.uuid4().hex}"
        self.client.create_bucket(Bucket=bucket)
        return bucket

    def environment(self) -> dict[str, str]:
        """Give the variables by which a child process finds it."""
        return {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
        }


def connect(endpoint: str, access_key: str, secret_key: str) -> S3:
    """Give an S3 at an endpoint; also one behind a proxy, or with keys that are wrong."""
    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        region_name=REGION,
        config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
    )
    return S3(endpoint, access_key, secret_key, client)


def identity(facts: Facts, name: str) -> S3:
    """Give the S3 as `admin`, `reader` or `writer`."""
    return connect(facts["endpoint"], f"{name}-key", f"{name}-secret")


def program() -> str | None:
    """Find the program, which the package puts beside Python's."""
    beside = Path(sys.executable).with_name("weed")
    return str(beside) if beside.exists() else shutil.which("weed")


def command(home: Path) -> Command:
    """Tell how to start it with its data in a folder."""
    found = program()
    assert found is not None
    ports = {f"{part}.port{kind}": free_port() for part in _PORTS for kind in ("", ".grpc")}
    facts = {"endpoint": f"http://127.0.0.1:{ports['s3.port']}"}
    topology = f"http://127.0.0.1:{ports['master.port']}/dir/status"
    return Command(
        arguments=[found, "-logtostderr", "server", *_flags(home, ports)],
        environment={
            # Nothing else of whoever runs the tests: keys among the AWS_ variables would be let in.
            "PATH": os.defpath,
            "HOME": str(home),
            # By default each new bucket takes seven volumes.
            "WEED_MASTER_VOLUME_GROWTH_COPY_1": "1",
        },
        facts=facts,
        ready=lambda: _has_volumes(topology) and _takes_bytes(facts),
        litter=tuple(
            Path(f"/tmp/seaweedfs-{part}-grpc-{ports[f'{part}.port.grpc']}.sock") for part in _PORTS
        ),
    )


def _flags(home: Path, ports: dict[str, int]) -> list[str]:
    config = home / "identities.json"
    config.write_text(json.dumps({"identities": [_entry(name) for name in RIGHTS]}))
    data = home / "data"
    data.mkdir()
    return [
        f"-dir={data}",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        *(f"-{flag}={port}" for flag, port in ports.items()),
        "-master.telemetry=false",
        "-master.volumeSizeLimitMB=64",
        "-master.volumePreallocate=false",
        "-volume.max=10000",
        "-filer",
        f"-filer.localSocket={home / 'filer.sock'}",
        "-s3",
        f"-s3.config={config}",
        f"-s3.localSocket={home / 's3.sock'}",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
    ]


def _entry(name: str) -> dict[str, Any]:
    keys = {"accessKey": f"{name}-key", "secretKey": f"{name}-secret"}
    return {"name": name, "credentials": [keys], "actions": RIGHTS[name]}


def _has_volumes(topology: str) -> bool:
    """Tell whether a volume server has joined: a put that comes before is held up for seconds."""
    with urllib.request.urlopen(topology, timeout=10) as answer:
        return bool(json.load(answer)["Topology"]["DataCenters"])


def _takes_bytes(facts: Facts) -> bool:
    """Tell whether a bucket and an object can be made: it listens before it can do that."""
    s3 = identity(facts, "admin")
    try:
        s3.client.put_object(Bucket=s3.new_bucket("ready"), Key="ready", Body=b"ready")
    except (BotoCoreError, ClientError):
        return False
    finally:
        s3.client.close()
    return True
