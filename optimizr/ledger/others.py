"""What runs with another number of shards have done on the same output.

Their ledgers lie beside this run's. What they know of this run's pictures is taken over once, the
newer row winning, so that a run with another count goes on where they were.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterator

from optimizr.config import Settings
from optimizr.errors import EnvironmentStop
from optimizr.ledger.ledger import LEDGER_NAME, Ledger
from optimizr.ledger.lock import LOCK_NAME, Lock

_SHARD_FOLDER = re.compile(rb"\d+-of-(\d+)")
_ABSORB = """
insert or ignore into makings(fingerprint, if_larger, encoder, settings)
    select fingerprint, if_larger, encoder, settings from other.makings;
insert into items
    select theirs.key, version, mine.id, output, input_bytes, output_bytes, outcome, attempts,
           failure, at_us
    from other.items as theirs
    join other.makings as made on made.id = theirs.making
    join main.makings as mine using (fingerprint, if_larger, encoder)
    where is_mine(theirs.key)
    on conflict(key) do update set
        version = excluded.version, making = excluded.making, output = excluded.output,
        input_bytes = excluded.input_bytes, output_bytes = excluded.output_bytes,
        outcome = excluded.outcome, attempts = excluded.attempts, failure = excluded.failure,
        at_us = excluded.at_us
    where excluded.at_us > items.at_us;
insert into outputs
    select output, key, size, at_us from other.outputs where is_mine(key)
    on conflict(output) do update set
        key = excluded.key, size = excluded.size, at_us = excluded.at_us
    where excluded.at_us > outputs.at_us;
insert or ignore into unfinished select key, output, runs from other.unfinished where is_mine(key);
insert into claims select start_ns, end_ns from other.claims;
"""


def absorb(
    ledger: Ledger, top: bytes, settings: Settings, is_mine: Callable[[bytes], bool]
) -> None:
    """Take over what ledgers of other counts below `top` know of the keys that are mine.

    Raises ConfigError if one of them is held by a run, EnvironmentStop if one is unusable.
    """
    for folder in _others(top, settings.shard.count):
        path = os.path.join(folder, LEDGER_NAME)
        if ledger.has_absorbed(folder, _stamp(path)):
            continue
        with _reading(folder, settings), ledger.attached(path) as db:
            db.create_function("is_mine", 1, is_mine, deterministic=True)
            for statement in _ABSORB.split(";")[:-1]:
                db.execute(statement)
        ledger.note_absorbed(folder, _stamp(path))


def _others(top: bytes, count: int) -> Iterator[bytes]:
    """Yield the folders that hold ledgers of other counts."""
    for name in sorted(os.listdir(top)):
        match = _SHARD_FOLDER.fullmatch(name)
        if match and int(match[1]) != count and _has_ledger(os.path.join(top, name)):
            yield os.path.join(top, name)
    if count != 1 and _has_ledger(top):
        yield top


def has_any(top: bytes) -> bool:
    """Tell whether there is a ledger, of whatever count."""
    return os.path.isdir(top) and (_has_ledger(top) or next(_others(top, 1), None) is not None)


def _has_ledger(folder: bytes) -> bool:
    return os.path.exists(os.path.join(folder, LEDGER_NAME))


def _pass(_lost: EnvironmentStop) -> None:
    """Do nothing: reading takes moments, in which nobody takes over."""


def _stamp(path: bytes) -> str:
    status = os.stat(path)
    return f"{status.st_size}-{status.st_mtime_ns}"


@contextlib.contextmanager
def _reading(folder: bytes, settings: Settings) -> Iterator[None]:
    """Hold another ledger, once it has taken up what its last run left behind."""
    with Lock(os.path.join(folder, LOCK_NAME), _pass, purpose="read") as lock:
        with Ledger(folder, settings, encoder="", died=lock.died):
            pass
        yield
