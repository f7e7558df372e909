"""From bucket to bucket: what is made, what is left, and what is done again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from optimizr.store.memory import MemoryStore
from tests.buckets import open_at
from tests.library import Library, counting
from tests.make_pictures import drawing


@pytest.fixture
def library() -> Library:
    return Library()


def test_every_picture_becomes_a_webp_of_its_whole_name_that_says_what_it_is_of(
    library: Library,
) -> None:
    done = library.run()
    assert done.summary.exit_code == 0
    assert done.converted == {key: f"{key}.webp" for key in library.keys}
    made = library.made()
    assert made.keys() == {f"{key}.webp" for key in library.keys}
    assert all(data[:4] == b"RIFF" and data[8:12] == b"WEBP" for data in made.values())
    source, output = open_at(library.input), open_at(library.output)
    for key in map(str.encode, library.keys):
        standing = output.find(key + b".webp")
        assert standing is not None
        assert standing.label is not None
        assert standing.label.source == source.head(key).version


def test_a_second_run_converts_nothing_and_reads_no_picture(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    library.run()
    before = library.made()
    counts = counting(monkeypatch, "get", "head", "find")
    done = library.run(report={"gallery": 0})
    assert done.skipped == dict.fromkeys(library.keys, "up_to_date")
    assert (done.converted, done.failed) == ({}, {})
    assert counts == {"get": 1, "find": 1}, "the seals, and whether there is a failed.jsonl"
    assert library.made() == before


def test_a_first_run_asks_about_nothing_that_its_listings_tell(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = counting(monkeypatch, "get", "head", "find")
    library.run(report={"gallery": 0})
    assert counts == {"get": 7, "find": 1}, "the pictures, and as above"


def test_with_a_ledger_a_second_run_asks_for_no_object_at_all(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = str(tmp_path / "ledger")
    library.run(ledger=ledger)
    counts = counting(monkeypatch, "get", "head", "find")
    done = library.run(ledger=ledger, report={"gallery": 0})
    assert done.skipped == dict.fromkeys(library.keys, "up_to_date")
    assert counts == {"find": 1}, "whether there is a failed.jsonl"
    [key, *_] = library.keys
    open_at(library.output).remove(f"{key}.webp".encode())
    assert library.run(ledger=ledger).converted.keys() == {key}


def test_a_ledger_that_is_new_believes_the_labels(library: Library, tmp_path: Path) -> None:
    library.run()
    done = library.run(ledger=str(tmp_path / "ledger"))
    assert done.skipped == dict.fromkeys(library.keys, "up_to_date")
    library.draw("a.jpg", 77)
    done = library.run(ledger=str(tmp_path / "ledger"))
    assert done.converted.keys() == {"a.jpg"}
    assert library.run().converted == {}  # nor is the ledger's run strange to one without


def test_other_settings_make_all_anew(library: Library) -> None:
    library.run()
    before = library.made()
    done = library.run(webp={"quality": 40})
    assert done.converted.keys() == library.keys
    after = library.made()
    assert after.keys() == before.keys()
    assert all(after[key] != before[key] for key in before)
    assert library.run(webp={"quality": 40}).converted == {}


def test_a_picture_that_changed_is_made_anew_and_no_other(library: Library) -> None:
    library.run()
    before = library.made()
    library.draw("a.jpg", 77)
    library.draw("new.png", 78)
    assert library.run().converted.keys() == {"a.jpg", "new.png"}
    after = library.made()
    assert {key for key in after if after[key] != before.get(key)} == {"a.jpg.webp", "new.png.webp"}


def test_force_makes_all_anew(library: Library) -> None:
    library.run()
    assert library.run(force=True).converted.keys() == library.keys


def test_outputs_that_are_gone_are_made_anew(library: Library) -> None:
    library.run()
    open_at(library.output).remove(b"a.jpg.webp")
    assert library.run().converted.keys() == {"a.jpg"}


def test_a_bucket_is_written_to_from_a_directory_and_read_into_one(
    library: Library, tmp_path: Path
) -> None:
    library.run(output=str(tmp_path / "webp"))
    local = {f"{key}.webp" for key in library.keys}
    assert {str(p.relative_to(tmp_path / "webp")) for p in tmp_path.rglob("*.webp")} == local
    assert library.run(output=str(tmp_path / "webp")).converted == {}
    (tmp_path / "in").mkdir()
    drawing(48, 32).pngsave(str(tmp_path / "in/x.png"))
    for expected in ({"x.png"}, set()):
        done = library.run(input=str(tmp_path / "in"), policy={"naming": "append"})
        assert done.converted.keys() == expected
    assert library.made().keys() == {"x.png.webp"}


def test_an_output_below_its_input_is_no_source(library: Library) -> None:
    output, bad = f"{library.input}/webp", f"{library.input}/bad"
    library.put("broken.jpg", b"no picture")
    more: dict[str, Any] = {
        "output": output,
        "dead_letter": bad,
        "picture": {"formats": ["jpeg", "png", "webp"]},
    }
    for expected in (library.keys, set()):
        done = library.run(**more)
        assert done.converted.keys() == expected
        assert done.failed.keys() == {"broken.jpg"}
    assert library.made(output).keys() == {f"{key}.webp" for key in library.keys}


def test_outputs_may_stand_beside_their_pictures(library: Library) -> None:
    for expected in (library.keys, set()):
        assert library.run(output=library.input).converted.keys() == expected
    assert library.made(library.input).keys() == library.keys | {
        f"{key}.webp" for key in library.keys
    }


def test_one_picture_may_be_named(library: Library) -> None:
    for expected in ({"a b.jpg"}, set()):
        done = library.run(input=f"{library.input}/a b.jpg")
        assert done.converted.keys() == expected
    assert library.made().keys() == {"a b.jpg.webp"}
    assert library.run().skipped == {"a b.jpg": "up_to_date"}


def test_shards_share_a_bucket_and_an_output(library: Library) -> None:
    done = [library.run(shard={"index": index, "count": 2}) for index in range(2)]
    assert not done[0].converted.keys() & done[1].converted.keys()
    assert done[0].converted.keys() | done[1].converted.keys() == library.keys
    assert library.run().converted == {}
    assert library.read("summary-1-of-2.json")


def test_a_picture_that_changes_between_listing_and_reading_fails_as_changed(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    listing = MemoryStore.objects

    def stale(store: MemoryStore) -> object:
        for found in listing(store):
            yield found._replace(version="old") if found.key == b"a.jpg" else found

    monkeypatch.setattr(MemoryStore, "objects", stale)
    done = library.run()
    assert done.failed == {"a.jpg": "changed"}
    assert done.converted.keys() == library.keys - {"a.jpg"}
    monkeypatch.undo()
    assert library.run().converted.keys() == {"a.jpg"}


@pytest.mark.parametrize("overwrite", ["changed", "never", "always"])
def test_a_put_whose_answer_was_lost_is_counted_once(
    library: Library, monkeypatch: pytest.MonkeyPatch, overwrite: str
) -> None:
    put = MemoryStore.put

    def twice(store: MemoryStore, key: bytes, *args: object) -> str | None:
        put(store, key, *args)  # type: ignore[arg-type]
        return put(store, key, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(MemoryStore, "put", twice)
    done = library.run(policy={"overwrite": overwrite})
    assert done.converted.keys() == library.keys
    assert (done.summary.converted_files, done.skipped) == (6, {})


def test_the_reports_are_where_the_output_is(library: Library) -> None:
    library.run()
    summary = json.loads(library.read("summary.json") or b"")
    assert summary["processed_files"] == 6
    assert (library.read("report.html") or b"").startswith(b"<!")
    assert library.read("failed.jsonl") is None
