"""How what was made of a picture gets into the output: the last stage of its way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from optimizr.config import Settings
from optimizr.convert import Converted, Header, Options
from optimizr.errors import PictureError, Stage
from optimizr.events import ImageConverted, ImageSkipped
from optimizr.hooks import Hooks
from optimizr.labels import Labels
from optimizr.outcomes import Facts, converted, skipped_as
from optimizr.source import Item
from optimizr.stopwatch import Stopwatch
from optimizr.store import Label, Store, Writer
from optimizr.twins import Twin

Done = ImageConverted | ImageSkipped


class Outlet:
    """Puts, clones, copies or leaves, as the policy has it. Called from many threads at once."""

    def __init__(
        self,
        source: Store,
        output: Writer,
        settings: Settings,
        options: Options,
        hooks: Hooks,
        labels: Labels,
        check_wanted: Callable[[], None],
    ) -> None:
        """Take what is needed; `check_wanted` raises Cancelled where nothing may be written."""
        self._source = source
        self._output = output
        self._options = options
        self._if_larger = settings.policy.if_larger
        self._hooks = hooks
        self._labels = labels
        self._check_wanted = check_wanted

    def store(
        self, item: Item, data: bytes, header: Header, made: Converted, watch: Stopwatch
    ) -> tuple[Done, Twin | None]:
        """Do with a picture's WebP what is to be done; say what others of equal bytes may go by.

        Under `keep`, a WebP that would not get smaller is taken as it is: encoding it again would
        only lose quality.
        """
        facts = Facts.of(header, made)
        skipped = self._not_worth_it(item, data, facts.output_bytes, watch)
        if skipped is not None:
            return skipped, Twin(item.key, item.output, "", facts)
        is_larger = facts.output_bytes >= len(data)
        if is_larger and header.is_as_asked(self._options):
            put = self._put_webp(item, data, is_larger, watch)
            reason = "output_exists" if put is None else "webp_copied"
            return skipped_as(item, len(data), reason, item.output, facts.output_bytes), None
        version = self._put_webp(item, made.data, is_larger, watch)
        if version is None:
            return skipped_as(item, len(data), "output_exists", item.output), None
        twin = Twin(item.key, item.output, version, facts) if version else None
        return converted(item, len(data), facts, watch), twin

    def repeat(self, item: Item, data: bytes, twin: Twin, watch: Stopwatch) -> Done | None:
        """Do with a picture what was done with its twin; None if the twin's WebP is not there."""
        size = twin.facts.output_bytes
        skipped = self._not_worth_it(item, data, size, watch)
        if skipped is not None:
            return skipped

        def clone(label: Label, new: bool) -> str | None:
            return self._output.clone(item.output, twin.output, twin.version, label, new)

        try:
            version = self._write_webp(item, clone, size >= len(data), watch)
        except PictureError as error:
            if error.stage is not Stage.FETCH:
                raise
            return None
        if version is None:
            return skipped_as(item, len(data), "output_exists", item.output)
        return converted(item, len(data), twin.facts, watch, twin.key)

    def _put_webp(self, item: Item, data: bytes, is_larger: bool, watch: Stopwatch) -> str | None:
        def put(label: Label, new: bool) -> str | None:
            return self._output.put(item.output, data, label, new)

        return self._write_webp(item, put, is_larger, watch)

    def _write_webp(
        self,
        item: Item,
        write: Callable[[Label, bool], str | None],
        is_larger: bool,
        watch: Stopwatch,
    ) -> str | None:
        """Write a picture's WebP; None if what stands there by now is to be left."""
        label = self._labels.of(item.version, is_larger)
        version = self._write(item.output, write, label, item.is_new, watch)
        if version is not None:
            self._hooks.made(item, version)
            self._take_away(item, item.superseded, item.output)
        return version

    def _write(
        self,
        key: bytes,
        write: Callable[[Label, bool], str | None],
        label: Label,
        new: bool,
        watch: Stopwatch,
    ) -> str | None:
        """Write, and give the version; None if what stands there by now is to be left.

        With `new`, what has come since is looked at first: it may be another's, or this run's own.
        """
        self._check_wanted()
        with watch.lap(Stage.STORE):
            version = write(label, new)
            if version is None and self._hooks.may_write(key, label):
                version = write(label, False)
        return version

    def _not_worth_it(
        self, item: Item, data: bytes, webp_bytes: int, watch: Stopwatch
    ) -> ImageSkipped | None:
        """Do what `policy.if_larger` says of a WebP that is not smaller; None to write it."""
        if webp_bytes < len(data):
            return None
        if self._if_larger == "skip":
            self._take_away(item, item.superseded)
            self._take_away(item, item.output if item.replaces else None)
            return skipped_as(item, len(data), "larger_skipped", webp_bytes=webp_bytes)
        if self._if_larger == "copy":
            return replace(self._copy(item, data, watch), webp_bytes=webp_bytes)
        return None

    def _copy(self, item: Item, data: bytes, watch: Stopwatch) -> ImageSkipped:
        """Put the original under its own name, unless that is where it is."""
        copied = None
        there = self._output.identity(item.key)
        if there is None or there != self._source.identity(item.key):
            label = self._labels.of(item.version, is_larger=True)
            if not self._hooks.may_write(item.key, label):
                return skipped_as(item, len(data), "output_exists", item.key)
            self._hooks.decoding(item.key, item.key)

            def put(label: Label, new: bool) -> str | None:
                return self._output.put(item.key, data, label, new)

            if self._write(item.key, put, label, True, watch) is None:
                return skipped_as(item, len(data), "output_exists", item.key)
            copied = item.key
        self._take_away(item, item.output if item.replaces else None, item.key)
        return skipped_as(item, len(data), "larger_copied", copied)

    def _take_away(self, item: Item, key: bytes | None, made: bytes | None = None) -> None:
        """Remove what an earlier run made with other settings, unless that is what was just made.

        By identity too: names may differ in letter case only. Nor is the original ever removed: it
        may carry a label, if it is itself a copy that a run made.
        """
        if key is None or key == made:
            return
        kept = {self._source.identity(item.key)}
        if made is not None:
            kept.add(self._output.identity(made))
        if self._output.identity(key) not in kept:
            self._output.remove(key)
