"""The pictures of a bucket, one by one, as its listing tells of them."""

from __future__ import annotations

import json
from itertools import chain
from pathlib import Path

import pytest

from optimizr import inputs
from optimizr.config import Settings
from optimizr.errors import ConfigError, Reason
from optimizr.source import Item
from optimizr.source.bucket import Bucket
from optimizr.source.shard import Shard
from optimizr.store.memory import MemoryStore
from tests.buckets import Memory, open_at

FORMATS = ("jpeg", "png")
ODD = ["a//b.jpg", "d/./x.png", "tab\there.jpg", "caf\udce9.jpg", f"{'n' * 1021}.jpg"]


@pytest.fixture
def memory() -> Memory:
    return Memory("pictures")


def fill(memory: Memory, *keys: str) -> MemoryStore:
    for key in keys:
        memory.put(f"in/{key}", key.encode("utf-8", "surrogateescape"))
    store = open_at(f"{memory.url}/in")
    assert isinstance(store, MemoryStore)
    return store


def open_source(input_: str, **more: object) -> list[Item]:
    settings = Settings(input=input_, output="memory://webps", **more)  # type: ignore[arg-type]
    return list(inputs.open_input(settings)[1])


def test_items_come_in_order_with_what_the_listing_tells(memory: Memory) -> None:
    store = fill(memory, "b.PNG", "a.jpg", "a.jpg-1.jpg", "deep/er/c d.jpeg")
    items = list(Bucket(store, FORMATS))
    assert [item.key for item in items] == [
        *(b"a.jpg", b"a.jpg-1.jpg", b"b.PNG", b"deep/er/c d.jpeg")
    ]
    for item in items:
        assert item.output == item.key + b".webp"
        assert (item.size, item.version) == store.head(item.key)
        assert item.problem is None
        assert Bucket(store, FORMATS).item(item.key) == item


def test_what_is_no_picture_by_name_is_counted_and_passed_over(memory: Memory) -> None:
    source = Bucket(fill(memory, "a.jpg", "a.jpg.webp", "b.txt", "jpg", ".jpg", "x.gif"), FORMATS)
    assert source.ignored == 0
    assert [item.key for item in source] == [b"a.jpg"]
    assert source.ignored == 5
    assert source.count() == 1
    assert source.is_whole


def test_odd_keys_are_items_that_fail_and_the_others_go_on(memory: Memory) -> None:
    source = Bucket(fill(memory, *ODD, "a.jpg", "z.jpg"), FORMATS)
    problems = {item.key: item.problem and item.problem.reason for item in source}
    assert problems == {
        b"a.jpg": None,
        b"z.jpg": None,
        b"a//b.jpg": Reason.KEY_NOT_ADDRESSABLE,
        b"d/./x.png": Reason.KEY_NOT_ADDRESSABLE,
        b"tab\there.jpg": Reason.KEY_NOT_ADDRESSABLE,
        b"caf\xe9.jpg": Reason.KEY_NOT_ADDRESSABLE,
        b"n" * 1021 + b".jpg": Reason.NAME_TOO_LONG,
    }
    assert source.count() == 7
    assert {item.key for item in source if item.problem} == {
        key for key in problems if Bucket(fill(memory), FORMATS).item(key).problem
    }


def test_each_item_is_of_one_shard_and_a_pictures_siblings_are_of_the_same(memory: Memory) -> None:
    names = [f"{number}.{ending}" for number in range(40) for ending in ("jpg", "png", "txt")]
    store = fill(memory, *names)
    parts = [Bucket(store, FORMATS, shard=Shard(index, 3)) for index in range(3)]
    keys = [[item.key for item in part] for part in parts]
    assert sorted(chain(*keys)) == sorted(item.key for item in Bucket(store, FORMATS))
    assert all(keys)
    assert sum(part.ignored for part in parts) == 40
    assert [part.count() for part in parts] == [len(part) for part in keys]
    stems = [{key[:-4] for key in part} for part in keys]
    assert not stems[0] & stems[1] | stems[1] & stems[2] | stems[2] & stems[0]


