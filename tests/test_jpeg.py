from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizr.convert import jpeg
from tests.make_pictures import photo


@pytest.mark.parametrize(
    ("options", "samples"),
    [
        ({"subsample_mode": "on"}, 1.5),
        ({"subsample_mode": "off"}, 3),
        ({"subsample_mode": "on", "interlace": True}, 1.5),
    ],
)
def test_chroma_subsampling_is_read_from_the_frame(
    options: dict[str, object], samples: float
) -> None:
    tables = jpeg.tables(photo(64, 48).jpegsave_buffer(**options))
    assert tables is not None
    assert tables.samples == samples


def test_grey_has_one_sample_a_pixel() -> None:
    tables = jpeg.tables(photo(64, 48).colourspace("b-w").jpegsave_buffer())
    assert tables is not None
    assert tables.samples == 1


def test_coarser_tables_are_told_from_finer_ones() -> None:
    found = [jpeg.tables(photo(64, 48).jpegsave_buffer(Q=q)) for q in (20, 50, 75, 95)]
    coarseness = [tables.coarseness for tables in found if tables is not None]
    assert coarseness == sorted(coarseness, reverse=True)
    assert coarseness[1] == pytest.approx(1.5, abs=0.1)


def test_what_comes_before_the_tables_is_passed_over() -> None:
    data = photo(64, 48).jpegsave_buffer()
    comment = b"\xff\xfe" + (20_002).to_bytes(2, "big") + bytes(20_000)
    assert jpeg.tables(data[:2] + b"\xff\xff" + comment * 3 + data[2:]) == jpeg.tables(data)


def test_tables_of_16_bits_are_read_whole() -> None:
    steps = b"".join((300).to_bytes(2, "big") for _ in range(64))
    segment = b"\xff\xdb" + (2 + 1 + 128).to_bytes(2, "big") + b"\x10" + steps
    data = photo(64, 48).jpegsave_buffer()
    tables = jpeg.tables(data[:2] + segment + data[2:])
    assert tables is not None
    assert tables.coarseness == pytest.approx(64 * 300 / 3688)


@given(st.binary(max_size=400))
def test_any_bytes_are_read_without_an_error(data: bytes) -> None:
    for start in (b"", b"\xff\xd8", b"\xff\xd8\xff\xdb", b"\xff\xd8\xff\xc0\x00\x11"):
        tables = jpeg.tables(start + data)
        assert tables is None or (tables.samples > 0 and tables.coarseness > 0)


def test_a_file_of_fill_bytes_takes_no_time() -> None:
    start = time.process_time()
    assert jpeg.tables(b"\xff\xd8" + b"\xff" * 50_000_000) is None
    assert time.process_time() - start < 1
