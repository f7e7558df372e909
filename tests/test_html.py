"""The report's page as text: whatever comes, it is well formed, escaped, and says the figures."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from datetime import timedelta
from functools import reduce as fold
from html.parser import HTMLParser
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from optimizr.cli.run import command as run_command
from optimizr.config import Settings
from optimizr.errors import Reason
from optimizr.events import Event, ImageConverted, ImageFailed, RunSampled, RunStarted
from optimizr.report import series
from optimizr.report.command import command
from optimizr.report.gallery import Pair
from optimizr.report.html import to_html
from optimizr.report.remedies import REMEDIES
from optimizr.summary import Summary, reduce
from tests.strategies import START, runs, stamp

NASTY = "<script>alert(1)</script>\"'&{{7*7}}\u202e.jpg"
_EMPTY_TAGS = {"meta", "img", "input", "br", "path", "rect", "circle", "line"}


class Page(HTMLParser):
    """What a browser would find: elements, and text; each tag closed in turn."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in _EMPTY_TAGS:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in _EMPTY_TAGS:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += f"{data} "


def folded(*events: Event) -> Summary:
    return fold(reduce, stamp(list(events), "run", [10**6]), Summary())


def picture(key: str, before: int = 100, after: int = 50) -> ImageConverted:
    return ImageConverted(
        key=key, output=f"{key}.webp", format="jpeg", width=10, height=10, mode="lossy",
        input_bytes=before, output_bytes=after, fetch_ms=1, convert_ms=2, store_ms=3, duration_ms=6,
    )  # fmt: skip


def started(**given: Any) -> RunStarted:
    chosen = Settings(input="in", output="out", **given)
    return RunStarted(
        version="1.2.3", libvips_version="8.18.0", encoder="libwebp 1.6.0", python_version="3.11.7",
        host="host", pid=1, settings=chosen.redacted(), workers=2, cpu_slots=2,
        memory_bytes=10**9, memory_budget_bytes=10**8,
    )  # fmt: skip


@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(runs(), min_size=1, max_size=3))
def test_any_runs_make_a_well_formed_page_that_is_the_same_each_time(
    logs: list[list[Event]],
) -> None:
    pods = [fold(reduce, log, Summary()) for log in logs]
    whole = fold(reduce, [event for log in logs for event in log], Summary())
    page = to_html(whole, pods)
    Page(page)
    assert page == to_html(whole, pods)


def test_names_messages_and_settings_from_outside_are_text_on_the_page() -> None:
    failure = ImageFailed(
        key=NASTY, source=NASTY, reason="corrupt", message=NASTY, stage="convert",
        input_bytes=1, duration_ms=1,
    )  # fmt: skip
    summary = folded(
        replace(started(), settings={"input": NASTY, "output": "o"}, host=NASTY, version=NASTY),
        picture(NASTY),
        picture(NASTY, after=200),
        failure,
    )
    pair = Pair("best", NASTY, NASTY, "jpeg", 100, 50, None, None, 1, 1, b"a", b"b")
    page = Page(to_html(summary, [summary, summary], [pair]))
    scripts = [attributes for tag, attributes in page.found if tag == "script"]
    assert scripts == [{}]  # the page's own
    assert page.text.count(NASTY) >= 7
    assert not any(name.startswith("on") for _, attributes in page.found for name in attributes)


def test_a_page_asks_for_nothing_from_anywhere() -> None:
    pair = Pair("best", "a.jpg", "a.webp", "jpeg", 100, 50, None, 40.0, 1, 1, b"a", b"b")
    html = to_html(folded(started(), picture("a.jpg")), gallery=[pair])
    page = Page(html)
    assert "default-src 'none'" in html
    links = [a.get(name) for _, a in page.found for name in ("src", "href") if name in a]
    assert links
    assert all(str(link).startswith("data:image/webp;base64,") for link in links)
    assert not re.search(r"url\(|@import", html)


def test_the_page_tells_what_was_saved_what_failed_and_how_to_mend_it() -> None:
    failure = ImageFailed(
        key="broken.jpg", source="/in/broken.jpg", reason="truncated", message="ends early",
        stage="convert", input_bytes=1, duration_ms=1,
    )  # fmt: skip
    events = [started(), picture("good.jpg"), picture("bad.png", 100, 130), failure]
    text = " ".join(Page(to_html(folded(*events))).text.split())
    assert "The largest savings picture original WebP saved good.jpg 100 B 50 B 50 B (50%)" in text
    assert "Did not pay picture original WebP saved bad.png 100 B 130 B -30 B (-30%)" in text
    assert f"truncated 1 {REMEDIES[Reason.TRUNCATED]} broken.jpg" in text
    assert "optimizr 1.2.3, encoder libwebp 1.6.0, libvips 8.18.0, Python 3.11.7, on host" in text


