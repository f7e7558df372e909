"""One run at a time: who holds the lock may write an output's ledger and sweep what was left.

The lock is a file that its holder locks (flock) and writes its name into, and touches while it
lives. On the same machine the operating system says whether the holder is alive: it gives the lock
away when a process dies, however it dies. Another machine or pod may not see that, and its pids
mean nothing here; of that one the heartbeat counts. Machines are told apart by their boot, so two
containers on one kernel are on the same machine, and a machine that was restarted is another.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import socket
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Self

from optimizr.errors import Cancelled, ConfigError, EnvironmentStop, stopped_by
from optimizr.keys import to_text

LOCK_NAME = b"lock"
BEAT_SECONDS = 10.0
"""How often the holder touches the file."""
STALE_SECONDS = 60.0
"""How old the heartbeat of another machine must be before its lock is taken over."""
_POLL_SECONDS = 0.5
_MOST_SECONDS = 120.0
"""How long to wait for those who only read, and for who waits for a beat, at most."""
_TURN_SECONDS = 0.1
_SIZE = 4096
"""Bytes that are read; a holder's name is a few hundred."""


@dataclass(frozen=True)
class Holder:
    """Who holds the lock, as written into the file."""

    pid: int
    host: str
    boot: str
    since: str
    """RFC 3339, UTC."""
    purpose: str
    """`run`, or `read` for somebody who is done in a moment."""
    token: str
    """Tells apart two holders that have all else in common."""
    since_ns: int = 0
    """The same by the clock of the file system, which stamps the files too."""


class Held(ConfigError):  # noqa: N818 - a fact; who asked decides what to do
    """Somebody else has the lock."""

    def __init__(self, message: str, holder: Holder | None, beats: bool) -> None:
        super().__init__(message)
        self.holder = holder
        """Who, as far as the file tells."""
        self.beats = beats
        """Whether their heart has been seen to beat."""


def _patience(holder: Holder | None) -> float:
    """Give the seconds for which what the file tells must stay the same to be believed.

    Between locking the file and writing into it, a holder is told by nothing or by who died there.
    """
    if holder is None:
        return 5.0
    if holder.boot != _boot() or holder.purpose != "run":
        return _MOST_SECONDS  # they wait for a beat themselves, or are done in a moment
    return 0.5


