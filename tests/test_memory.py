"""Memory is kept where it is used, and not held where it is not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.make_pictures import photo

_STREAM = """
import sys
from optimizr import convert
from optimizr.cli.malloc import settle_malloc
from optimizr.convert.vips import load, region, shape
from optimizr.machine import peak_rss

settle_malloc()
convert.start()
image = load(open(sys.argv[1], "rb").read(), "jpeg")
width, height, *_ = shape(image)
rows = region(image)
before = peak_rss()
for top in range(0, height, 8):
    rows.fetch(0, top, width, min(8, height - top))
print((peak_rss() - before) // (width * 3))
"""
_FAULTS = """
import resource
from optimizr.cli.malloc import settle_malloc

settle_malloc()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(100):
    block = b"x" * 900_000
    del block
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="asks Linux and glibc")


def _printed(code: str, *arguments: str) -> int:
    command = [sys.executable, "-c", code, *arguments]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def test_libvips_keeps_few_rows_of_what_it_has_streamed(tmp_path: Path) -> None:
    picture = tmp_path / "wide.jpg"
    picture.write_bytes(photo(12_000, 1_000).jpegsave_buffer(Q=85))
    assert _printed(_STREAM, str(picture)) < 600


def test_blocks_as_small_pictures_take_them_are_not_asked_of_the_system_anew() -> None:
    assert _printed(_FAULTS) < 1000
