from __future__ import annotations

from dataclasses import replace
from functools import reduce as fold

import pytest
from hypothesis import given

from optimizr.events import (
    Event,
    ImageConverted,
)
from optimizr.report import to_json
from optimizr.report.console import to_text
from optimizr.report.figures import FIGURES, figures
from optimizr.summary import Summary, reduce
from optimizr.timeslots import Snapshot, Snapshots
from tests.strategies import runs

CONTRACT = set(
    """
    start_time end_time duration duration_seconds total_files processed_files failed_files
    skipped_files error_rate_percent total_input_bytes total_output_bytes total_input_gb
    total_output_gb space_saved_gb bytes_saved space_saving_percent compression_ratio
    avg_processing_time_ms min_processing_time_ms max_processing_time_ms
    p50_processing_time_ms p95_processing_time_ms p99_processing_time_ms
    throughput_mb_per_sec images_per_second megapixels_per_second fetch_seconds
    convert_seconds store_seconds cpu_user_seconds cpu_system_seconds
    cpu_utilization_percent workers cpu_slots memory_budget_mb peak_memory_mb
    peak_sys_memory_mb memory_stable memory_min_mb memory_max_mb memory_range_mb
    total_gc_runs avg_gc_pause_ms max_gc_pause_ms gc_pause_total_ms cpu_bound_analysis
    recommendations failures_by_reason skips_by_reason memory_snapshots run_id version
    libvips_version settings interrupted
    """.split()  # noqa: SIM905 - sixty names in quotes would be harder to read
)

RUN = Summary(
    start_us=0,
    end_us=100_000_000,
    runs=1,
    workers=4,
    cpu_slots=2,
    memory_bytes=1 << 30,
    converted_files=50,
    input_bytes=1000 << 20,
    output_bytes=250 << 20,
    pixels=500_000_000,
    duration_us=200_000_000,
    min_duration_us=1_000_000,
    max_duration_us=9_000_000,
    durations={750: 50},
    convert_us=190_000_000,
    cpu_user_us=180_000_000,
    cpu_system_us=10_000_000,
    peak_rss_bytes=300 << 20,
)


def test_summary_json_has_every_metric_of_the_contract() -> None:
    assert len(CONTRACT) >= 46
    assert set(figures(Summary())) >= CONTRACT
    assert len({figure.name for figure in FIGURES}) == len(FIGURES)


@given(runs())
def test_figures_are_drawn_from_any_run_and_fit_on_a_terminal(log: list[Event]) -> None:
    summary = fold(reduce, log, Summary())
    to_json(summary).encode()
    assert all(len(line) <= 80 for line in to_text(summary).splitlines())
    f = figures(summary)
    if summary.converted_files:
        assert f["min_processing_time_ms"] <= f["p50_processing_time_ms"]
        assert f["p50_processing_time_ms"] <= f["p95_processing_time_ms"]
        assert f["p95_processing_time_ms"] <= f["p99_processing_time_ms"]
        assert f["p99_processing_time_ms"] <= f["max_processing_time_ms"]
        is_encoded = summary.converted_files > summary.duplicate_files
        assert f["encodes_per_picture"] >= 1 if is_encoded else f["encodes_per_picture"] is None
    for measure, of in (("look", summary.looks), ("psnr_db", summary.psnrs)):
        found = [f[f"{which}_{measure}"] for which in ("min", "p5", "p50")]
        assert found == (sorted(found) if of else [None, None, None])


def test_formulas_and_units() -> None:
    f = figures(RUN)
    assert f["duration"] == "1m40s"
    assert f["throughput_mb_per_sec"] == 10
    assert f["images_per_second"] == 0.5
    assert f["megapixels_per_second"] == 5
    assert f["compression_ratio"] == 4
    assert f["space_saving_percent"] == 75
    assert f["bytes_saved"] == 750 << 20
    assert f["avg_processing_time_ms"] == 4000
    assert f["cpu_utilization_percent"] == 95
    assert f["peak_memory_mb"] == 300
    assert f["total_input_gb"] == pytest.approx(0.976562)


def test_nothing_measured_is_null_or_zero_and_never_made_up() -> None:
    f = figures(Summary())
    assert f["memory_stable"] is None
    assert f["p99_processing_time_ms"] is None
    assert f["peak_memory_mb"] is None
    assert f["compression_ratio"] == 0
    assert f["encodes_per_picture"] is None
    assert (f["p50_look"], f["min_psnr_db"], f["min_quality"]) == (None, None, None)
    assert (f["worst_looks"], f["by_mode"]) == ([], {})
    assert "Nothing was converted" in f["cpu_bound_analysis"]


def test_the_figures_of_looks_tell_the_worst_and_what_all_but_a_few_have_at_least() -> None:
    looks = [float(look) for look in range(100)]
    summary = reduce(Summary(), *(looking(look) for look in looks), looking(None, mode="lossless"))
    f = figures(summary)
    assert (f["min_look"], f["p5_look"], f["p50_look"]) == (0, 4, 49)
    assert f["min_psnr_db"] == f["p5_psnr_db"] == f["p50_psnr_db"] == 38.27
    assert [worst["look"] for worst in f["worst_looks"]] == looks[:20]
    assert f["worst_looks"][7] == {"key": "7.0", "look": 7, "input_bytes": 9, "output_bytes": 4}
    assert f["worst_psnrs"][0]["psnr_db"] == 38.27
    assert f["by_mode"] == {"lossy": 100, "lossless": 1}
    assert f["encodes_per_picture"] == 2.98
    assert [f[f"{which}_quality"] for which in ("min", "p50", "max")] == [0, 49, 99]


