"""The ledger's file: SQLite, opened so that it needs no shared memory, and its errors in our words.

One connection, `locking_mode=EXCLUSIVE` before WAL: then SQLite keeps the WAL's index in the
process's own memory, so the file may lie on a network volume
(https://www.sqlite.org/wal.html#noshm). `synchronous=NORMAL`: a commit is safe from kill -9 at
once, and from a power cut once the WAL is checkpointed.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import struct
import time
from collections.abc import Iterator

from optimizr.errors import EnvironmentStop, stopped_by
from optimizr.keys import to_text

SCHEMA = 1
_APPLICATION_ID = 0x6F70746D  # "optm"

_TABLES = """
create table makings(
    -- what outputs were made with; few, however many outputs
    id integer primary key,
    fingerprint text not null,
    if_larger text not null,  -- empty where it did not matter
    encoder text not null,
    settings text not null,
    unique (fingerprint, if_larger, encoder)
);
create table items(
    -- the newest outcome of each picture
    key blob primary key,
    version text not null,  -- of the source
    making integer not null,
    output blob,
    input_bytes integer not null,
    output_bytes integer not null,
    outcome text not null,  -- 'converted', or the reason of a skip or failure
    attempts integer not null,  -- of a failure
    failure text,  -- its line of failed.jsonl
    at_us integer not null  -- microseconds since 1970
) without rowid;
create index failures on items(key) where failure is not null;
create table outputs(
    -- each file in the output that is ours
    output blob primary key,
    key blob not null,
    size integer not null,
    at_us integer not null
) without rowid;
create table unfinished(
    -- what killed runs were at, and how many runs on end
    key blob primary key,
    output blob not null,
    runs integer not null
) without rowid;
create table claims(
    -- when runs wrote files whose machine died, in nanoseconds: of these the ledger may have lost
    start_ns integer not null,
    end_ns integer not null
);
create table absorbed(
    -- ledgers of other shards whose rows are in this one, and how they were then
    folder blob primary key,
    stamp text not null
) without rowid;
"""

RUN_TABLE = """
create table if not exists run(
    -- the run that wrote here last, and since when, in microseconds since 1970
    run_id text primary key,
    since_us integer not null
) without rowid
"""
"""Made by the first run that notes its name: ledgers of earlier versions do without it."""

_UNUSABLE = "ledger_unusable"
_SIDE_FILES = (b"-wal", b"-shm", b"-journal")

_BUSY = 5
_DISK_FULL = 13
_READ_ONLY = 8
_IO_ERROR = 10
_CORRUPT = 11
_NOT_A_DATABASE = 26
"""SQLite's primary result codes: https://www.sqlite.org/rescode.html"""


def open_database(path: bytes, anew: bool) -> sqlite3.Connection:
    """Open the ledger, or make it. Raises EnvironmentStop if it cannot be used.

    With `anew` it is looked through first, and if it cannot be used it is moved aside: then nobody
    knows what is ours, so the new one claims all files that are there by then. Never unasked.
    """
    if not os.path.exists(path):
        _create(path)
    try:
        with translated(path):
            return _open(path, thoroughly=anew)
    except EnvironmentStop as stop:
        if not anew or stop.cause != _UNUSABLE:
            raise
    _create(path, claim_all=True)
    with translated(path):
        return _open(path)


@contextlib.contextmanager
def translated(path: bytes) -> Iterator[None]:
    """Raise EnvironmentStop for what SQLite raises in a `with`."""
    try:
        yield
    except sqlite3.Error as error:
        raise stop_of(path, error) from None


@contextlib.contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """Commit what a `with` does, all of it or nothing."""
    db.execute("begin")
    try:
        yield
        db.execute("commit")
    except BaseException:
        if db.in_transaction:
            db.execute("rollback")
        raise


def _create(path: bytes, claim_all: bool = False) -> None:
    """Make an empty ledger, under another name first: one cut short is never taken for it.

    One that is there already is kept under another name, for whoever wants to look at it.
    """
    new = path + b".new"
    with translated(path):
        try:
            _discard(new)
            with contextlib.closing(_connect(new)) as db:
                db.execute("pragma journal_mode=wal")
                db.executescript(f"begin;{_TABLES}commit;")
                db.execute(f"pragma application_id={_APPLICATION_ID}")
                db.execute(f"pragma user_version={SCHEMA}")
                if claim_all:
                    now = os.stat(new).st_mtime_ns  # by the file system's clock
                    db.execute("insert into claims values(0,?)", (now,))
            if os.path.exists(path):
                _keep(path, path + f".unusable-{time.time_ns()}".encode())
            for suffix in _SIDE_FILES:  # of a ledger that is gone; SQLite would replay it
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(path + suffix)
            os.replace(new, path)
        except OSError as error:
            raise stopped_by(error, "ledger_unusable", "to make a ledger") from None


