from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from optimizr.errors import ConfigError, EnvironmentStop, PictureError, Reason
from optimizr.store.local import LocalStore
from optimizr.store.sync import Sync
from tests.conftest import as_nobody


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    store = LocalStore(str(tmp_path / "out"))
    store.prepare()
    return store


def listing(root: Path) -> dict[bytes, list[bytes]]:
    return {folder.key: folder.names for folder in LocalStore(str(root)).folders()}


def test_what_is_put_is_there_whole_and_nothing_else_is(store: LocalStore, tmp_path: Path) -> None:
    store.put(b"a/b/c.webp", b"one")
    store.put(b"a/b/c.webp", b"two")
    assert store.get(b"a/b/c.webp")[0] == b"two"
    assert sorted(path.name for path in (tmp_path / "out").rglob("*") if path.is_file()) == [
        "c.webp"
    ]


def test_a_put_that_fails_leaves_the_old_file_and_no_temporary_one(
    store: LocalStore, tmp_path: Path
) -> None:
    (tmp_path / "out/stands.webp").mkdir(parents=True)
    (tmp_path / "out/file").write_text("in the way")
    for key in (b"stands.webp", b"file/below.webp"):
        with pytest.raises(PictureError) as caught:
            store.put(key, b"data")
        assert caught.value.reason is Reason.OUTPUT_BLOCKED
    assert os.listdir(tmp_path / "out/.optimizr/tmp") == []
    assert (tmp_path / "out/file").read_text() == "in the way"


def test_a_name_that_the_file_system_cannot_hold_is_told_so(store: LocalStore) -> None:
    with pytest.raises(PictureError) as caught:
        store.put(b"n" * 256, b"data")
    assert caught.value.reason is Reason.NAME_TOO_LONG
    store.put(b"n" * 255, b"data")


def test_an_output_that_has_gone_stops_the_run_and_is_not_made_anew(
    store: LocalStore, tmp_path: Path
) -> None:
    (tmp_path / "out").rename(tmp_path / "away")
    with pytest.raises(EnvironmentStop) as caught:
        store.put(b"sub/a.webp", b"data")
    assert caught.value.cause == "output_gone"
    assert not (tmp_path / "out").exists()