def test_the_page_shows_the_worst_looks_and_without_looks_the_least_psnr() -> None:
    bad, good = (replace(picture(f"{n}.jpg"), psnr_db=n / 2, look=float(n)) for n in (50, 75))
    shown = " ".join(Page(to_html(folded(started(), bad, good))).text.split())
    assert "The worst look is 50.0, the median 50.0, by SSIMULACRA2" in shown
    assert "The worst looks picture original WebP look 50.jpg 100 B 50 B 50.0" in shown
    assert "PSNR" not in shown
    unseen = [replace(event, look=None) for event in (bad, good)]
    shown = " ".join(Page(to_html(folded(started(), *unseen))).text.split())
    assert "The least PSNR picture original WebP dB 50.jpg 100 B 50 B 25.0" in shown
    assert "SSIMULACRA2" not in shown


@given(st.dictionaries(st.integers(0, 1000), st.integers(1, 9)))
def test_a_chart_of_looks_has_all_pictures_in_few_classes(tenths: dict[int, int]) -> None:
    bars = series.looks(tenths)
    assert sum(bar.counts[0] for bar in bars) == sum(tenths.values())
    assert len(bars) <= 12
    assert len({bar.label for bar in bars}) == len(bars)


def test_the_classes_of_looks_are_named_by_what_lies_between() -> None:
    assert [bar.label for bar in series.looks({705: 1, 706: 1})] == ["70.5 to 70.6", "70.6 to 70.7"]
    labels = [bar.label for bar in series.looks({0: 1, 1000: 1})]
    assert labels == ["below 10", *(f"{n} to {n + 10}" for n in range(10, 100, 10)), "100"]


def test_each_of_several_pods_has_its_own_figures() -> None:
    pods = [
        folded(replace(started(shard={"index": n, "count": 2}), host=f"pod-{n}"), picture("a"))
        for n in range(2)
    ]
    text = " ".join(Page(to_html(fold(reduce, [], pods[0]), pods)).text.split())
    assert "pod-0, shard 0 of 2 1 0 0 50 B" in text
    assert "pod-1, shard 1 of 2 1 0 0 50 B" in text


def test_there_is_a_remedy_for_each_reason_and_for_nothing_else() -> None:
    assert set(REMEDIES) == set(Reason)


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"webp": {"quality": 70, "sharp_yuv": True}, "report": {"html": False}},
        {"picture": {"formats": ["jpeg", "gif"], "resize": {"max_width": 800}}},
        {"pool": {"memory": "512MiB", "workers": 3}, "limits": {"drain": "1m30s"}},
        {"policy": {"max_failed": "1%"}, "dead_letter": "a b'c", "telemetry": {"otlp": True}},
        {"telemetry": {"trace_sample": 0.25, "http": "[::]:9464"}, "log": {"images": "none"}},
    ],
)
def test_the_command_on_the_page_runs_with_the_same_settings(given: dict[str, Any]) -> None:
    import shlex

    chosen = Settings(input="in put", output="-out", **given)
    words = shlex.split(command(chosen.redacted()))
    assert words[:2] == ["optimizr", "run"]
    parsed, _ = run_command().parse(words[2:])
    assert parsed.model_dump() == chosen.model_dump()
    assert given or words == ["optimizr", "run", "--input=in put", "--output=-out"]


def test_credentials_are_not_on_the_page() -> None:
    told = started(telemetry={"pushgateway": "http://user:hunter2@push:9091"})
    assert "hunter2" not in to_html(folded(told, picture("a")))


def test_drawing_leaves_nothing_behind_in_pythons_imports() -> None:
    # pygal's finder would make each later import a warning, which whoever turns these into errors
    # could not live with.
    to_html(folded(started(), picture("a")))
    assert all(hasattr(finder, "find_spec") for finder in sys.meta_path)


@pytest.mark.parametrize("hours", [1, 6, 72])
def test_the_cpus_at_work_are_as_measured_however_long_the_run(hours: int) -> None:
    summary = reduce(Summary(), replace(started(), timestamp=START))
    for number in range(hours * 120):
        sample = RunSampled(
            rss_bytes=1000 + number * 7919 % 1000, peak_rss_bytes=0, system_bytes=0,
            interval_ms=30_000, cpu_user_ms=57_000, cpu_system_ms=0, gc_runs=0, gc_pause_ms=0,
            gc_pause_max_ms=0, source_wait_ms=0, memory_wait_ms=0, slot_wait_ms=0,
            ignored_files=0, in_flight=2,
        )  # fmt: skip
        moment = START + timedelta(seconds=30 * (number + 1))
        summary = reduce(summary, replace(sample, timestamp=moment))
    spans = series.cpus_used(summary)
    assert 30 <= len(spans) <= 60
    assert {round(span.value, 6) for span in spans} == {1.9}
    assert spans[0].since == 0
    assert all(one.until == other.since for one, other in pairwise(spans))
    assert spans[-1].until == summary.elapsed_seconds


def test_a_log_without_its_start_and_sizes_beyond_all_measure_make_a_page() -> None:
    Page(to_html(folded(picture("a", 10**15, 10**15 + 1), picture("b", 2**70, 1))))
