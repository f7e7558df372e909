"""What `store.fsync` costs on a slow disk: `python -m benchmarks.syncing [PICTURES]`.

The disk is made slow by a library that is preloaded: each fsync, fdatasync and syncfs takes some
milliseconds more, one after the other, as on a spinning disk. It needs a C compiler. Small
pictures are the worst case: they are encoded in the time that such a disk takes for one sync.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.make_pictures import photo

_SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>
static pthread_mutex_t disk = PTHREAD_MUTEX_INITIALIZER;
static int slow(const char *name, int fd) {
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    pthread_mutex_lock(&disk);
    usleep(1000 * atoi(getenv("SYNC_MS")));
    pthread_mutex_unlock(&disk);
    return real(fd);
}
int fsync(int fd) { return slow("fsync", fd); }
int fdatasync(int fd) { return slow("fdatasync", fd); }
int syncfs(int fd) { return slow("syncfs", fd); }
"""


def main(count: int) -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "in").mkdir()
        for number in range(count):
            side = 200 + number * 37 % 440
            photo(side, side * 3 // 4, number).jpegsave(str(root / f"in/{number}.jpg"))
        (root / "shim.c").write_text(_SHIM)
        build = [
            "cc",
            "-shared",
            "-fPIC",
            "-o",
            str(root / "shim.so"),
            str(root / "shim.c"),
            "-ldl",
        ]
        subprocess.run(build, check=True)
        print("| sync ms | workers | file | batch | none | (pictures/s)")
        print("| --- | --- | --- | --- | --- |")
        for sync_ms in (0, 5, 20):
            for workers in ("auto", "16"):
                rates = [_rate(root, count, sync_ms, workers, f) for f in ("file", "batch", "none")]
                print(f"| {sync_ms} | {workers} | " + " | ".join(f"{r:.0f}" for r in rates) + " |")


def _rate(root: Path, count: int, sync_ms: int, workers: str, fsync: str) -> float:
    command = [sys.executable, "-m", "optimizr", "run", "--force", "--log.images", "none"]
    command += ["--input", str(root / "in"), "--output", str(root / "out"), "--workers", workers]
    shim = {"LD_PRELOAD": str(root / "shim.so"), "SYNC_MS": str(sync_ms)}
    start = time.perf_counter()
    subprocess.run(
        [*command, "--store.fsync", fsync],
        env={**os.environ, **shim},
        stdout=subprocess.DEVNULL,
        check=True,
    )
    return count / (time.perf_counter() - start)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 500)
