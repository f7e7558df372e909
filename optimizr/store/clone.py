"""A file once more, under another name: a reflink, else a hard link, else a copy.

A reflink shares the bytes until one of the two is written to, but few file systems have it. A hard
link shares the file itself: as outputs are only ever replaced by a rename, and removed, never
written to in place, what becomes of one name leaves the other as it is.
"""

from __future__ import annotations

import os
import sys

from optimizr.store.files import Opened, discard, version_of, write_chunks
from optimizr.store.retry import retried
from optimizr.store.sync import Sync

if sys.platform == "linux":
    from fcntl import ioctl

_FICLONE = 0x40049409
"""Of linux/fs.h; Python names it from 3.14 on."""


@retried
def clone(original: Opened, path: bytes, target: bytes, sync: Sync) -> str:
    """Write to `target` what is opened at `path`, have it on the disk, and give its version.

    Raises OSError, and PictureError if the original was written to meanwhile.
    """
    discard(target)  # of a try before: it may be a link, and must not be written to
    if not (_is_reflinked(original, target, sync) or _is_linked(original, path, target)):
        write_chunks(target, original.chunks, sync)
    return version_of(os.lstat(target))


def _is_reflinked(original: Opened, target: bytes, sync: Sync) -> bool:
    """Share the bytes, if the file system can."""
    if sys.platform != "linux":
        return False
    with open(target, "xb", buffering=0) as file:
        try:
            ioctl(file.fileno(), _FICLONE, original.fileno())
        except OSError:
            os.unlink(target)
            return False
        sync(file.fileno())
    return True


def _is_linked(original: Opened, path: bytes, target: bytes) -> bool:
    """Share the file, unless it may have no more names, or is no longer the one at `path`.

    Its bytes are on the disk since it was put.
    """
    try:
        os.link(path, target)
    except OSError:
        return False
    if os.path.samestat(os.lstat(target), original.status):
        return True
    os.unlink(target)
    return False
