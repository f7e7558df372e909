"""What runs with another number of shards have done on the same output.

Their ledgers lie beside this run's. What they know of this run's pictures is taken over once, the
newer row winning, so that a run with another count goes on where they were.
"""

from __future__ import annotations

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
insert into claims select start_ns, end_ns from other.claims where start_ns > 0;
"""
_ABSORB_ALL_CLAIMS = "insert into claims select start_ns, end_ns from other.claims"
"""Of a ledger begun anew, all that was there before is claimed; for who forces it, here too."""


def absorb(
    ledger: Ledger,
    top: bytes,
    count: int | None,
    settings: Settings,
    is_mine: Callable[[bytes], bool],
    is_stopped: Callable[[], bool],
    force: bool = False,
) -> None:
    """Take over what ledgers of counts other than `count` know of the keys that are mine.

    With `force` one that cannot be used is begun anew, as this run's own would be. Raises
    ConfigError if one of them is held by a run, EnvironmentStop if one is unusable, and Cancelled
    if `is_stopped` while waiting for one.
    """
    for folder in _others(top, count):
        # Held also if nothing is new there: a run that is at work on it would be in our way.
        with Lock(_in(folder, LOCK_NAME), _pass, purpose="read", is_stopped=is_stopped) as lock:
            # Opened and closed, it has taken up what a killed run left: notes, and the WAL.
            with Ledger(folder, settings, encoder="", force=force, died=lock.died):
                pass
            path = _in(folder, LEDGER_NAME)
            stamp = _stamp(path)
            if not ledger.has_absorbed(folder, stamp):
                with ledger.attached(path) as db:
                    db.create_function("is_mine", 1, is_mine, deterministic=True)
                    for statement in _ABSORB.split(";")[:-1]:
                        db.execute(statement)
                    if force:
                        db.execute(_ABSORB_ALL_CLAIMS)
                ledger.note_absorbed(folder, _stamp(path))


def _others(top: bytes, count: int | None) -> Iterator[bytes]:
    """Yield the folders at or below `top` that hold ledgers of other counts; of all for None."""
    for name in sorted(os.listdir(top)):
        match = _SHARD_FOLDER.fullmatch(name)
        if match and int(match[1]) != count and has_ledger(os.path.join(top, name)):
            yield os.path.join(top, name)
    if count != 1 and has_ledger(top):
        yield top


def has_others(top: bytes, count: int | None) -> bool:
    """Tell whether there is a ledger of another count; of any for None."""
    return os.path.isdir(top) and next(_others(top, count), None) is not None


def has_ledger(folder: bytes) -> bool:
    """Tell whether there is a ledger in a folder."""
    return os.path.exists(_in(folder, LEDGER_NAME))


def _in(folder: bytes, name: bytes) -> bytes:
    return os.path.join(folder, name)


def _pass(_lost: EnvironmentStop) -> None:
    """Do nothing: reading takes moments, in which nobody takes over."""


def _stamp(path: bytes) -> str:
    status = os.stat(path)
    return f"{status.st_size}-{status.st_mtime_ns}"
