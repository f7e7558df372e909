"""Debian's RabbitMQ, on loopback alone, with what it needs of Erlang's."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pika
import trustme

from tests.servers.shared import Command
from tests.watching import free_port

# The one on the PATH is for root alone, and becomes another user.
_PROGRAM = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
# Nodes find each other through epmd, and RabbitMQ does not start without one, although this node is
# alone. It outlives the node unless it is told to end with it: exec keeps the process that is its
# parent, and that becomes the node.
_START = """
setpriv --pdeathsig KILL epmd &
exec "$0"
"""

RIGHTS = {"guest": (".*", ".*"), "reader": ("", ".*"), "writer": (".*", "")}
"""By user, who has its name as password too: what it may write to, and read."""


class Rabbit(NamedTuple):
    """Where it is."""

    url: str
    tls_url: str
    ca: str
    """The file of the CA that its certificate is of."""

    def as_user(self, name: str) -> str:
        """Give the URL with a user of RIGHTS."""
        return self.url.replace("//", f"//{name}:{name}@")

    @contextmanager
    def channel(self) -> Iterator[Any]:
        """Give a channel of a connection of its own."""
        at = urlsplit(self.url)
        parameters = pika.ConnectionParameters(at.hostname, at.port)
        with pika.BlockingConnection(parameters) as connection:
            yield connection.channel()

    def new_queue(self, kind: str) -> str:
        """Make a durable queue and give its name; `kind` is classic or quorum."""
        name = uuid.uuid4().hex
        with self.channel() as channel:
            channel.queue_declare(name, durable=True, arguments={"x-queue-type": kind})
        return name


def is_installed() -> bool:
    return _PROGRAM.exists() and shutil.which("setpriv") is not None


def _definitions() -> dict[str, Any]:
    """Give the users in RabbitMQ's form."""
    return {
        "vhosts": [{"name": "/"}],
        "users": [
            {"name": user, "password_hash": _hash(user), "tags": "administrator"} for user in RIGHTS
        ],
        "permissions": [
            {"user": user, "vhost": "/", "configure": ".*", "write": write, "read": read}
            for user, (write, read) in RIGHTS.items()
        ],
    }


def _hash(password: str) -> str:
    salt = b"salt"
    digest = hashlib.sha256(salt + password.encode()).digest()
    return base64.b64encode(salt + digest).decode()


def command(home: Path, port: int = 0, data: Path | None = None) -> Command:
    """Tell how to start it; with the port and the data of one that has ended, as that one."""
    port, epmd = port or free_port(), free_port()
    (home / "definitions.json").write_text(json.dumps(_definitions()))
    tls_port, ca = free_port(), trustme.CA()
    ca.cert_pem.write_to_path(home / "ca.pem")
    certificate = ca.issue_cert("127.0.0.1")
    certificate.cert_chain_pems[0].write_to_path(home / "certificate.pem")
    certificate.private_key_pem.write_to_path(home / "key.pem")
    (home / "rabbitmq.conf").write_text(
        f"load_definitions = {home / 'definitions.json'}\n"
        f"listeners.ssl.default = 127.0.0.1:{tls_port}\n"
        f"ssl_options.certfile = {home / 'certificate.pem'}\n"
        f"ssl_options.keyfile = {home / 'key.pem'}\n"
    )

    def ready() -> bool:
        # It takes seconds to start. Who tries to connect all the while may get that very port as
        # the connection's own, and the server cannot have it any more.
        return "completed with" in (home / "log").read_text(errors="replace")

    return Command(
        arguments=["/bin/sh", "-c", _START, str(_PROGRAM)],
        environment={
            "PATH": os.defpath,
            "HOME": str(home),  # of the cookie by which nodes know each other
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(epmd),
            "ERL_FLAGS": "-start_epmd false -kernel inet_dist_use_interface {127,0,0,1}",
            "ERL_CRASH_DUMP_SECONDS": "0",  # none is written where the tests were started
            "RUNNING_UNDER_SYSTEMD": "true",  # the script becomes the node, and is not its parent
            "RABBITMQ_CONF_ENV_FILE": os.devnull,
            "RABBITMQ_CONFIG_FILE": str(home / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(home / "none"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(home / "plugins"),
            "RABBITMQ_MNESIA_BASE": str(data or home / "data"),
            "RABBITMQ_LOG_BASE": str(home / "logs"),
            "RABBITMQ_NODENAME": f"optimizr-{port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(port),
            "RABBITMQ_DIST_PORT": str(free_port()),
        },
        facts={
            "url": f"amqp://127.0.0.1:{port}",
            "tls_url": f"amqps://127.0.0.1:{tls_port}",
            "ca": str(home / "ca.pem"),
        },
        ready=ready,
    )
