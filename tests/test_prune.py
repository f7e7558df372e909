"""Outputs whose pictures are gone: listed, and removed only if asked for and only if ours."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest

from optimizr import Settings
from optimizr.pool import Stop
from optimizr.prune import prune
from tests.conftest import Program, fill, named


@pytest.fixture
def done(optimizr: Program, tmp_path: Path) -> Path:
    """Convert 10 pictures, then remove two of them and put a foreign WebP beside."""
    fill(tmp_path / "in", 10)
    assert optimizr("run", "--input", tmp_path / "in", "--output", tmp_path / "out").returncode == 0
    (tmp_path / "in/picture 5.jpg").unlink()
    shutil.rmtree(tmp_path / "in/year1/month1")
    (tmp_path / "out/foreign.webp").write_bytes(b"mine")
    return tmp_path


def webps(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*.webp")}


def test_prune_lists_and_with_yes_removes_what_has_no_picture_any_more(
    optimizr: Program, done: Path
) -> None:
    before = webps(done / "out")
    prune = ("prune", "--input", done / "in", "--output", done / "out")
    listed = optimizr(*prune)
    assert listed.returncode == 0
    orphans = {str(Path(line).relative_to(done / "out")) for line in listed.stdout.splitlines()}
    assert "picture 5.webp" in orphans
    assert all(path.startswith("year1/month1/") for path in orphans - {"picture 5.webp"})
    assert len(orphans) >= 2
    assert "--yes" in listed.stderr
    assert webps(done / "out") == before
    assert optimizr(*prune, "--yes").returncode == 0
    assert webps(done / "out") == before - orphans
    assert optimizr(*prune).stdout == ""
    again = optimizr("run", "--input", done / "in", "--output", done / "out")
    assert named(again.stdout, "image.converted") == []


def test_prune_leaves_what_somebody_else_has_written_to(optimizr: Program, done: Path) -> None:
    (done / "out/picture 5.webp").write_bytes(b"edited")
    pruned = optimizr("prune", "--input", done / "in", "--output", done / "out", "--yes")
    assert (done / "out/picture 5.webp").read_bytes() == b"edited"
    assert "picture 5.webp" not in pruned.stdout
    assert "left alone" in pruned.stderr


def test_prune_refuses_an_input_without_pictures_as_of_a_volume_that_is_not_mounted(
    optimizr: Program, done: Path
) -> None:
    (done / "empty").mkdir()
    before = webps(done / "out")
    refused = optimizr("prune", "--input", done / "empty", "--output", done / "out", "--yes")
    assert refused.returncode == 2
    assert "is its volume mounted?" in refused.stderr
    assert webps(done / "out") == before


def test_prune_refuses_an_output_without_a_ledger(optimizr: Program, done: Path) -> None:
    refused = optimizr("prune", "--input", done / "in", "--output", done / "in")
    assert refused.returncode == 2
    assert "expected a ledger" in refused.stderr


def test_prune_still_knows_what_it_could_not_remove(
    optimizr: Program, done: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(input=str(done / "in"), output=str(done / "out"))

    def refuse(path: bytes) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), path)

    with monkeypatch.context() as patched:
        patched.setattr("optimizr.store.local.discard", refuse)
        left = list(prune(settings, remove=True, stop=Stop()))
    assert left
    assert not any(orphan.is_ours for orphan in left)
    pruned = optimizr("prune", "--input", done / "in", "--output", done / "out", "--yes")
    assert pruned.stdout.count("\n") == len(left)
