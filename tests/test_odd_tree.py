"""A folder with every odd file in it, by the program as a user runs it."""

from __future__ import annotations

import io
import json
import shutil
import zlib
from pathlib import Path
from typing import Any

import pytest
import pyvips
from PIL import Image

from tests.conftest import Program, events, named, summary_of
from tests.make_pictures import drawing, photo
from tests.odd_pictures import GOOD, png_with
from tests.test_convert import png_header
from tests.test_pixels import looks_right, reference


def truncated(kind: str) -> dict[str, bytes]:
    data = getattr(photo(200, 150), kind)()
    name = kind.removesuffix("save_buffer")
    return {f"{name} cut at {n} tenths": data[: len(data) * n // 10] for n in range(1, 10)}


def bit_flipped() -> bytes:
    data = bytearray(photo(200, 150).pngsave_buffer())
    data[len(data) // 2] ^= 1
    return bytes(data)


def large_grey() -> bytes:
    data: bytes = pyvips.Image.black(20_000, 14_000).jpegsave_buffer(Q=50)
    return data


BAD: dict[str, tuple[bytes, str]] = {
    "zero bytes.jpg": (b"", "empty_file"),
    "text.jpg": (b"not a picture at all", "not_a_picture"),
    "page.png": (b"<html><body>404</body></html>", "not_a_picture"),
    "a gif.png": (b"GIF89a" + bytes(30), "format_not_enabled"),
    "no pixels.png": (png_header(65535, 65535), "too_many_pixels"),
    "wide.png": (drawing(16384, 1).pngsave_buffer(), "too_large_for_webp"),
    "large grey.jpg": (large_grey(), "too_many_pixels"),
    "bit flipped.png": (bit_flipped(), "corrupt"),
    "header only.jpg": (photo(99, 99).jpegsave_buffer()[:400], "truncated"),
    **{f"{name}.jpg": (data, "truncated") for name, data in truncated("jpegsave_buffer").items()},
    **{f"{name}.png": (data, "truncated") for name, data in truncated("pngsave_buffer").items()},
}


@pytest.fixture(scope="module")
def odd_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("odd")
    for place, (name, make) in enumerate(GOOD.items()):
        data = make()
        # A name says nothing: each other one has the extension of the other format.
        extension = "png" if data.startswith(b"\x89PNG") == bool(place % 2) else "jpg"
        folder = root / f"good {place % 3}"
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.{extension}").write_bytes(data)
    (root / "bad").mkdir()
    for name, (data, _) in BAD.items():
        (root / "bad" / name).write_bytes(data)
    for name in ("x.jpg", "x.png", "X.JPG", "y.jpg", "y.jpg.png"):
        (root / "twins").mkdir(exist_ok=True)
        (root / "twins" / name).write_bytes(photo(20, 10).jpegsave_buffer())
    return root


def outputs(output: Path) -> dict[str, bytes]:
    return {str(p.relative_to(output)): p.read_bytes() for p in sorted(output.rglob("*.webp"))}


def test_each_odd_file_ends_as_it_should(optimizr: Program, odd_tree: Path, tmp_path: Path) -> None:
    done = optimizr("run", "--input", odd_tree, "--output", tmp_path / "out")
    assert done.returncode == 1
    lines = events((tmp_path / "out/failed.jsonl").read_text())
    assert {line["key"]: line["reason"] for line in lines} == {
        f"bad/{name}": reason for name, (_, reason) in BAD.items()
    }
    assert all(Path(line["source"]).exists() for line in lines)
    converted = {event["key"]: event for event in named(done.stdout, "image.converted")}
    assert len(converted) == len(GOOD) + 5
    for key, event in converted.items():
        name = Path(key).stem
        if name in GOOD:
            with Image.open(tmp_path / "out" / event["output"]) as made:
                right = reference(GOOD[name](), name)
                assert made.size == right.size
                assert looks_right(made, right), name
            assert event.get("animation_dropped", False) == (name == "animated png")
    twins = {
        Path(key).name: Path(e["output"]).name for key, e in converted.items() if "twins" in key
    }
    assert twins["x.png"] == "x.png.webp"
    assert twins["y.jpg"] == "y.webp"
    assert twins["y.jpg.png"] == "y.jpg.png.webp"
    assert len({name.casefold() for name in twins.values()}) == 5
    assert summary_of(tmp_path / "out")["failures_by_reason"]["truncated"] == 19


def test_the_order_of_the_files_changes_nothing_and_append_gives_what_the_rule_says(
    optimizr: Program, odd_tree: Path, tmp_path: Path
) -> None:
    (tmp_path / "turned round").mkdir()
    paths = sorted((p for p in odd_tree.rglob("*") if p.is_file()), reverse=True)
    for path in paths:  # written in another order, so that the directory lists another
        target = tmp_path / "turned round" / path.relative_to(odd_tree)
        target.parent.mkdir(exist_ok=True)
        shutil.copy(path, target)
    optimizr("run", "--input", odd_tree, "--output", tmp_path / "one")
    optimizr(
        *("run", "--input", tmp_path / "turned round", "--output", tmp_path / "two"),
        *("--workers", "7"),
    )
    assert outputs(tmp_path / "one") == outputs(tmp_path / "two")

    done = optimizr(
        *("run", "--input", odd_tree, "--output", tmp_path / "three", "--naming", "append"),
    )
    for event in named(done.stdout, "image.converted"):
        if event["key"] not in ("twins/x.jpg", "twins/X.JPG"):
            assert event["output"] == event["key"] + ".webp"
    assert len(outputs(tmp_path / "three")) == len(outputs(tmp_path / "one"))


def hard_to_beat() -> bytes:
    """Draw a JPEG that a WebP of quality 100 is larger than."""
    data: bytes = photo(120, 90, noise=20).jpegsave_buffer(Q=20)
    return data


@pytest.mark.parametrize(
    ("if_larger", "files", "event", "reason"),
    [
        ("keep", {"a.webp", "b.webp"}, "image.converted", None),
        ("skip", {"b.webp"}, "image.skipped", "larger_skipped"),
        ("copy", {"a.jpg", "b.webp"}, "image.skipped", "larger_copied"),
    ],
)
def test_what_does_not_pay_is_done_as_asked_and_never_in_silence(
    optimizr: Program, tmp_path: Path, if_larger: str, files: set[str], event: str, reason: str
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.jpg").write_bytes(hard_to_beat())
    photo(300, 200).pngsave(str(tmp_path / "in/b.png"))
    run = ("run", "--input", tmp_path / "in", "--output", tmp_path / "out", "--quality", "100")
    done = optimizr(*run, "--policy.if-larger", if_larger)
    assert done.returncode == 0
    made = {path.name for path in (tmp_path / "out").iterdir() if path.suffix in (".webp", ".jpg")}
    assert made == files
    (told,) = [e for e in events(done.stdout) if e.get("key") == "a.jpg"]
    assert (told["event"], told.get("reason")) == (event, reason)
    summary = summary_of(tmp_path / "out")
    assert summary["larger_files"] == (if_larger == "keep")
    assert summary["skips_by_reason"] == ({reason: 1} if reason else {})
    if if_larger == "copy":
        assert (tmp_path / "out/a.jpg").read_bytes() == hard_to_beat()
        assert told["output"] == "a.jpg"
    again = (*run, "--policy.if-larger", if_larger, "--force", "--log-format", "console")
    report = optimizr(*again).stdout
    assert ("larger" in report) == (if_larger != "keep" or "WebPs are larger" in report)


def test_copying_in_place_leaves_the_original_alone(optimizr: Program, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(hard_to_beat())
    before = (tmp_path / "a.jpg").stat()
    written = (before.st_ino, before.st_mtime_ns)
    done = optimizr(
        *("run", "--input", tmp_path / "a.jpg", "--output", tmp_path, "--quality", "100"),
        *("--policy.if_larger", "copy"),
    )
    assert done.returncode == 0
    after = (tmp_path / "a.jpg").stat()
    assert (after.st_ino, after.st_mtime_ns) == written


def test_a_webp_is_encoded_again_only_if_that_makes_it_smaller(
    optimizr: Program, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    image = Image.open(io.BytesIO(photo(300, 200, noise=15).pngsave_buffer()))
    image.save(tmp_path / "in/large.webp", quality=100)
    image.save(tmp_path / "in/small.webp", quality=5)
    run = ("run", "--output", tmp_path / "out", "--picture.formats", "jpeg,webp")
    done = optimizr(*run, "--input", tmp_path / "in")
    assert done.returncode == 0
    sizes = {p.name: p.stat().st_size for p in (tmp_path / "in").iterdir()}
    assert (tmp_path / "out/large.webp").stat().st_size < sizes["large.webp"]
    small = (tmp_path / "out/small.webp").read_bytes()
    assert small == (tmp_path / "in/small.webp").read_bytes()
    assert summary_of(tmp_path / "out")["skips_by_reason"] == {"webp_copied": 1}
    refused = optimizr(*run, "--input", tmp_path / "out")
    assert refused.returncode == 2
    assert "another directory than the input" in refused.stderr


def test_a_webp_is_copied_only_if_it_is_what_was_asked_for(
    optimizr: Program, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    small: dict[str, Any] = {"quality": 1, "method": 6}
    image = Image.open(io.BytesIO(drawing(400, 300).pngsave_buffer()))
    exif = Image.Exif()
    exif[0x010F] = "SECRETCAM"
    image.save(tmp_path / "in/secret.webp", exif=exif, **small)
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(tmp_path / "in/turned.webp", exif=exif, **small)
    image.save(tmp_path / "in/large.webp", **small)
    optimizr(
        *("run", "--input", tmp_path / "in", "--output", tmp_path / "out"),
        *("--picture.formats", "webp", "--picture.resize.max-height", "350", "--quality", "100"),
    )
    for name, size in (("secret", (400, 300)), ("turned", (262, 350)), ("large", (400, 300))):
        with Image.open(tmp_path / f"out/{name}.webp") as made:
            assert made.size == size
            assert "exif" not in made.info


def test_an_output_inside_of_the_input_does_not_feed_itself(
    optimizr: Program, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    for number in range(30):
        (tmp_path / f"in/{number}.jpg").write_bytes(hard_to_beat())
    for _ in range(2):
        optimizr(
            *("run", "--input", tmp_path / "in", "--output", tmp_path / "in/out"),
            *("--quality", "100", "--policy.if-larger", "copy"),
        )
        assert summary_of(tmp_path / "in/out")["total_files"] == 30
    assert len(list((tmp_path / "in").rglob("*.jpg"))) == 60


def test_memory_stays_below_its_ceiling_with_animations_too(
    optimizr: Program, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    frames = [drawing(400, 400, seed % 7) for seed in range(200)]
    frames[0].pagejoin(frames[1:]).gifsave(str(tmp_path / "in/long.gif"))
    frames[0].pagejoin(frames[1:9]).gifsave(str(tmp_path / "in/short.gif"))
    done = optimizr(
        *("run", "--input", tmp_path / "in", "--output", tmp_path / "out", "--memory", "200MiB"),
        *("--picture.formats", "gif", "--picture.resize.max-width", "350", "--effort", "0"),
    )
    reasons = {e["key"]: e["reason"] for e in named(done.stdout, "image.failed")}
    assert reasons == {"long.gif": "too_large_for_memory"}
    summary = summary_of(tmp_path / "out")
    assert summary["peak_memory_mb"] <= summary["memory_ceiling_mb"]


def test_files_too_large_are_not_read_and_pictures_too_slow_are_stopped(
    optimizr: Program, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    photo(2000, 1500).jpegsave(str(tmp_path / "in/slow.jpg"))
    (tmp_path / "in/large.jpg").write_bytes(photo(50, 50).jpegsave_buffer() + bytes(3_000_000))
    done = optimizr(
        *("run", "--input", tmp_path / "in", "--output", tmp_path / "out", "--effort", "6"),
        *("--limits.max-file-size", "2MB", "--limits.timeout", "200ms"),
    )
    assert done.returncode == 1
    reasons = {e["key"]: e["reason"] for e in named(done.stdout, "image.failed")}
    assert reasons == {"large.jpg": "too_large_file", "slow.jpg": "timeout"}


def test_all_optional_formats_go_through_the_program(optimizr: Program, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    image = Image.open(io.BytesIO(photo(64, 48).pngsave_buffer()))
    for name in ("a.gif", "b.tiff", "c.avif", "d.jpg"):
        image.save(tmp_path / "in" / name)
    run = ("run", "--input", tmp_path / "in", "--output", tmp_path / "out")
    done = optimizr(*run)
    assert summary_of(tmp_path / "out")["ignored_files"] == 3
    done = optimizr(*run, "--picture.formats", "jpeg,gif,tiff,avif")
    assert done.returncode == 0
    formats = {e["key"]: e["format"] for e in named(done.stdout, "image.converted")}
    assert formats == {"a.gif": "gif", "b.tiff": "tiff", "c.avif": "avif"}
    assert json.loads(done.stdout.splitlines()[0])["settings"]["picture"]["formats"] == [
        *("jpeg", "gif", "tiff", "avif")
    ]


def test_a_text_chunk_that_unpacks_to_gigabytes_is_no_harm(
    optimizr: Program, tmp_path: Path
) -> None:
    bomb = zlib.compress(bytes(200 << 20), 9)
    (tmp_path / "in").mkdir()
    data = png_with(photo(32, 32).pngsave_buffer(), (b"zTXt", b"Comment\0\0" + bomb))
    (tmp_path / "in/bomb.png").write_bytes(data)
    optimizr("run", "--input", tmp_path / "in", "--output", tmp_path / "out")
    assert summary_of(tmp_path / "out")["peak_memory_mb"] < 150
