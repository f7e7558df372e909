"""From `input @LIST` to what its lines name: where the list is, and which form it has."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from optimizr.config import Settings
from optimizr.errors import ConfigError, EnvironmentStop, PictureError
from optimizr.source.formats import BadLine, Columns, Entry, plain, recognise
from optimizr.source.lines import Text
from optimizr.source.listed import Entries
from optimizr.source.manifest import read_manifest
from optimizr.source.names import extensions, is_picture
from optimizr.source.portions import Part
from optimizr.source.retry import FailedList
from optimizr.source.root import Root
from optimizr.store.local import LocalStore
from optimizr.store.open import open_place
from optimizr.store.place import Place, parse

_REFUSED = ("bucket_gone", "store_refused")
_FORMS = "a URL or a path a line, failed.jsonl, or an S3 Inventory as CSV or its manifest.json"
_COUNTED = 16 << 20
"""Bytes of a list that is not on this machine which are read a second time, to count its lines."""

Open = Callable[[bytes], Text]
"""Opens a part of a list by its key. Raises PictureError or EnvironmentStop."""


class _Spot(NamedTuple):
    """Where a list is."""

    name: str
    """For people."""
    open: Callable[[], Text]
    """Opens it. Raises PictureError or EnvironmentStop."""
    parts: tuple[Open, ...]
    """Where to look for what a manifest names, before its destination."""


def open_list(settings: Settings, name: str) -> FailedList | Entries:
    """Open a list, and see which form it has.

    Raises ConfigError if it is none, EnvironmentStop if it cannot be read.
    """
    place = parse("input", name)
    spot = _on_disk(name) if place is None else _in_store(settings, place)
    text, most = _opened(spot), None if place is None else _COUNTED
    try:
        form = recognise(text.head())
    except BadLine:
        raise ConfigError(
            f"input: expected a list as text ({_FORMS}) in {spot.name!r}, got another file; an S3 "
            "Inventory is read if its output format is CSV"
        ) from None
    if form == "failures":
        root = None if settings.root is None else os.fsencode(Root.given(settings.root).address)
        return FailedList(text, root, most)
    if form == "manifest":
        manifest = read_manifest(text)
        opens = (*spot.parts, _opener(settings, manifest.destination))
        parts = [
            Part(partial(_part, key, opens, spot.name), size)
            for key, size in zip(manifest.files, manifest.sizes, strict=True)
        ]
        return Entries(parts, manifest.columns.entry, manifest.source, _COUNTED)
    entry = plain if form == "plain" else Columns().entry
    return Entries([Part(lambda: text)], entry, most=most)


def root_of(settings: Settings, entries: Entries) -> Root:
    """Give what the list's keys are below: the setting, or what its first picture tells.

    Raises ConfigError if no line can be used. Of an empty list it is the current directory.
    """
    if settings.root is not None:
        return Root.given(settings.root)
    if entries.base is not None:
        return Root.of(Entry(entries.base, b""))
    endings = extensions(settings.picture.formats)
    first: Entry | None = None
    is_empty = True
    for _, entry in entries:
        is_empty = False
        first = first or entry
        if entry is not None and is_picture(entry.key.rpartition(b"/")[2], endings):
            return Root.of(entry)
    if first is None and not is_empty:
        raise ConfigError(
            f"input: expected a list with {_FORMS} in {settings.input[1:]!r}, got no line that is "
            "any of these; docs/storage.md tells how they look"
        )
    return Root.of(first or Entry("", b""))


def _on_disk(name: str) -> _Spot:
    folder, key = os.path.split(os.path.abspath(os.fsencode(name)))
    store = LocalStore(os.fsdecode(folder))

    def opened(key: bytes) -> Text:
        return Text(os.fsdecode(store.path(key)), store.get_chunks(key))

    return _Spot(
        name,
        lambda: Text(name, store.get_chunks(key)),
        (
            lambda part: opened(part.rpartition(b"/")[2]),
            lambda part: opened(b"data/" + part.rpartition(b"/")[2]),
        ),
    )


def _in_store(settings: Settings, place: Place) -> _Spot:
    around, name = place.parent()
    opened = _opener(settings, around.url)
    top = _opener(settings, place._replace(prefix="").url)
    return _Spot(place.url, lambda: opened(os.fsencode(name)), (top,))


def _opener(settings: Settings, url: str) -> Open:
    """Open what is in a store, which is reached only then."""

    def opened(key: bytes) -> Text:
        place = parse("input", url)
        assert place is not None
        store = open_place(place, settings.store, settings.publish)
        return Text(f"{url}/{os.fsdecode(key)}", store.get_chunks(key))

    return opened


def _opened(spot: _Spot) -> Text:
    try:
        return spot.open()
    except PictureError as error:
        why = error.message
    except EnvironmentStop as error:
        if error.cause not in _REFUSED:
            raise
        why = str(error)
    raise ConfigError(
        f"input: expected a list that can be read, got {spot.name!r} ({why}); check the spelling"
    )


def _part(key: bytes, opens: tuple[Open, ...], name: str) -> Text:
    """Open a file of an inventory, where it is found first."""
    for opened in opens:
        try:
            return opened(key)
        except PictureError as error:
            why = error.message
    raise EnvironmentStop(
        "list_unreadable",
        f"input: expected {os.fsdecode(key)!r}, which the manifest {name!r} names, to be beside it "
        f"or in the inventory's bucket, got: {why}; bring it back and run the same command again",
    )
