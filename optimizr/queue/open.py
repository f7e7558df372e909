"""From a URL to the queue that it names; what it needs is imported only now."""

from __future__ import annotations

from importlib import import_module

from optimizr.errors import ConfigError
from optimizr.queue import Queue
from optimizr.queue.address import parse
from optimizr.queue.memory import MemoryQueue
from optimizr.sections import QueueSettings

_MODULES = {
    "sqs": "sqs",
    "sqs+https": "sqs",
    "sqs+http": "sqs",
    "redis": "redis",
    "rediss": "redis",
    "pubsub": "pubsub",
    "amqp": "rabbitmq",
    "amqps": "rabbitmq",
}
"""By scheme, the module."""


def open_queue(setting: str, url: str, settings: QueueSettings) -> Queue:
    """Give a queue; nothing is asked of it yet. `setting` is what the URL was given as.

    Raises ConfigError if the URL is not of a known form, or what it needs is not installed.
    """
    address = parse(setting, url)
    lease = settings.lease.total_seconds()
    if address.scheme == "memqueue":
        return MemoryQueue(address.host, lease)
    try:
        module = import_module(f"optimizr.queue.services.{_MODULES[address.scheme]}")
    except ImportError as error:
        raise ConfigError(
            f"{setting}: expected what {address.scheme}:// needs to be installed, got: {error}; "
            "pip install 'optimizr[queue]'"
        ) from None
    queue: Queue = module.connect(address, lease)
    return queue
