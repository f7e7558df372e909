"""A bucket is listed a page at a time, however many keys it has."""

from __future__ import annotations

import tracemalloc
from typing import Any, cast

from optimizr.sections import PublishSettings, StoreSettings
from optimizr.source.bucket import Bucket
from optimizr.store import Object
from optimizr.store.alongside import Alongside
from optimizr.store.bucket import BucketStore
from optimizr.store.cloud.backend import Backend, Page
from optimizr.store.place import Place


def bucket(keys: int, ending: str) -> BucketStore:
    """Give a bucket of so many keys, which are made up as they are listed."""

    def page(prefix: str, token: str | None, most: int) -> Page:
        start = int(token or 0)
        end = min(start + most, keys)
        found = [
            Object(f"{prefix}{number:08}/a picture.jpg{ending}".encode(), 1000, str(number), number)
            for number in range(start, end)
        ]
        return Page(found, str(end) if end < keys else None)

    backend = Backend(cast(Any, None), page, cast(Any, None))
    return BucketStore(Place("s3", "b", "p"), lambda: backend, StoreSettings(), PublishSettings())


def peak_of(keys: int) -> int:
    """Compare the listings of two buckets of so many keys; give the bytes that takes."""
    source = Bucket(bucket(keys, ""), ("jpeg",))
    standing = Alongside(bucket(keys, ".webp").objects())
    tracemalloc.start()
    seen = sum(standing.find(item.output) is not None for item in source)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert seen == keys
    return peak


def test_ten_times_as_many_keys_take_no_more_memory() -> None:
    assert peak_of(60_000) < 1.2 * peak_of(6_000)
