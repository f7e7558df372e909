from __future__ import annotations

import struct
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
import pyvips

from optimizr import convert
from optimizr.convert.options import MAX_SIDE
from optimizr.errors import PictureError, Reason
from tests.make_pictures import HOME, drawing, photo, with_alpha

ALL = sorted(path.relative_to(HOME) for path in HOME.rglob("*") if path.is_file())


def to_webp(data: bytes, quality: int = 80, effort: int = 4) -> bytes:
    options = convert.Options(quality=quality, effort=effort)
    return convert.convert(probe(data), options).data


def probe(data: bytes) -> convert.Probed:
    return convert.probe(data, convert.Options())


def pixels(data: bytes) -> pyvips.Image:
    """Decode outside the package under test, in a process where no loader is blocked."""
    return pyvips.Image.new_from_buffer(data, "")


@pytest.fixture(autouse=True)
def _webp_may_be_read() -> None:
    pyvips.operation_block_set("VipsForeignLoadWebp", False)


def png_header(width: int, height: int) -> bytes:
    """Write a PNG that claims a size and has no pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


@pytest.mark.parametrize("name", ALL, ids=str)
def test_each_picture_becomes_a_webp_of_its_size_that_decodes(name: Path) -> None:
    data = (HOME / name).read_bytes()
    original, webp = pixels(data), pixels(to_webp(data))
    assert (webp.width, webp.height) == (original.width, original.height)
    assert webp.get("vips-loader") == "webpload_buffer"
    assert 0 <= webp.avg() <= 255


def test_a_webp_looks_as_its_original_does() -> None:
    image = photo(320, 240)
    data = image.jpegsave_buffer(Q=95)
    difference = (pixels(data) - pixels(to_webp(data))).abs().avg()
    assert difference < 6
    assert (pixels(data) - pixels(to_webp(data, quality=100))).abs().avg() < difference


def test_transparency_stays() -> None:
    data = with_alpha(drawing(120, 80)).pngsave_buffer()
    webp = pixels(to_webp(data))
    assert webp.bands == 4
    assert (webp[3] - pixels(data)[3]).abs().max() == 0


def test_quality_and_effort_reach_the_encoder() -> None:
    data = photo(400, 300).jpegsave_buffer(Q=95)
    assert len(to_webp(data, quality=20)) < len(to_webp(data, quality=80))
    assert to_webp(data, effort=0) != to_webp(data, effort=6)


def test_what_a_file_is_its_content_decides() -> None:
    assert probe(drawing(9, 9).pngsave_buffer()).header.format == "png"
    assert probe(drawing(9, 9).jpegsave_buffer()).header.format == "jpeg"


def test_the_header_tells_what_memory_depends_on() -> None:
    plain = probe(photo(64, 48).jpegsave_buffer()).header
    assert (plain.width, plain.height, plain.has_alpha, plain.interlaced) == (64, 48, False, False)
    assert probe(photo(64, 48).jpegsave_buffer(interlace=True)).header.interlaced
    assert probe(drawing(64, 48).pngsave_buffer(interlace=True)).header.interlaced
    assert probe(with_alpha(drawing(64, 48)).pngsave_buffer()).header.has_alpha


def test_the_estimate_grows_with_what_takes_memory() -> None:
    def estimate(data: bytes, quality: int = 80) -> int:
        return convert.peak_bytes(probe(data), convert.Options(quality=quality))

    image = photo(800, 600)
    plain = estimate(image.jpegsave_buffer())
    assert estimate(image.jpegsave_buffer(interlace=True)) > plain
    assert estimate(photo(400, 300).jpegsave_buffer()) < plain
    assert estimate(image.jpegsave_buffer(), quality=100) > plain
    assert estimate(with_alpha(image).pngsave_buffer()) > estimate(image.pngsave_buffer())


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", Reason.EMPTY_FILE),
        (b"just some text", Reason.NOT_A_PICTURE),
        (b"<html><body>404</body></html>", Reason.NOT_A_PICTURE),
        (b"GIF89a" + bytes(20), Reason.FORMAT_NOT_ENABLED),
        (b"\xff\xd8\xff\xe0" + bytes(50), Reason.TRUNCATED),
        (b"\x89PNG\r\n\x1a\n" + bytes(50), Reason.TRUNCATED),
        (png_header(MAX_SIDE + 1, 1), Reason.TOO_LARGE_FOR_WEBP),
        (png_header(65535, 65535), Reason.TOO_MANY_PIXELS),
        (png_header(100, 100), Reason.CORRUPT),
    ],
    ids=["empty", "text", "html", "gif", "jpeg head", "png head", "wide", "bomb", "no pixels"],
)
def test_what_cannot_be_a_picture_is_refused_with_its_reason(data: bytes, reason: Reason) -> None:
    with pytest.raises(PictureError) as caught:
        to_webp(data)
    assert caught.value.reason is reason
    assert caught.value.message.startswith("expected ")


@pytest.mark.parametrize("kind", ["jpegsave_buffer", "pngsave_buffer"])
@pytest.mark.parametrize("tenth", range(1, 10))
def test_a_truncated_picture_is_never_passed_off_as_whole(kind: str, tenth: int) -> None:
    data = getattr(photo(200, 150), kind)()
    with pytest.raises(PictureError) as caught:
        to_webp(data[: len(data) * tenth // 10])
    assert caught.value.reason is Reason.TRUNCATED


def test_damage_in_the_middle_of_a_png_is_corrupt_not_truncated() -> None:
    data = bytearray(photo(200, 150).pngsave_buffer())
    data[len(data) // 2] ^= 0xFF
    with pytest.raises(PictureError) as caught:
        to_webp(bytes(data))
    assert caught.value.reason is Reason.CORRUPT


def test_decoders_of_formats_that_are_not_enabled_are_shut(tmp_path: Path) -> None:
    (tmp_path / "a.webp").write_bytes(to_webp(photo(10, 10).jpegsave_buffer()))
    code = (
        "import sys, pyvips\n"
        "from optimizr import convert\n"
        "def opens():\n"
        "    try: return pyvips.Image.webpload_buffer(open(sys.argv[1], 'rb').read()).width\n"
        "    except pyvips.Error: return None\n"
        "convert.start(); print(opens()); convert.start(['webp']); print(opens())\n"
        "convert.start(['jpeg']); print(opens())  # another run may still need it"
    )
    told = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "a.webp")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.split() == ["None", "10", "10"]
