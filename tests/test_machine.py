"""The limits of containers: made-up trees of both cgroup versions, and real groups."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from optimizr.machine import LIMIT_SHARE, Machine, peak_rss

V2_MOUNT = "31 23 0:28 / /sys/fs/cgroup rw,relatime - cgroup2 cgroup2 rw"
V1_MEMORY = "35 31 0:32 {root} /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory"
V1_CPU = "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct"


def tree(root: Path, cgroup: str, mountinfo: str, files: dict[str, str]) -> Machine:
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(cgroup)
    (root / "proc/self/mountinfo").write_text(mountinfo + "\n")
    for name, text in files.items():
        path = root / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Machine(root)


def test_v2_takes_the_smallest_limit_from_its_own_group_upward(tmp_path: Path) -> None:
    machine = tree(
        tmp_path,
        "0::/pod/container\n",
        V2_MOUNT,
        {
            "pod/container/memory.max": "max\n",
            "pod/container/memory.high": "400000000\n",
            "pod/memory.max": "300000000\n",
            "pod/container/memory.current": "12345\n",
            "pod/container/cpu.max": "max 100000\n",
            "pod/cpu.max": "150000 100000\n",
        },
    )
    assert machine.memory_limit() == 300_000_000
    assert machine.memory_to_use() == int(300_000_000 * LIMIT_SHARE)
    assert machine.memory_charged() == 12345
    assert machine.cpu_quota() == 1.5
    assert machine.cpus() == min(2, len(os.sched_getaffinity(0)))


def test_v2_in_a_namespace_sees_its_own_group_as_the_root(tmp_path: Path) -> None:
    machine = tree(tmp_path, "0::/\n", V2_MOUNT, {"memory.max": "250000000\n"})
    assert machine.memory_limit() == 250_000_000


def test_v1_reads_each_controller_in_its_own_tree(tmp_path: Path) -> None:
    machine = tree(
        tmp_path,
        "4:memory:/outer/inner\n3:cpu,cpuacct:/job\n0::/\n",
        V1_MEMORY.format(root="/") + "\n" + V1_CPU,
        {
            "memory/memory.limit_in_bytes": "9223372036854771712\n",
            "memory/outer/memory.limit_in_bytes": "200000000\n",
            "memory/outer/inner/memory.limit_in_bytes": "500000000\n",
            "memory/outer/inner/memory.usage_in_bytes": "777\n",
            "cpu,cpuacct/job/cpu.cfs_quota_us": "50000\n",
            "cpu,cpuacct/job/cpu.cfs_period_us": "100000\n",
            "cpu,cpuacct/cpu.cfs_quota_us": "-1\n",
            "cpu,cpuacct/cpu.cfs_period_us": "100000\n",
        },
    )
    assert machine.memory_limit() == 200_000_000
    assert machine.memory_charged() == 777
    assert machine.cpu_quota() == 0.5
    assert machine.cpus() == 1


def test_v1_in_docker_mounts_its_own_group_as_the_root(tmp_path: Path) -> None:
    machine = tree(
        tmp_path,
        "4:memory:/docker/abc/sub\n",
        V1_MEMORY.format(root="/docker/abc"),
        {
            "memory/memory.limit_in_bytes": "300000000\n",
            "memory/sub/memory.limit_in_bytes": "100000000\n",
        },
    )
    assert machine.memory_limit() == 100_000_000


def test_a_group_that_is_not_visible_falls_back_to_the_mounted_root(tmp_path: Path) -> None:
    machine = tree(
        tmp_path,
        "4:memory:/elsewhere\n",
        V1_MEMORY.format(root="/docker/abc"),
        {"memory/memory.limit_in_bytes": "300000000\n"},
    )
    assert machine.memory_limit() == 300_000_000


@pytest.mark.parametrize("text", ["max", "9223372036854771712", "", "junk"])
def test_no_limit_is_none_in_every_way_that_it_is_written(tmp_path: Path, text: str) -> None:
    machine = tree(tmp_path, "0::/\n", V2_MOUNT, {"memory.max": text, "cpu.max": text})
    assert machine.memory_limit() is None
    assert machine.cpu_quota() is None
    assert machine.cpus() == len(os.sched_getaffinity(0))
    assert machine.memory_to_use() < psutil.virtual_memory().total


def test_a_host_without_cgroups_has_no_limits(tmp_path: Path) -> None:
    assert Machine(tmp_path).memory_limit() is None
    assert Machine(tmp_path).memory_charged() is None


def test_the_peak_is_at_least_what_is_resident_now() -> None:
    assert peak_rss() >= psutil.Process().memory_info().rss // 2


def test_the_affinity_mask_counts() -> None:
    one = {min(os.sched_getaffinity(0))}
    code = (
        f"import os; os.sched_setaffinity(0, {one}); "
        "from optimizr.machine import Machine; print(Machine().cpus())"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout == "1\n"


@pytest.fixture
def real_groups() -> Iterator[dict[str, Path]]:
    """Make nested groups on this host, v1 or v2, with a limit on the outer one; or skip by name."""
    top = Path("/sys/fs/cgroup")
    v1 = (top / "memory").is_dir()
    homes = {"memory": top / "memory", "cpu": top / "cpu"} if v1 else {"": top}
    made: dict[str, Path] = {}
    name = f"optimizr-test-{uuid.uuid4().hex[:8]}"
    try:
        for controller, home in homes.items():
            made[controller] = home / name / "inner"
            made[controller].mkdir(parents=True)
        if v1:
            (homes["memory"] / name / "memory.limit_in_bytes").write_text("300M")
            (homes["cpu"] / name / "cpu.cfs_quota_us").write_text("100000")
        else:
            (top / name / "cgroup.subtree_control").write_text("+memory +cpu")
            (top / name / "memory.max").write_text("300M")
            (top / name / "cpu.max").write_text("100000 100000")
    except OSError as error:
        _remove(made)
        pytest.skip(f"real cgroups: cannot make a group with limits here ({error})")
    yield made
    _remove(made)


def _remove(groups: dict[str, Path]) -> None:
    for inner in groups.values():
        for group in (inner, inner.parent):
            if group.is_dir():
                group.rmdir()


def test_a_process_in_real_nested_groups_sees_the_outer_limits(
    real_groups: dict[str, Path],
) -> None:
    enter = "".join(f"echo $$ > '{group}/cgroup.procs' && " for group in real_groups.values())
    code = (
        "from optimizr.machine import Machine; m = Machine(); "
        "print(m.memory_limit(), m.cpu_quota(), m.cpus(), (m.memory_charged() or 0) > 0)"
    )
    told = subprocess.run(
        ["sh", "-c", f'{enter}exec "$0" -c "$1"', sys.executable, code],
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.split() == [str(300 << 20), "1.0", "1", "True"]


def test_pressure_is_what_the_kernel_says_of_the_own_group(tmp_path: Path) -> None:
    for memory, cpu, pressed in ((0.0, 90.0, True), (12.5, 0.0, True), (9.0, 40.0, False)):
        machine = tree(
            tmp_path / f"{memory}-{cpu}",
            "0::/\n",
            V2_MOUNT,
            {
                "memory.pressure": f"some avg10={memory:.2f} avg60=0.00\nfull avg10=0.00\n",
                "cpu.pressure": f"some avg10=99.00 avg60=0.00\nfull avg10={cpu:.2f} avg60=0.00\n",
            },
        )
        assert machine.is_pressed() is pressed
    assert not tree(tmp_path / "none", "0::/\n", V2_MOUNT, {}).is_pressed()
