from __future__ import annotations

import random
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizr.config import Settings
from optimizr.convert import Header
from optimizr.efforts import (
    LOSSLESS,
    LOSSY,
    Efforts,
    Table,
    Work,
    effort,
    price,
    steps,
)
from optimizr.errors import ConfigError
from optimizr.events import ImageConverted
from optimizr.ledger.makings import made_with
from optimizr.limits import Limits
from optimizr.live import Live
from optimizr.pipeline import run
from optimizr.pool import Stop
from tests.make_pictures import photo

WORKS = st.lists(st.builds(Work, st.floats(1e-4, 10), st.floats(10, 1e7)), min_size=1, max_size=30)


@pytest.mark.parametrize("table", [LOSSY, LOSSLESS])
def test_each_step_saves_less_for_its_cpu_time_than_the_one_before(table: Table) -> None:
    gains = [step.size / step.cpu for step in steps(table)]
    assert gains == sorted(gains, reverse=True)
    assert all(gain > 0 for gain in gains)
    assert [step.effort for step in steps(table)] == sorted({step.effort for step in steps(table)})


@given(works=WORKS, seconds=st.floats(1e-5, 20))
def test_at_the_price_the_budget_is_kept_and_no_step_that_fits_is_left_out(
    works: list[Work], seconds: float
) -> None:
    least = price(works, LOSSY, seconds)
    chosen = [effort(work, LOSSY, least) for work in works]
    spent = sum(LOSSY.cpu[at] * work.seconds for at, work in zip(chosen, works, strict=True))
    budget = seconds * len(works)
    if set(chosen) != {0}:
        assert spent <= budget * (1 + 1e-9)
    if least == 0:
        assert set(chosen) == {6}
    dearer = [effort(work, LOSSY, least * 0.999) for work in works]
    more = sum(LOSSY.cpu[at] * work.seconds for at, work in zip(dearer, works, strict=True))
    assert least == 0 or more > budget or spent == more


@given(works=WORKS, seconds=st.floats(1e-3, 1), more=st.floats(1, 10))
def test_a_larger_budget_is_never_dearer(works: list[Work], seconds: float, more: float) -> None:
    assert price(works, LOSSY, seconds * more) <= price(works, LOSSY, seconds)


def settings_of(**given: Any) -> Settings:
    return Settings(**given)


def efforts(tmp_path: Path, **webp: object) -> tuple[Efforts, Live]:
    settings = settings_of(
        input=str(tmp_path), output=str(tmp_path / "out"), webp={"effort": "auto", **webp}
    )
    live = Live(Stop())
    return Efforts(settings, live, Limits.of(settings.pool)), live


def header(pixels: int) -> Header:
    return Header(
        *("jpeg", pixels, 1, 1, 1, 3, 1), True, False, False, False, False, False, 1.5, 0.0
    )


def converted(pixels: int, size: int, at: int, seconds: float) -> ImageConverted:
    return ImageConverted(
        key="a.jpg",
        output="a.webp",
        format="jpeg",
        width=pixels,
        height=1,
        mode="lossy",
        effort=at,
        input_bytes=size,
        output_bytes=int(size * 0.4 * LOSSY.size[at]),
        fetch_ms=0,
        convert_ms=seconds * 1000,
        store_ms=0,
        duration_ms=0,
    )


@pytest.mark.parametrize("mean", [0.012, 0.02, 0.035])
@pytest.mark.parametrize("pace", [0.5, 1.0, 3.0])
def test_what_is_spent_comes_to_what_may_be_whatever_the_machine(
    tmp_path: Path, mean: float, pace: float
) -> None:
    allowed = timedelta(seconds=mean * pace)
    choose, _ = efforts(tmp_path, cpu_per_image=allowed)
    draw, spent, taken = random.Random(7), 0.0, Counter[int]()
    for _ in range(1500):
        pixels, size = draw.randrange(100_000, 900_000), draw.randrange(20_000, 400_000)
        at = choose(header(pixels), size)
        at = 4 if at is None else at
        took = pace * 60e-9 * pixels * LOSSY.cpu[at] * draw.lognormvariate(0, 0.3)
        choose.learn(converted(pixels, size, at, took), took)
        spent += took
        taken[at] += 1
    assert spent / 1500 == pytest.approx(allowed.total_seconds(), rel=0.1)
    assert len(taken) > 1