def test_an_output_that_goes_between_writing_and_renaming_is_not_made_anew(
    store: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write_and_lose(path: bytes, data: bytes, _sync: Sync) -> None:
        Path(os.fsdecode(path)).write_bytes(data)
        (tmp_path / "out").rename(tmp_path / "away")

    monkeypatch.setattr("optimizr.store.local.write", write_and_lose)
    for key in (b"sub/deep/a.webp", b"a.webp"):
        with pytest.raises(EnvironmentStop) as caught:
            store.put(key, b"data")
        assert caught.value.cause == "output_gone"
        assert not (tmp_path / "out").exists()
        (tmp_path / "away").rename(tmp_path / "out")


@pytest.mark.parametrize("times", [2, 9])
def test_a_write_that_fails_in_passing_is_done_again_from_its_beginning(
    tmp_path: Path, times: int
) -> None:
    failures = [OSError(errno.EIO, "Input/output error")] * times

    def sync(file: int) -> None:
        if failures:
            os.ftruncate(file, 0)  # what a disk may keep of a write that failed
            raise failures.pop()

    store = LocalStore(str(tmp_path / "out"), sync=sync)
    store.prepare()
    if times == 2:
        store.put(b"a.webp", b"data")
        assert store.get(b"a.webp")[0] == b"data"
        return
    with pytest.raises(EnvironmentStop) as caught:
        store.put(b"a.webp", b"data")
    assert caught.value.cause == "output_io_error"
    assert not (tmp_path / "out/a.webp").exists()


def test_the_next_start_sweeps_what_a_killed_run_left(tmp_path: Path) -> None:
    own = tmp_path / "out/.optimizr/tmp"
    own.mkdir(parents=True)
    (own / "tmp-0123456789ab").write_bytes(b"torn")
    (tmp_path / "out/a.webp").write_bytes(b"whole")
    LocalStore(str(tmp_path / "out")).sweep()
    assert os.listdir(own) == []
    assert (tmp_path / "out/a.webp").read_bytes() == b"whole"


@pytest.fixture
def other_disk() -> Path:
    """A folder on another file system than the temporary folder's."""
    shared = Path("/dev/shm")
    if not shared.is_dir() or shared.stat().st_dev == Path("/tmp").stat().st_dev:
        pytest.skip("other file system: /dev/shm is not one here")
    return shared


def test_a_target_on_another_file_system_is_written_whole_and_swept_too(
    store: LocalStore, tmp_path: Path, other_disk: Path
) -> None:
    away = other_disk / f"optimizr-{os.getpid()}-{os.urandom(4).hex()}"
    away.mkdir()
    try:
        (tmp_path / "out/away").symlink_to(away)
        store.put(b"away/a.webp", b"data")
        assert [path.name for path in away.iterdir()] == ["a.webp"]
        torn = away / ".tmp-000000000000"
        torn.write_bytes(b"torn")
        (tmp_path / "out/.optimizr/tmp/tmp-000000000000").symlink_to(torn)
        store.sweep()
        assert [path.name for path in away.iterdir()] == ["a.webp"]
        assert os.listdir(tmp_path / "out/.optimizr/tmp") == []
    finally:
        for path in away.iterdir():
            path.unlink()
        away.rmdir()


def test_a_sweep_removes_through_a_link_nothing_but_temporary_files(tmp_path: Path) -> None:
    own = tmp_path / "out/.optimizr/tmp"
    own.mkdir(parents=True)
    precious = tmp_path / "precious"
    precious.write_text("mine")
    (own / "tmp-0").symlink_to(precious)
    LocalStore(str(tmp_path / "out")).sweep()
    assert precious.read_text() == "mine"


def test_names_that_are_no_utf8_or_have_newlines_are_names_like_others(store: LocalStore) -> None:
    for key in (b"caf\xe9/\xff.jpg", b"two\nlines", b"-rf", b" "):
        store.put(key, key)
        assert store.get(key)[0] == key
    assert store.full_path(b"\xff%").endswith("/%FF%25")


def test_reading_what_is_gone_or_a_folder_is_that_pictures_fault(
    store: LocalStore, tmp_path: Path
) -> None:
    (tmp_path / "out/folder.jpg").mkdir()
    for key, reason in ((b"gone", Reason.NOT_FOUND), (b"folder.jpg", Reason.UNREADABLE)):
        with pytest.raises(PictureError) as caught:
            store.get(key)
        assert caught.value.reason is reason


def test_the_version_changes_with_the_content(store: LocalStore, tmp_path: Path) -> None:
    store.put(b"a", b"one")
    before = store.head(b"a")
    os.utime(tmp_path / "out/a", ns=(1, 1))
    assert store.head(b"a") != before
    assert store.head(b"a").size == 3


def test_folders_are_listed_depth_first_and_sorted(tmp_path: Path) -> None:
    for name in ("b/2.jpg", "b/1.jpg", "a/c/3.jpg", "z.jpg", "a.jpg", ".optimizr/tmp/no.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert list(listing(tmp_path).items()) == [
        (b"", [b"a.jpg", b"z.jpg"]),
        (b"a", []),
        (b"a/c", [b"3.jpg"]),
        (b"b", [b"1.jpg", b"2.jpg"]),
    ]


def test_listing_is_lazy(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a.jpg").touch()
    folders = LocalStore(str(tmp_path)).folders()
    assert next(folders).names == [b"a.jpg"]
    (tmp_path / "a/late.jpg").touch()
    assert next(folders).names == [b"late.jpg"]


def test_links_are_followed_inside_but_not_out_or_round(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "real").mkdir(parents=True)
    (root / "real/a.jpg").touch()
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/secret.jpg").touch()
    (root / "inside").symlink_to(root / "real")
    (root / "out").symlink_to(tmp_path / "outside")
    (root / "out.jpg").symlink_to(tmp_path / "outside/secret.jpg")
    (root / "in.jpg").symlink_to("real/a.jpg")
    (root / "nowhere.jpg").symlink_to("real/none.jpg")
    (root / "self.jpg").symlink_to("self.jpg")
    (root / "real/up").symlink_to(root)
    folders = list(LocalStore(str(root)).folders())
    assert {folder.key: folder.names for folder in folders} == {
        b"": [b"in.jpg", b"nowhere.jpg"],
        b"inside": [b"a.jpg"],
        b"real": [b"a.jpg"],
    }
    assert sum(folder.ignored for folder in folders) == 5  # out, out.jpg, self.jpg, up twice


def test_folders_that_link_to_each_other_are_seen_once_more_for_each_link(tmp_path: Path) -> None:
    names = [f"{number}" for number in range(8)]
    for name in names:
        (tmp_path / name).mkdir()
        for other in names:
            (tmp_path / name / f"to {other}").symlink_to(tmp_path / other)
    assert len(listing(tmp_path)) == 1 + 8 + 8 * 7  # 8 * 7 * 6 * ... if links were followed on


def test_a_pipe_behind_a_link_fails_and_does_not_hang(store: LocalStore, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "out/pipe")
    with pytest.raises(PictureError) as caught:
        store.get(b"pipe")
    assert caught.value.reason is Reason.UNREADABLE
    assert "a device or a pipe" in caught.value.message


def test_folders_called_as_outputs_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "photo.WebP").mkdir()
    assert next(iter(LocalStore(str(tmp_path)).folders())).webp_folders == [b"photo.WebP"]


def test_an_output_that_may_not_be_written_to_is_a_mistake_told_at_once(tmp_path: Path) -> None:
    LocalStore(str(tmp_path / "out")).prepare()
    code = (
        "try: optimizr.store.local.LocalStore(sys.argv[1]).prepare()\n"
        "except optimizr.errors.ConfigError as error: print(error)"
    )
    told = as_nobody(tmp_path, "optimizr.store.local", code, tmp_path / "out")
    assert "expected a directory that can be written to" in told


def test_pipes_and_sockets_are_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    folder = next(LocalStore(str(tmp_path)).folders())
    assert (folder.names, folder.ignored) == ([], 1)


def test_a_folder_that_may_not_be_listed_is_told_and_the_rest_goes_on(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir()
    (tmp_path / "open").mkdir()
    (tmp_path / "open/a.jpg").touch()
    (tmp_path / "closed").chmod(0)
    code = (
        "for f in optimizr.store.local.LocalStore(sys.argv[1]).folders(): "
        "print(f.key, f.names, f.problem)"
    )
    told = as_nobody(tmp_path, "optimizr.store.local", code, tmp_path)
    assert "b'closed' [] expected a folder that can be listed, got: Permission denied" in told
    assert "b'open' [b'a.jpg'] None" in told


def test_an_output_that_cannot_be_made_is_a_mistake_of_the_settings(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="output: expected a directory that can be written to"):
        LocalStore(str(tmp_path / "file/below")).prepare()