def test_a_bucket_of_one_picture_has_that_one_and_nothing_else(memory: Memory) -> None:
    fill(memory, "a.jpg", "b.jpg", "folder.jpg/c.jpg", "d.txt")
    assert [item.key for item in open_source(f"{memory.url}/in/a.jpg")] == [b"a.jpg"]
    assert [item.key for item in open_source(f"{memory.url}/in/folder.jpg")] == [b"c.jpg"]
    assert open_source(f"{memory.url}/in/d.txt") == []
    source = Bucket(fill(memory), FORMATS, only=b"a.jpg")
    assert source.count() == 1
    assert not source.is_whole
    assert source.covers(b"a.jpg")
    assert not source.covers(b"b.jpg")


def test_what_is_gone_since_is_an_item_that_fails(memory: Memory) -> None:
    item = Bucket(fill(memory, "a.jpg"), FORMATS).item(b"b.jpg")
    assert item.problem is not None
    assert item.problem.reason is Reason.NOT_FOUND
    assert item.output == b"b.jpg.webp"


def test_a_failed_jsonl_is_worked_through_and_nothing_else(memory: Memory, tmp_path: Path) -> None:
    store = fill(memory, "a.jpg", "b 100%.jpg", "c.jpg", "gone.jpg")
    failed = tmp_path / "failed.jsonl"
    keys = [b"b 100%.jpg", b"gone.jpg", b"a.jpg", b"a.jpg"]
    lines = [{"key": key, "source": store.full_path(key)} for key in keys]
    for line, key in zip(lines, keys, strict=True):
        line["key"] = key.decode().replace("%", "%25")
    failed.write_text("".join(json.dumps(line) + "\n" for line in [*lines, {"key": "x"}]))
    store.remove(b"gone.jpg")
    items = open_source(f"@{failed}")
    assert [(item.key, item.problem and item.problem.reason) for item in items] == [
        (b"b 100%.jpg", None),
        (b"gone.jpg", None),
        (b"a.jpg", None),
        (f"{failed}:5".encode(), Reason.BAD_LINE),
    ]
    assert items[0].output == b"b 100%.jpg.webp"
    assert [item.is_unseen for item in items] == [True, True, True, False]


def test_an_odd_key_that_is_tried_again_fails_for_what_it_is(
    memory: Memory, tmp_path: Path
) -> None:
    store = fill(memory, "a.jpg")
    failed = tmp_path / "failed.jsonl"
    odd = b"d//odd.jpg"
    line = {"key": odd.decode(), "source": store.full_path(odd)}
    failed.write_text(json.dumps(line) + "\n")
    items = open_source(f"@{failed}")
    assert [(item.key, item.problem and item.problem.reason) for item in items] == [
        (odd, Reason.KEY_NOT_ADDRESSABLE)
    ]


def test_outputs_below_the_input_and_dead_letters_are_no_sources(memory: Memory) -> None:
    fill(memory, "a.jpg", "webp/a.jpg", "bad/b.jpg")
    settings = Settings(
        input=f"{memory.url}/in", output=f"{memory.url}/in/webp", dead_letter=f"{memory.url}/in/bad"
    )
    assert [item.key for item in inputs.open_input(settings)[1]] == [b"a.jpg"]


def test_what_would_give_two_pictures_one_output_is_refused(memory: Memory) -> None:
    url = f"{memory.url}/in"
    for more in (
        {"policy": {"naming": "replace"}},
        {"policy": {"if_larger": "copy"}, "picture": {"formats": ["jpeg", "webp"]}},
    ):
        with pytest.raises(ConfigError, match=r"^policy"):
            open_source(url, **more)
    in_place = Settings(input=url, output=f"{url}/", picture={"formats": ["webp"]})  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="expected another place than the input"):
        inputs.open_input(in_place)
