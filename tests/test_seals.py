"""What a run leaves in a bucket's output, so that the next one need not ask each output."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizr.config import Settings
from optimizr.ledger.none import NoLedger
from optimizr.resume import Resume
from optimizr.seals import Found, Seals
from optimizr.source import Item
from optimizr.store import UNSURE, Standing
from optimizr.store.alongside import Alongside
from optimizr.store.memory import MemoryStore
from optimizr.store.place import Place
from tests.library import Library, counting

NAMES = (f"seals-{number}" for number in itertools.count())


def settings(**sections: Any) -> Settings:
    return Settings(input="memory://a", output="memory://b", **sections)


@pytest.fixture
def output() -> Iterator[MemoryStore]:
    name = next(NAMES)
    yield MemoryStore(Place("memory", name, ""))
    del MemoryStore.buckets[name]


def item(number: int, version: str = "1") -> Item:
    key = f"{number:05}.jpg".encode()
    return Item(key, key + b".webp", 10, version)


Outputs = dict[bytes, Standing | None]


def standing(items: list[Item], version: str = "w") -> Outputs:
    return {one.output: Standing(5, 0, None, version) for one in items}


def first_run(output: MemoryStore, items: list[Item], outputs: Outputs) -> None:
    """Make all outputs, and leave the seals."""
    seals = Seals(output, settings())
    for found in list(seals.stretches(Found(item, None) for item in items)):
        made = outputs[found.item.output]
        if made is not None:
            seals.add(found.item, made.version)
    seals.save(is_whole=True)


def sealed(output: MemoryStore, items: list[Item], outputs: Outputs, **other: Any) -> set[bytes]:
    """Give the keys that a second run need not ask about."""
    seals = Seals(output, settings(**other))
    found = list(seals.stretches(Found(item, outputs.get(item.output)) for item in items))
    assert [one.item.key for one in found] == [one.key for one in items], "each comes by once"
    return {one.item.key for one in found if one.is_sealed}


@given(
    count=st.integers(0, 6_000),
    change=st.sampled_from(["nothing", "source", "output", "gone", "new", "unsure"]),
    where=st.integers(0, 5_999),
)
def test_a_seal_vouches_for_just_what_has_not_changed(count: int, change: str, where: int) -> None:
    bucket = MemoryStore(Place("memory", next(NAMES), ""))
    items = [item(number) for number in range(count)]
    outputs = standing(items)
    first_run(bucket, items, outputs)
    keys = {one.key for one in items}
    assert sealed(bucket, items, outputs) == keys
    assert not sealed(bucket, items, outputs, webp={"quality": 70})
    if not count:
        return
    one = items[where % count]
    if change == "source":
        items[where % count] = one._replace(version="2")
    elif change == "output":
        outputs[one.output] = Standing(5, 0, None, "somebody's")
    elif change == "gone":
        outputs[one.output] = None
    elif change == "new":
        outputs = {key: found for key, found in outputs.items() if key != one.output}
    elif change == "unsure":
        outputs[one.output] = UNSURE
    vouched = sealed(bucket, items, outputs)
    if change == "nothing":
        assert vouched == keys
        return
    assert one.key not in vouched
    assert vouched <= keys
    assert len(keys) - len(vouched) <= 4 * 1024, "one stretch is asked, and no more"


def test_a_picture_that_failed_does_not_take_the_seal_from_others(output: MemoryStore) -> None:
    items = [item(number) for number in range(50)]
    outputs = standing(items)
    outputs[items[7].output] = None
    first_run(output, items, outputs)
    assert sealed(output, items, outputs) == {one.key for one in items} - {items[7].key}
    outputs[items[7].output] = Standing(5, 0, None, "not ours")
    assert not sealed(output, items, outputs)


def test_a_run_that_was_ended_keeps_the_seals_of_the_one_before(output: MemoryStore) -> None:
    items = [item(number) for number in range(5_000)]
    outputs = standing(items)
    first_run(output, items, outputs)
    ended = Seals(output, settings())
    listed = (Found(item, outputs.get(item.output)) for item in items)
    for found in itertools.islice(ended.stretches(listed), 10):
        ended.add(found.item, "w")
    ended.save(is_whole=False)
    assert sealed(output, items, outputs) == {one.key for one in items}


@pytest.mark.parametrize("junk", [b"", b"no JSON", b"[]", b'{"settings": 1}', b'{"sums": ["x"]}'])
def test_what_is_no_file_of_seals_vouches_for_nothing(output: MemoryStore, junk: bytes) -> None:
    output.put(b".optimizr/seals.json", junk)
    items = [item(1)]
    assert not sealed(output, items, standing(items))


def test_a_second_run_asks_no_output_about_itself_and_a_changed_picture_is_made_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    library = Library()
    assert library.run().converted.keys() == library.keys
    asked = counting(monkeypatch, "find")
    assert set(library.run().skipped) == library.keys
    assert asked["find"] == 1, "for failed.jsonl alone"
    key = min(library.keys)
    library.draw(key, 99)
    again = library.run()
    assert again.converted.keys() == {key}
    assert set(again.skipped) == library.keys - {key}


def test_what_is_missing_is_not_asked_for_where_originals_may_be_copied(
    output: MemoryStore,
) -> None:
    items = [item(number) for number in range(5_000)]
    for one in items[::2]:
        output.put(one.output, b"webp")
    copies = settings(policy={"if_larger": "copy"})
    seals, find = Seals(output, copies), Alongside(output.objects()).find
    with NoLedger() as ledger:
        resume = Resume(items, ledger, output, copies, find=find, seals=seals)
        left = [one for one in resume if isinstance(one, Item)]
    assert {one.key for one in left if one.is_doubtful} == {one.key for one in items[::2]}
