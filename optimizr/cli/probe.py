"""`optimizr probe`: ask a run how it is, as a container's health check does every half minute.

It speaks to the socket itself: `http.client` would load TLS, which takes longer than all the rest.
"""

from __future__ import annotations

import os
import socket

from optimizr.cli.parser import Parser
from optimizr.cli.stdout import complain, write
from optimizr.errors import ConfigError, ExitCode

_VARIABLE = "OPTIMIZR_TELEMETRY__HTTP"
_DEFAULT = "127.0.0.1:9464"
_ANYWHERE = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}  # noqa: S104 - asked at, not listened at
"""Addresses of all interfaces, and where to ask instead."""
_TIMEOUT_SECONDS = 3
"""How long to wait for each step; less than the health check of the Dockerfile has."""
_LONGEST_BYTES = 1 << 16
"""More than a run's answer can be."""


def parser() -> Parser:
    """Give the command's flags."""
    parser = Parser(
        prog="optimizr probe",
        description="Ask a run that is under way for /health or /ready, and print what it says. "
        "The exit code is 0 if all is well, 1 if it is not or nobody answers.",
    )
    parser.add_argument(
        "what",
        nargs="?",
        default="health",
        choices=("health", "ready"),
        metavar="WHAT",
        help="health, if it is left out, or ready",
    )
    parser.add_argument(
        "--address",
        metavar="HOST:PORT",
        help=f"where the run serves; {_VARIABLE} if it is set, else {_DEFAULT}",
    )
    return parser


def main(argv: list[str]) -> int:
    """Print what the run answers, and say by the exit code whether that is good."""
    args = parser().parse_args(argv)
    address = args.address or os.environ.get(_VARIABLE) or _DEFAULT
    host, port = _place(address, "--address" if args.address else _VARIABLE)
    try:
        is_well, said = _ask(host, port, args.what)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        complain(
            f"expected a run to answer at {address}, got: {reason}; "
            "is it under way, with telemetry.http at this address?"
        )
        return ExitCode.FAILURES
    write(said.rstrip() + "\n")
    return ExitCode.DONE if is_well else ExitCode.FAILURES


def _place(address: str, where: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or not 1 <= int(port) <= 65535:
        raise ConfigError(
            f"{where}: expected HOST:PORT with a port from 1 to 65535, such as {_DEFAULT}, "
            f"got {address!r}"
        )
    return _ANYWHERE.get(host, host).strip("[]"), int(port)


def _ask(host: str, port: int, what: str) -> tuple[bool, str]:
    """Give whether the answer is good, and its text. Raises OSError; ValueError if it is none."""
    with socket.create_connection((host, port), _TIMEOUT_SECONDS) as connection:
        connection.sendall(f"GET /{what} HTTP/1.0\r\n\r\n".encode())
        with connection.makefile("rb") as file:
            answer = file.read(_LONGEST_BYTES)
    head, _, body = answer.partition(b"\r\n\r\n")
    protocol, _, status = head.partition(b" ")
    if not protocol.startswith(b"HTTP/"):
        raise ValueError("what is no HTTP")
    return status.startswith(b"200"), body.decode("utf-8", "backslashreplace")
