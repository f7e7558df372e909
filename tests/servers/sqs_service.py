"""moto's server, with an SQS that does one thing at a time: `python -m tests.servers.sqs_service`.

moto has a thread for each request, and makes a queue's list of messages anew with each deletion,
without a lock. Of two deletions at once the one that ends last brings back what the other deleted,
and takes along what was sent meanwhile: of 2,000 messages that were sent while four workers took
them, one was lost now and then. SQS promises more, and what is tested here is that nothing is lost.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from moto.server import main
from moto.sqs.models import SQSBackend


def _one_at_a_time(method: Callable[..., Any]) -> Callable[..., Any]:
    """Hold the lock that moto sends with; whoever waits for messages lets go of it."""

    @functools.wraps(method)
    def locked(backend: SQSBackend, queue_name: str, *args: Any, **more: Any) -> Any:
        with backend.get_queue(queue_name)._messages_lock:
            return method(backend, queue_name, *args, **more)

    return locked


if __name__ == "__main__":
    for name in ("receive_message", "delete_message", "change_message_visibility"):
        setattr(SQSBackend, name, _one_at_a_time(getattr(SQSBackend, name)))
    main()
