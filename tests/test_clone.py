"""Files of equal bytes in a directory: which of them share what, and what tells them apart."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from optimizr.store import clone
from optimizr.store.files import Opened
from optimizr.store.local import LocalStore
from optimizr.store.sync import each_file
from tests.test_local_store import other_disk

__all__ = ["other_disk"]


@pytest.fixture
def away(other_disk: Path) -> Iterator[Path]:
    """Give a folder of its own on another file system than the temporary folder's."""
    folder = other_disk / f"optimizr-{os.getpid()}-{os.urandom(4).hex()}"
    folder.mkdir()
    yield folder
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    folder.rmdir()


def open_store(root: Path) -> LocalStore:
    store = LocalStore(str(root))
    store.prepare()
    return store


def share(one: Path, other: Path) -> bool:
    return os.path.samestat(one.stat(), other.stat())


@pytest.mark.parametrize("place", ["on disk", "in memory"])
def test_a_clone_shares_the_file_and_leaves_no_temporary_one(
    place: str, tmp_path: Path, away: Path
) -> None:
    root = tmp_path if place == "on disk" else away
    store = open_store(root)
    version = store.put(b"a.webp", b"bytes")
    for key in (b"b.webp", b"c/d.webp", b"b.webp"):
        assert store.clone(key, b"a.webp", version) == store.head(key).version
        path = root / os.fsdecode(key)
        assert path.read_bytes() == b"bytes"
        # A reflink, where there are any, is a file of its own.
        assert share(root / "a.webp", path) or path.stat().st_nlink == 1
    assert os.listdir(root / ".optimizr/tmp") == []


def test_what_lies_on_another_file_system_is_copied_and_shared_there(
    tmp_path: Path, away: Path
) -> None:
    store = open_store(tmp_path / "out")
    (tmp_path / "out/away").symlink_to(away)
    version = store.put(b"a.webp", b"bytes")
    version = store.clone(b"away/a.webp", b"a.webp", version)
    assert version == store.head(b"away/a.webp").version
    assert store.clone(b"away/b.webp", b"away/a.webp", version) == version
    store.clone(b"b.webp", b"away/a.webp", version)
    assert share(away / "a.webp", away / "b.webp")
    assert (away / "a.webp").read_bytes() == (tmp_path / "out/b.webp").read_bytes() == b"bytes"
    assert sorted(os.listdir(away)) == ["a.webp", "b.webp"]
    assert os.listdir(tmp_path / "out/.optimizr/tmp") == []


def test_where_a_link_stands_for_the_original_the_bytes_are_copied(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.put(b"real", b"bytes")
    (tmp_path / "a.webp").symlink_to("real")
    store.clone(b"b.webp", b"a.webp", store.head(b"a.webp").version)
    assert not (tmp_path / "b.webp").is_symlink()
    assert not share(tmp_path / "real", tmp_path / "b.webp")
    assert (tmp_path / "b.webp").read_bytes() == b"bytes"


def test_what_comes_in_the_originals_place_meanwhile_is_not_what_is_cloned(tmp_path: Path) -> None:
    original, target = os.fsencode(tmp_path / "a.webp"), os.fsencode(tmp_path / "b.webp")
    (tmp_path / "a.webp").write_bytes(b"first")
    opened = Opened(original)
    (tmp_path / "new").write_bytes(b"other")
    (tmp_path / "new").rename(tmp_path / "a.webp")
    clone.clone(opened, original, target, each_file)
    assert (tmp_path / "b.webp").read_bytes() == b"first"


def test_a_second_try_does_not_write_through_the_link_of_the_first(tmp_path: Path) -> None:
    original, target = os.fsencode(tmp_path / "a.webp"), os.fsencode(tmp_path / "b.webp")
    (tmp_path / "a.webp").write_bytes(b"bytes")
    os.link(original, target)
    clone.clone(Opened(original), original, target, each_file)
    assert (tmp_path / "a.webp").read_bytes() == (tmp_path / "b.webp").read_bytes() == b"bytes"
