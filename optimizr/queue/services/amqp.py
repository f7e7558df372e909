"""How a RabbitMQ server is reached by pika, and what its refusals mean."""

from __future__ import annotations

import re
import ssl
from urllib.parse import urlsplit

import pika
from pika.adapters.utils.connection_workflow import AMQPConnectorException
from pika.exceptions import (
    AMQPError,
    AuthenticationError,
    ChannelClosed,
    ConnectionClosed,
    NackError,
    ProbableAccessDeniedError,
    ProbableAuthenticationError,
    UnroutableError,
)

from optimizr.queue import QueueRefused
from optimizr.queue.address import Address

ERRORS = (AMQPError, AMQPConnectorException, OSError)
"""What pika raises."""

_ANSWER_SECONDS = 10
_HEARTBEAT_SECONDS = 10
"""A server that is silent for so long and a few seconds more is given up."""
_FOR_NOW = ("down or inaccessible", "limit")
"""Of answers that may be others in a moment: a node restarts, there are too many connections."""
_CLOSED_WITH = re.compile(r"ClosedByBroker: \((\d+)\)")
_INTERRUPTED = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)


def parameters(address: Address) -> pika.ConnectionParameters:
    """Give what pika needs to connect, once, and in bounded time."""
    at = urlsplit(f"//{address.host}")
    host, is_secret = at.hostname or "", address.scheme == "amqps"
    default = pika.ConnectionParameters.DEFAULT_SSL_PORT if is_secret else None
    defaults = pika.ConnectionParameters()
    credentials = defaults.credentials
    if address.user is not None:
        credentials = pika.PlainCredentials(address.user, address.password or "")
    return pika.ConnectionParameters(
        host=host,
        port=at.port or default or defaults.port,
        virtual_host=address.path.partition("/")[0] if "/" in address.path else "/",
        credentials=credentials,
        ssl_options=pika.SSLOptions(ssl.create_default_context(), host) if is_secret else None,
        heartbeat=_HEARTBEAT_SECONDS,
        socket_timeout=_ANSWER_SECONDS,
        stack_timeout=_ANSWER_SECONDS,
        blocked_connection_timeout=_ANSWER_SECONDS,
        client_properties={"connection_name": "optimizr"},
    )


def refusal(error: BaseException) -> QueueRefused:
    """Tell what an error of ERRORS means. Its words are left out: they name users."""
    if isinstance(error, UnroutableError):
        return QueueRefused("no such queue", False, _NAME)
    if isinstance(error, NackError):
        return QueueRefused("the server does not take the message", is_passing=True)
    if isinstance(error, AuthenticationError):
        return QueueRefused("the credentials are refused", False, _CREDENTIALS)
    if isinstance(error, ssl.SSLError) and not isinstance(error, _INTERRUPTED):
        return QueueRefused(f"no TLS ({type(error).__name__})", False, _TLS)
    code = _code(error)
    if code is None or any(words in str(error) for words in _FOR_NOW):
        return QueueRefused(f"no answer ({type(error).__name__})", is_passing=True)
    if isinstance(error, ProbableAuthenticationError) and code == 403:
        return QueueRefused("the credentials are refused", False, _CREDENTIALS)
    if code in _LASTING:
        return QueueRefused(*_LASTING[code])
    return QueueRefused(f"the server answers {code}", is_passing=True)


def _code(error: BaseException) -> int | None:
    """Give what the server closed with, if it has said so: pika guesses while it connects."""
    if isinstance(error, (ChannelClosed, ConnectionClosed)):
        return error.reply_code  # type: ignore[no-any-return]
    if isinstance(error, (ProbableAuthenticationError, ProbableAccessDeniedError)):
        found = _CLOSED_WITH.search(str(error))
        return int(found[1]) if found else None
    return None


_NAME = "check its name and its virtual host; amqp:// makes no queue"
_CREDENTIALS = "see user and password in the URL"
_TLS = "see that the port is one of TLS, and that the server's certificate is trusted here"
_LASTING = {
    403: ("permission denied", False, "see what the user may do in the virtual host"),
    404: ("no such queue", False, _NAME),
    405: ("the queue is locked", False, "see that it is not exclusive to another connection"),
    530: ("the virtual host is refused", False, "see that it is there, and that the user may in"),
    540: ("not of such a queue", False, "see that it is a classic or a quorum queue, no stream"),
}
"""By code, what does not pass."""
