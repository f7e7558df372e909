"""From bucket to bucket of each cloud, as far as a server of it is here."""

from __future__ import annotations

import pytest

import optimizr
from optimizr.config import Settings
from optimizr.events import Event, ImageConverted, ImageFailed
from tests.buckets import KINDS, new_bucket, open_at
from tests.library import REPORTS
from tests.make_pictures import drawing

# Stores that keep folders list what is in `a/` before `a.jpg`, and `a.jpg` before `a-1.jpg`.
KEYS = ["a.jpg", "a/b.jpg", "a/b/c.jpg", "a-1.jpg", "a.jpg-1.jpg", "a-/d.jpg", "z ü%.jpg", "b.png"]


@pytest.mark.parametrize("scheme", KINDS)
def test_all_is_made_once_whatever_order_the_bucket_lists_in(
    scheme: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = new_bucket(scheme, request, monkeypatch)
    source = open_at(f"{bucket.url}/in")
    for number, key in enumerate(KEYS):
        source.put(key.encode(), drawing(32, 24, number).pngsave_buffer())
    told: list[Event] = []
    for expected in (set(KEYS), set()):
        told.clear()
        settings = Settings(input=f"{bucket.url}/in", output=f"{bucket.url}/out")
        done = optimizr.run(settings, told.append)
        assert [event for event in told if isinstance(event, ImageFailed)] == []
        keys = {event.key for event in told if isinstance(event, ImageConverted)}
        assert {key.replace("%25", "%") for key in keys} == expected
        assert done.exit_code == 0
    made = {found.key.decode() for found in open_at(f"{bucket.url}/out").objects()}
    assert made - set(REPORTS) == {f"{key}.webp" for key in KEYS}