class Lock:
    """Held for the length of a `with` block."""

    def __init__(
        self,
        path: bytes,
        on_lost: Callable[[EnvironmentStop], None],
        beat_seconds: float = BEAT_SECONDS,
        stale_seconds: float = STALE_SECONDS,
        purpose: str = "run",
        is_stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        """`on_lost` is called, in another thread, should somebody else take the lock over.

        `is_stopped` is asked while the lock is waited for.
        """
        self._path = path
        self._on_lost = on_lost
        self._beat_seconds = beat_seconds
        self._stale_seconds = stale_seconds
        self._purpose = purpose
        self._ended = threading.Event()
        self._is_stopped = is_stopped
        self._lost: EnvironmentStop | None = None
        self._beat = threading.Thread(target=self._keep_beating, name="heartbeat", daemon=True)
        self.died: tuple[int, int] | None = None
        """From when to when, in nanoseconds by the file system's clock, a holder was at work whose
        machine has died since; None if nobody's has."""

    def __enter__(self) -> Self:
        """Take the lock, after those who only read.

        Raises Held if it is held, EnvironmentStop if it cannot be had, and Cancelled if
        `is_stopped` while waiting.
        """
        begin = since = time.monotonic()
        seen: Holder | None = None
        while True:
            try:
                self._open_and_take()
            except Held as held:
                now = time.monotonic()
                if held.holder != seen:
                    seen, since = held.holder, now
                if held.beats or now - since > _patience(seen) or now - begin > _MOST_SECONDS:
                    raise
            else:
                break
            if self._is_stopped():
                raise Cancelled
            time.sleep(_TURN_SECONDS)
        self._beat.start()
        return self

    def _open_and_take(self) -> None:
        try:
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                self._take()
            except BaseException:
                os.close(self._file)
                raise
        except OSError as error:
            raise stopped_by(error, "ledger_error", "to lock the output") from None

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._beat.join()
        with suppress(OSError):  # what is left there is taken for a run that died, and taken over
            if self._read() == self._me:
                os.ftruncate(self._file, 0)
                if self._purpose == "read":  # who died here is for the next run to see
                    self._write_back()
        os.close(self._file)

    def check(self) -> None:
        """Raise EnvironmentStop if somebody else has taken the lock over."""
        if self._lost is not None:
            raise self._lost

    def _take(self) -> None:
        seen_by_system = True
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise self._held(self._read()) from None
        except OSError:  # a file system without locks
            seen_by_system = False
        before = self._read()
        self._found = os.pread(self._file, _SIZE, 0), os.fstat(self._file).st_mtime_ns
        if before is not None:
            if before.boot != _boot() or not seen_by_system:
                self._wait_for_a_beat(before)
            if before.boot != _boot():
                end = os.fstat(self._file).st_mtime_ns + int(self._stale_seconds * 1e9)
                self.died = (before.since_ns, end)
        self._me = Holder(
            os.getpid(),
            socket.gethostname(),
            _boot(),
            datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            self._purpose,
            secrets.token_hex(8),
            self._now_ns(),
        )
        os.ftruncate(self._file, 0)
        self._write()

    def _wait_for_a_beat(self, holder: Holder) -> None:
        """Raise Held if the holder's heart beats; return once it has not for long enough.

        Clocks may be wrong, so what is waited for is measured by the steady one.
        """
        last = os.fstat(self._file).st_mtime_ns
        age = (self._now_ns() - last) / 1e9
        end = time.monotonic() + self._stale_seconds - max(0.0, min(age, self._stale_seconds))
        while time.monotonic() < end:
            if self._is_stopped():
                raise Cancelled
            time.sleep(min(_POLL_SECONDS, self._stale_seconds / 10))
            if os.fstat(self._file).st_mtime_ns != last or self._read() != holder:
                raise self._held(self._read() or holder, beats=True)

    def _now_ns(self) -> int:
        """Tell the time by the file system's clock, which may be another machine's."""
        with tempfile.TemporaryFile(dir=os.path.dirname(self._path)) as file:
            file.write(b"now")
            file.flush()
            return os.fstat(file.fileno()).st_mtime_ns

    def _keep_beating(self) -> None:
        while not self._ended.wait(self._beat_seconds):
            try:
                if self._read() != self._me:
                    self._lost = _taken_over(self._path)
                    self._on_lost(self._lost)
                    return
                self._write()
            except OSError:  # what ails the output is told by those who write pictures to it
                continue

    def _read(self) -> Holder | None:
        try:
            fields: dict[str, Any] = json.loads(os.pread(self._file, _SIZE, 0))
            return Holder(**fields)
        except (ValueError, TypeError):
            return None

    def _write(self) -> None:
        os.pwrite(self._file, json.dumps(asdict(self._me)).encode(), 0)

    def _write_back(self) -> None:
        content, mtime_ns = self._found
        os.pwrite(self._file, content, 0)
        os.utime(self._file, ns=(mtime_ns, mtime_ns))

    def _held(self, holder: Holder | None, beats: bool = False) -> Held:
        who = "another run"
        if holder is not None:
            who = f"pid {holder.pid} on {holder.host}, since {holder.since}"
        return Held(
            f"output: expected nobody else at work on {to_text(os.path.dirname(self._path))!r}, "
            f"got {who}; wait for it to end, or name another output",
            holder,
            beats,
        )


def _taken_over(path: bytes) -> EnvironmentStop:
    return EnvironmentStop(
        "lock_lost",
        f"expected to be alone at work on {to_text(os.path.dirname(path))!r}, but another run has "
        "taken it over, since this one gave no sign of life; it goes on in our place",
    )


def _boot() -> str:
    """Name this machine as long as it runs; where there is no /proc, by its name."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="utf-8") as file:
            return file.read().strip()
    except OSError:
        return socket.gethostname()