def _open(path: bytes, thoroughly: bool = False) -> sqlite3.Connection:
    _check_whole(path)
    db = _connect(path)
    try:
        (application,) = db.execute("pragma application_id").fetchone()
        (schema,) = db.execute("pragma user_version").fetchone()
        if application != _APPLICATION_ID or schema != SCHEMA:
            whose = (
                f"of schema {schema}" if application == _APPLICATION_ID else "of another program"
            )
            raise _unusable(path, f"one {whose}")
        db.execute("pragma journal_mode=wal")
        db.execute("pragma synchronous=normal")
        db.execute(
            "select 1 from items, outputs, makings, unfinished, claims, absorbed limit 1"
        ).fetchall()
        found = db.execute("pragma quick_check(1)").fetchone() if thoroughly else ("ok",)
        if found != ("ok",):
            raise _unusable(path, str(found[0]))
    except BaseException:
        db.close()
        raise
    return db


def _connect(path: bytes) -> sqlite3.Connection:
    # Used from several threads, under the ledger's own lock.
    db = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
    db.execute("pragma locking_mode=exclusive")
    return db


def _check_whole(path: bytes) -> None:
    """Raise EnvironmentStop if the file is shorter than its header says.

    SQLite itself takes a file of zero bytes for a new one, and sees the rest only once it reads
    what is missing. With a WAL beside it the file may well be short: a checkpoint that was cut off
    has written the first page before the last, and SQLite makes it whole again.
    Header: https://www.sqlite.org/fileformat2.html#the_database_header
    """
    try:
        with open(path, "rb") as file:
            header = file.read(100)
            size = os.fstat(file.fileno()).st_size
        has_wal = os.path.exists(path + b"-wal") and os.path.getsize(path + b"-wal") > 0
    except OSError as error:
        raise stopped_by(error, "ledger_unusable", "to read the ledger") from None
    if len(header) < 100 or not header.startswith(b"SQLite format 3\0"):
        raise _unusable(path, "something else" if size else "an empty file")
    (page_size,) = struct.unpack_from(">H", header, 16)
    changes, pages = struct.unpack_from(">2I", header, 24)
    (valid_for,) = struct.unpack_from(">I", header, 92)
    expected = (65536 if page_size == 1 else page_size) * pages
    if changes == valid_for and size < expected and not has_wal:
        raise _unusable(path, f"{size} bytes of {expected}")


def stop_of(path: bytes, error: sqlite3.Error) -> EnvironmentStop:
    """Say in our words what SQLite says."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    where = f"output {to_text(os.path.dirname(os.path.dirname(path)))!r}"
    if code == _BUSY:
        return EnvironmentStop(
            "ledger_in_use",
            f"{where}: the ledger is open in another run or program; run again once it has ended",
        )
    if code == _DISK_FULL:
        return EnvironmentStop(
            "disk_full", f"{where}: the disk is full; make room and run the same command again"
        )
    if code == _READ_ONLY:
        return EnvironmentStop(
            "output_read_only", f"{where}: the ledger is read-only; mend it and run it again"
        )
    if code == _IO_ERROR:
        return EnvironmentStop(
            "output_io_error", f"{where}: the ledger meets I/O errors; mend it and run it again"
        )
    if code in (_CORRUPT, _NOT_A_DATABASE):
        return _unusable(path, str(error))
    return EnvironmentStop(
        "ledger_error", f"{where}: the ledger meets an error ({error}); mend it and run it again"
    )


def _unusable(path: bytes, came: str) -> EnvironmentStop:
    return EnvironmentStop(
        _UNUSABLE,
        f"expected the ledger of schema {SCHEMA} in {to_text(path)!r}, got: {came}; bring it back "
        "from a backup (without its -wal), take the version of optimizr that made it, or run again "
        "with --force, which begins a new one, converts all pictures again and replaces what "
        "stands at their outputs' names",
    )


def _keep(path: bytes, aside: bytes) -> None:
    """Give the file another name too; it is never missing under its own."""
    try:
        os.link(path, aside)
    except OSError:  # a file system without hard links
        shutil.copyfile(path, aside)


def _discard(path: bytes) -> None:
    for suffix in (b"", *_SIDE_FILES):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path + suffix)
