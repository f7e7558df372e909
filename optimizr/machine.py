"""The CPUs and the memory that this process may use, as the container gives them.

A container sees the whole host in /proc/meminfo and /proc/cpuinfo; what it may use stands in its
control groups. Groups nest and each level limits those below, so the smallest limit from the
process's own group up to the root counts. Both versions are read: v2 (one tree) and v1 (a tree a
controller). Sources: the kernel's Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/.
"""

from __future__ import annotations

import ctypes
import math
import os
import re
from collections.abc import Iterator
from pathlib import Path

import psutil

LIMIT_SHARE = 0.85
"""Share of a memory limit that is used: the rest is for page cache and what malloc keeps."""
AVAILABLE_SHARE = 0.70
"""Share of the available memory that is used where nothing limits it."""


_PRESSED_MEMORY = 10.0
"""Percent of the time; measured by nobody here: it is where reclaim takes a tenth of it."""
_PRESSED_CPU = 50.0


class Machine:
    """Reads the limits below `root`, which is `/` but for tests."""

    def __init__(self, root: str | os.PathLike[str] = "/") -> None:
        self._root = Path(root)

    def cpus(self) -> int:
        """Count the CPUs to use: the affinity mask and the cgroup quota, rounded up; at least 1."""
        quota = self.cpu_quota()
        return _affinity() if quota is None else max(1, min(_affinity(), math.ceil(quota)))

    def cpu_quota(self) -> float | None:
        """Give the smallest CPU quota from the own cgroup upward, in CPUs; None without one."""
        return min(self._quotas(), default=None)

    def memory_limit(self) -> int | None:
        """Give the smallest memory limit from the own cgroup upward, in bytes.

        None where there is none, or where it is not below the machine's own memory: v1 writes
        `no limit` as a huge number.
        """
        limits = (
            _number(group / name)
            for group in self._groups("memory")
            for name in ("memory.max", "memory.high", "memory.limit_in_bytes")
        )
        limit = min((limit for limit in limits if limit is not None), default=None)
        return limit if limit is not None and limit < psutil.virtual_memory().total else None

    def memory_charged(self) -> int | None:
        """Give what the kernel charges to the own cgroup, page cache included, in bytes."""
        for group in self._groups("memory"):
            for name in ("memory.current", "memory.usage_in_bytes"):
                charged = _number(group / name)
                if charged is not None:
                    return charged
        return None

    def is_pressed(self) -> bool:
        """Tell whether tasks of the own cgroup stand still for want of memory, or of CPU.

        By the kernel's pressure stall information (Documentation/accounting/psi.rst), which only
        cgroup v2 has: the share of the last ten seconds in which some task waited for memory, or
        all did for CPU, which is what throttling by a quota looks like.
        """
        for group in self._groups("memory"):
            return (
                _stalled(group / "memory.pressure", "some") > _PRESSED_MEMORY
                or _stalled(group / "cpu.pressure", "full") > _PRESSED_CPU
            )
        return False

    def memory_to_use(self) -> int:
        """Give what `pool.memory: auto` stands for, in bytes."""
        limit = self.memory_limit()
        if limit is not None:
            return int(limit * LIMIT_SHARE)
        return int(psutil.virtual_memory().available * AVAILABLE_SHARE)

    def _quotas(self) -> Iterator[float]:
        for group in self._groups("cpu"):
            v2 = _read(group / "cpu.max").split()
            quota, period = v2 if len(v2) == 2 else _v1_quota(group)
            if quota.isdecimal() and period.isdecimal() and int(period):
                yield int(quota) / int(period)

    def _groups(self, controller: str) -> Iterator[Path]:
        """Yield the directories of the groups that limit `controller`, the own one first."""
        for v1, group in self._memberships():
            if v1 is not None and controller not in v1:
                continue
            for mount_root, mount_point in self._mounts(controller if v1 is not None else None):
                top = self._root / mount_point.lstrip("/")
                inside = os.path.relpath(group, mount_root)
                own = top if inside.startswith("..") else top / inside
                yield own
                if own != top:
                    yield from (parent for parent in own.parents if parent.is_relative_to(top))

    def _memberships(self) -> Iterator[tuple[list[str] | None, str]]:
        """Yield (controllers, path) of each group that the process is in; None stands for v2."""
        for line in _read(self._root / "proc/self/cgroup").splitlines():
            _, controllers, path = line.split(":", 2)
            yield (controllers.split(",") if controllers else None), path

    def _mounts(self, controller: str | None) -> Iterator[tuple[str, str]]:
        """Yield (root, mount point) of each mounted cgroup tree of `controller`; None is v2."""
        for line in _read(self._root / "proc/self/mountinfo").splitlines():
            mount, _, file_system = line.partition(" - ")
            kind, _, options = file_system.split(" ", 2)
            if kind == ("cgroup2" if controller is None else "cgroup") and (
                controller is None or controller in options.split(",")
            ):
                root, point = mount.split(" ")[3:5]
                yield _unescape(root), _unescape(point)


def _stalled(path: Path, who: str) -> float:
    """Give a pressure file's share of the last ten seconds, in percent; 0 where there is none."""
    match = re.search(rf"^{who} avg10=([\d.]+)", _read(path), re.MULTILINE)
    return float(match[1]) if match else 0.0


def trim_heap() -> None:
    """Give memory that is free back to the system, where malloc is glibc's."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def peak_rss() -> int:
    """Give the largest resident set of this process so far, in bytes.

    The kernel's own high-water mark. Not getrusage's ru_maxrss: that survives exec, so it may
    be the peak of the shell or the program that started this one.
    """
    match = re.search(r"^VmHWM:\s+(\d+) kB", _read(Path("/proc/self/status")), re.MULTILINE)
    return int(match[1]) * 1024 if match else psutil.Process().memory_info().rss


def _affinity() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _v1_quota(group: Path) -> tuple[str, str]:
    return _read(group / "cpu.cfs_quota_us").strip(), _read(group / "cpu.cfs_period_us").strip()


def _number(path: Path) -> int | None:
    text = _read(path).strip()
    return int(text) if text.isdecimal() else None


def _read(path: Path) -> str:
    """Read a small file of the kernel's; one that is not there says nothing."""
    try:
        return path.read_text()
    except OSError:
        return ""


def _unescape(path: str) -> str:
    r"""Undo the octal escapes of mountinfo (a space is `\040`)."""
    return re.sub(r"\\(\d{3})", lambda match: chr(int(match[1], 8)), path)