def test_clones_do_not_count_among_what_was_encoded() -> None:
    clone = replace(looking(70), encodes=None, duplicate_of="a")
    assert figures(reduce(Summary(), looking(70), clone))["encodes_per_picture"] == 3
    assert figures(reduce(Summary(), clone))["encodes_per_picture"] is None


def test_the_report_tells_looks_where_they_were_measured_and_how_often_pictures_were_encoded() -> (
    None
):
    told = to_text(reduce(Summary(), looking(71.26), looking(74.84), looking(80)))
    assert "look        71.26 worst, 74.8 median of 3 (SSIMULACRA2), quality 71 to 80\n" in told
    assert "slowest, 3.0 encodes\n" in told
    calm = to_text(reduce(Summary(), looking(None, mode="lossless")))
    assert "look" not in calm
    assert "encodes" not in calm


def looking(look: float | None, mode: str = "lossy") -> ImageConverted:
    is_lossy = mode == "lossy"
    return ImageConverted(
        key=str(look), output="o", format="jpeg", width=1, height=1, mode=mode, look=look,
        quality=look,
        psnr_db=38.27 if is_lossy else None, encodes=3 if is_lossy else None, input_bytes=9,
        output_bytes=4, fetch_ms=1, convert_ms=1, store_ms=1, duration_ms=1,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "verdict", "advice"),
    [
        ({}, "CPU bound", None),
        (
            {"cpu_user_us": 60_000_000, "store_us": 200_000_000, "convert_us": 60_000_000},
            "Bound by reading and writing",
            "pool.workers",
        ),
        (
            {"cpu_user_us": 40_000_000, "memory_wait_us": 250_000_000, "convert_us": 50_000_000},
            "Bound by memory",
            "pool.memory",
        ),
        (
            {"cpu_user_us": 20_000_000, "source_wait_us": 350_000_000, "convert_us": 30_000_000},
            "Bound by the source",
            "listing",
        ),
        ({"cpu_user_us": 80_000_000}, "Starved", "pool.cpus"),
        ({"cpu_user_us": 80_000_000, "convert_us": 90_000_000}, "Balanced", None),
        ({"failed_files": 3, "failures_by_reason": {"corrupt": 2, "changed": 1}}, "CPU", "corrupt"),
        ({"larger_files": 10}, "CPU", "larger than their originals"),
        ({"low_memory_files": 10}, "CPU", "less memory than libwebp likes"),
        ({"peak_rss_bytes": 2 << 30}, "CPU", "over its ceiling"),
        ({"end_us": 500_000}, "Too short", None),
    ],
)
def test_advice_is_drawn_from_what_was_measured(
    changes: dict[str, object], verdict: str, advice: str | None
) -> None:
    f = figures(replace(RUN, **changes))  # type: ignore[arg-type]
    assert f["cpu_bound_analysis"].startswith(verdict)
    assert bool(f["recommendations"]) == (advice is not None)
    if advice:
        assert any(advice in text for text in f["recommendations"])


def test_the_report_says_so_if_it_is_of_several_runs_or_of_one_that_did_not_end() -> None:
    assert not to_text(replace(RUN, finished_runs=1)).startswith("runs")
    assert to_text(replace(RUN, runs=2, finished_runs=2)).startswith("runs        2 together")
    assert "1 did not tell their end" in to_text(replace(RUN, runs=2, finished_runs=1))
    cut = to_text(replace(RUN, runs=0, finished_runs=0))
    assert "did not tell their end" in cut
    assert "allowed" not in cut


def with_rss(*megabytes: int) -> Summary:
    kept = {
        place: Snapshot(mb << 20, place * 30_000_000, 0, "run")
        for place, mb in enumerate(megabytes)
    }
    return replace(RUN, snapshots=Snapshots(1, kept))


@pytest.mark.parametrize(
    ("megabytes", "stable"),
    [
        ((50, *[300, 310, 290] * 10), True),
        ((50, *range(100, 500, 10)), False),
        ((50, *[300] * 5, 600), None),
        ((50, *range(50, 300, 25), *[300, 310, 290] * 10), True),
        ((50, *range(400, 440, 1)), True),
    ],
)
def test_memory_is_stable_unless_it_grows_with_the_run(
    megabytes: tuple[int, ...], stable: bool | None
) -> None:
    f = figures(with_rss(*megabytes))
    assert f["memory_stable"] is stable
    assert any("grew" in text for text in f["recommendations"]) == (stable is False)


def test_equal_pictures_are_told_beside_those_that_an_earlier_attempt_did() -> None:
    told = to_text(replace(RUN, duplicate_files=1200, resumed_files=7))
    assert "57 converted (7 by an earlier attempt, 1,200 equal to others)" in told
    assert "equal" not in to_text(RUN)
