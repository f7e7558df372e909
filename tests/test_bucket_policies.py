"""What stands in a bucket already, what is not worth writing, and what fails."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from optimizr.config import Settings
from optimizr.errors import ConfigError
from optimizr.pool import Stop
from optimizr.prune import prune
from optimizr.store.memory import MemoryStore
from tests.buckets import Memory
from tests.library import Library, hard_to_beat


@pytest.fixture
def library() -> Library:
    return Library()


THEIRS = b"of somebody else"


@pytest.fixture(params=["without a ledger", "with a ledger"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> str | None:
    return str(tmp_path / "ledger") if request.param == "with a ledger" else None


def test_what_optimizr_did_not_make_is_not_replaced(library: Library, ledger: str | None) -> None:
    library.webps.put("out/a.jpg.webp", THEIRS)
    for _ in range(2):
        done = library.run(ledger=ledger)
        assert done.failed == {"a.jpg": "output_not_ours"}
        assert library.failures() == {"a.jpg": "output_not_ours"}
        assert library.made()["a.jpg.webp"] == THEIRS
        assert done.summary.exit_code == 1


def test_overwrite_always_replaces_it_once(library: Library, ledger: str | None) -> None:
    library.webps.put("out/a.jpg.webp", THEIRS)
    always = {"overwrite": "always"}
    assert library.run(ledger=ledger, policy=always).converted.keys() == library.keys
    assert library.made()["a.jpg.webp"] != THEIRS
    assert library.run(ledger=ledger, policy=always).converted == {}


def test_overwrite_never_leaves_it(library: Library, ledger: str | None) -> None:
    library.webps.put("out/a.jpg.webp", THEIRS)
    never = {"overwrite": "never"}
    done = library.run(ledger=ledger, policy=never)
    assert done.converted.keys() == library.keys - {"a.jpg"}
    assert done.skipped == {"a.jpg": "output_exists"}
    assert library.made()["a.jpg.webp"] == THEIRS
    before = library.made()
    done = library.run(ledger=ledger, policy=never, webp={"quality": 30})
    assert done.converted == {}
    assert set(done.skipped.values()) == {"output_exists"}
    assert library.made() == before


def test_overwrite_never_leaves_what_comes_while_it_is_at_work(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = MemoryStore.put

    def late(store: MemoryStore, key: bytes, *args: object) -> str | None:
        if key == b"a.jpg.webp" and store.find(key) is None:
            put(store, key, THEIRS)
        return put(store, key, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(MemoryStore, "put", late)
    done = library.run(policy={"overwrite": "never"})
    assert done.skipped == {"a.jpg": "output_exists"}
    assert library.made()["a.jpg.webp"] == THEIRS


@pytest.fixture
def hard(library: Library) -> Library:
    """Have a picture among them that gets larger at quality 100."""
    library.put("hard.jpg", hard_to_beat())
    return library


BEST = {"quality": 100}


def test_if_larger_copy_puts_the_original_there_once(hard: Library, ledger: str | None) -> None:
    copy = {"if_larger": "copy"}
    done = hard.run(ledger=ledger, policy=copy, webp=BEST)
    assert done.skipped["hard.jpg"] == "larger_copied"
    assert hard.made()["hard.jpg"] == hard_to_beat()
    assert "hard.jpg.webp" not in hard.made()
    done = hard.run(ledger=ledger, policy=copy, webp=BEST)
    assert set(done.skipped.values()) == {"up_to_date"}
    assert done.skipped.keys() == hard.keys | {"hard.jpg"}
    # With settings by which it gets smaller, the copy gives way to a WebP, and comes back.
    done = hard.run(ledger=ledger, policy=copy, webp={"quality": 5})
    assert "hard.jpg" in done.converted
    assert "hard.jpg" not in hard.made()
    done = hard.run(ledger=ledger, policy=copy, webp=BEST)
    assert done.skipped["hard.jpg"] == "larger_copied"
    assert "hard.jpg.webp" not in hard.made()


def test_if_larger_copy_replaces_no_file_of_somebody_else(hard: Library) -> None:
    hard.webps.put("out/hard.jpg", THEIRS)
    done = hard.run(policy={"if_larger": "copy"}, webp=BEST)
    assert done.failed == {"hard.jpg": "output_not_ours"}
    assert hard.made()["hard.jpg"] == THEIRS


def test_if_larger_copy_in_place_leaves_the_original_where_it_is(hard: Library) -> None:
    for _ in range(2):
        done = hard.run(output=hard.input, policy={"if_larger": "copy"}, webp=BEST)
        assert done.failed == {}
        assert hard.made(hard.input)["hard.jpg"] == hard_to_beat()


def test_if_larger_skip_leaves_no_output(hard: Library, ledger: str | None) -> None:
    hard.run(ledger=ledger)
    assert "hard.jpg.webp" in hard.made()
    for _ in range(2):
        done = hard.run(ledger=ledger, policy={"if_larger": "skip"}, webp=BEST)
        assert "hard.jpg.webp" not in hard.made()
    assert done.skipped["hard.jpg"] == ("larger_skipped" if ledger is None else "up_to_date")
    assert done.converted == {}


def test_if_larger_keep_writes_it_and_knows_it_again(hard: Library, ledger: str | None) -> None:
    assert "hard.jpg" in hard.run(ledger=ledger, webp=BEST).converted
    assert hard.run(ledger=ledger, webp=BEST).converted == {}
    done = hard.run(ledger=ledger, webp=BEST, policy={"if_larger": "skip"})
    assert (done.skipped["hard.jpg"], done.converted) == ("larger_skipped", {})


def test_failures_are_listed_in_the_output_until_they_are_mended(
    library: Library, ledger: str | None
) -> None:
    library.put("broken.jpg", b"no picture")
    library.put("d//odd.jpg", b"no key")
    done = library.run(ledger=ledger)
    wrong = {"broken.jpg": "not_a_picture", "d//odd.jpg": "key_not_addressable"}
    assert done.failed == wrong
    assert done.converted.keys() == library.keys
    assert done.summary.exit_code == 1
    assert library.failures() == wrong
    library.draw("broken.jpg", 5)
    library.remove("d//odd.jpg")
    done = library.run(ledger=ledger)
    assert done.converted.keys() == {"broken.jpg"}
    assert done.summary.exit_code == 0
    assert library.read("failed.jsonl") is None


def test_failures_are_tried_again_by_their_list(library: Library, tmp_path: Path) -> None:
    library.put("broken 100%.jpg", b"no picture")
    library.run()
    failed = tmp_path / "failed.jsonl"
    failed.write_bytes(library.read("failed.jsonl") or b"")
    assert library.run(input=f"@{failed}").failed == {"broken 100%25.jpg": "not_a_picture"}
    library.draw("broken 100%.jpg", 5)
    done = library.run(input=f"@{failed}")
    assert done.converted.keys() == {"broken 100%25.jpg"}
    assert library.run().skipped.keys() == library.keys | {"broken 100%25.jpg"}


def test_originals_of_failures_go_where_they_are_looked_at(
    library: Library, tmp_path: Path
) -> None:
    library.put("d/broken.jpg", b"no picture")
    there = Memory("bad")
    library.run(dead_letter=f"{there.url}/letters")
    assert library.made(f"{there.url}/letters") == {"d/broken.jpg": b"no picture"}
    library.run(dead_letter=str(tmp_path / "bad"))
    assert (tmp_path / "bad/d/broken.jpg").read_bytes() == b"no picture"
    (tmp_path / "in").mkdir()
    (tmp_path / "in/other.jpg").write_bytes(b"nor this")
    library.run(input=str(tmp_path / "in"), dead_letter=there.url, output=str(tmp_path / "webp"))
    assert library.made(there.url)["other.jpg"] == b"nor this"


def test_with_a_ledger_failures_stay_listed_until_their_pictures_come_by(
    library: Library, tmp_path: Path
) -> None:
    ledger = str(tmp_path / "ledger")
    library.put("broken.jpg", b"no picture")
    library.run(ledger=ledger)
    for input_ in (f"{library.input}/a.jpg", "memory://empty"):
        library.run(ledger=ledger, input=input_)
        assert library.failures() == {"broken.jpg": "not_a_picture"}
    library.remove("broken.jpg")
    library.run(ledger=ledger)
    assert library.failures() == {}


def test_an_original_that_is_a_copy_of_an_earlier_run_outlives_a_run_in_its_own_place(
    library: Library, ledger: str | None
) -> None:
    original = hard_to_beat()
    library.put("a.jpg", original)
    assert library.run(policy={"if_larger": "copy"}).skipped["a.jpg"] == "larger_copied"
    in_place: dict[str, Any] = {
        "input": library.output,
        "policy": {"if_larger": "copy"},
        "webp": {"quality": 5},
    }
    assert library.run(ledger=ledger, **in_place).converted["a.jpg"] == "a.jpg.webp"
    assert library.made()["a.jpg"] == original


def test_what_is_as_large_as_an_output_was_is_not_taken_for_it(
    library: Library, tmp_path: Path
) -> None:
    ledger = str(tmp_path / "ledger")
    assert library.run(ledger=ledger).converted.keys() == library.keys
    theirs = bytes(len(library.made()["a.jpg.webp"]))
    library.webps.put("out/a.jpg.webp", theirs)
    done = library.run(ledger=ledger, webp={"quality": 30})
    assert done.failed == {"a.jpg": "output_not_ours"}
    assert done.converted.keys() == library.keys - {"a.jpg"}
    assert library.made()["a.jpg.webp"] == theirs


def test_prune_leaves_what_is_as_large_as_an_output_was(library: Library, tmp_path: Path) -> None:
    ledger = str(tmp_path / "ledger")
    library.run(ledger=ledger)
    theirs = bytes(len(library.made()["a.jpg.webp"]))
    library.webps.put("out/a.jpg.webp", theirs)
    library.remove("a.jpg")
    library.remove("a.png")
    settings = Settings(input=library.input, output=library.output, ledger=ledger)
    orphans = {orphan.path: orphan.is_ours for orphan in prune(settings, True, Stop())}
    assert orphans == {
        f"{library.output}/a.jpg.webp": False,
        f"{library.output}/a.png.webp": True,
    }
    assert library.made()["a.jpg.webp"] == theirs
    assert "a.png.webp" not in library.made()


def test_a_copy_does_not_replace_what_comes_while_it_is_at_work(
    hard: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = MemoryStore.put

    def late(store: MemoryStore, key: bytes, *args: object) -> str | None:
        if key == b"hard.jpg" and store.find(key) is None:
            put(store, key, THEIRS)
        return put(store, key, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(MemoryStore, "put", late)
    done = hard.run(webp={"quality": 100}, policy={"if_larger": "copy"})
    assert done.failed == {"hard.jpg": "output_not_ours"}
    assert hard.made()["hard.jpg"] == THEIRS


def test_dead_letters_never_go_where_a_picture_could_be_replaced(library: Library) -> None:
    for place in (library.bucket.url, library.input, library.webps.url):
        with pytest.raises(ConfigError, match="dead_letter: expected a place in a bucket"):
            library.run(dead_letter=place)