def test_pictures_with_more_bytes_for_their_pixels_get_more_effort(tmp_path: Path) -> None:
    choose, _ = efforts(tmp_path, cpu_per_image=timedelta(seconds=0.02))
    chosen: dict[int, list[int]] = {20_000: [], 400_000: []}
    for turn in range(400):
        size = (20_000, 400_000)[turn % 2]
        at = choose(header(500_000), size) or 0
        took = 60e-9 * 500_000 * LOSSY.cpu[at]
        choose.learn(converted(500_000, size, at, took), took)
        chosen[size].append(at)
    assert sum(chosen[20_000][100:]) < sum(chosen[400_000][100:])


def test_with_a_deadline_nothing_is_chosen_until_the_pictures_are_counted(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"")
    settings = settings_of(
        input=str(tmp_path),
        output=str(tmp_path / "out"),
        webp={"effort": "auto", "deadline": "1h"},
    )
    live = Live(Stop())
    live.is_counted = True  # by somebody who has not ended
    choose = Efforts(settings, live, Limits.of(settings.pool))
    assert choose(header(500_000), 100_000) is None
    live.source_images = 10
    assert [choose(header(500_000), 100_000) for _ in range(8)][-1] == 6


def test_a_deadline_that_is_near_makes_pictures_quick(tmp_path: Path) -> None:
    choose, live = efforts(tmp_path, deadline="1s")
    live.source_images = 10_000
    assert {choose(header(500_000), 100_000) for _ in range(9)} - {None} == {0}


def test_a_queue_has_no_deadline(tmp_path: Path) -> None:
    settings = settings_of(
        input="redis://127.0.0.1:1/pictures",
        root=str(tmp_path),
        output=str(tmp_path / "out"),
        webp={"effort": "auto", "deadline": "1h"},
    )
    with pytest.raises(ConfigError, match=r"webp\.deadline: expected an input that ends"):
        Efforts(settings, Live(Stop()), Limits.of(settings.pool))


@pytest.mark.parametrize(
    "webp",
    [
        {"effort": "auto"},
        {"effort": "auto", "deadline": "1h", "cpu_per_image": "1s"},
        {"deadline": "1h"},
        {"effort": 4, "cpu_per_image": "1s"},
        {"effort": "auto", "deadline": "0s"},
        {"effort": 7},
    ],
)
def test_a_budget_is_for_effort_auto_and_that_needs_one(webp: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="webp"):
        settings_of(input="in", output="out", webp=webp)


def test_another_budget_makes_nothing_out_of_date() -> None:
    made = [
        made_with(
            settings_of(input="in", output="out", webp={"effort": "auto", "cpu_per_image": each})
        )
        for each in ("1s", "2s")
    ]
    assert made[0] == made[1]


@pytest.mark.parametrize("budget", [{"cpu_per_image": "10s"}, {"deadline": "1h"}])
def test_a_run_with_a_large_budget_comes_to_use_all_effort(
    tmp_path: Path, budget: dict[str, str]
) -> None:
    source = tmp_path / "in"
    source.mkdir()
    for number in range(30):
        photo(64, 48, number).jpegsave(str(source / f"{number:02}.jpg"))
    events: list[ImageConverted] = []
    settings = settings_of(
        input=str(source),
        output=str(tmp_path / "out"),
        webp={"effort": "auto", **budget},
        report={"html": False},
    )
    summary = run(
        settings, lambda event: events.append(event) if isinstance(event, ImageConverted) else None
    )
    assert summary.converted_files == 30
    assert 6 in {event.effort for event in events}
