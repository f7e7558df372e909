"""S3 Inventory's manifest.json: which files the inventory of a bucket is in, and their columns."""

from __future__ import annotations

import json
from typing import NamedTuple

from optimizr.errors import ConfigError
from optimizr.source.formats import Columns
from optimizr.source.lines import Text

_MOST_BYTES = 64 << 20
"""Of a manifest: it names some hundred thousand files then."""


class Manifest(NamedTuple):
    """What is read of it."""

    source: str
    """URL of the bucket that the inventory is of."""
    destination: str
    """URL of the bucket that it is in."""
    columns: Columns
    files: tuple[bytes, ...]
    """Keys of its parts."""
    sizes: tuple[int, ...]
    """Bytes of each; 1 for all where one is not told."""


def read_manifest(text: Text) -> Manifest:
    """Read a manifest. Raises ConfigError if it is none that can be used."""
    data = text.whole(_MOST_BYTES)
    try:
        record = json.loads(data or b"")
        form = str(record["fileFormat"])
        if form.upper() != "CSV":
            raise ConfigError(
                f"input: expected an S3 Inventory as CSV, got one as {form} in {text.name!r}; "
                "configure the inventory's output format as CSV"
            )
        return Manifest(
            _url(record["sourceBucket"]),
            _url(record["destinationBucket"]),
            Columns.named(record["fileSchema"]),
            tuple(file["key"].encode() for file in record["files"]),
            _sizes([file.get("size") for file in record["files"]]),
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise ConfigError(
            f"input: expected the manifest.json of an S3 Inventory in {text.name!r}, got one that "
            "cannot be read, or without sourceBucket, destinationBucket, fileFormat, fileSchema "
            "or files; fetch it again"
        ) from None


def _sizes(told: list[object]) -> tuple[int, ...]:
    sizes = tuple(size for size in told if isinstance(size, int) and size > 0)
    return sizes if len(sizes) == len(told) else (1,) * len(told)


def _url(bucket: str) -> str:
    """Give the URL of a bucket that is named as such or by its ARN."""
    return f"s3://{bucket.rpartition(':')[2]}"
