"""The report's page in a real browser, and the gallery that a run makes for it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from tests.conftest import COMMAND, clean_environment, fill
from tests.make_pictures import HOME

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
BAD_NAME = "<script>document.title='owned'<\u2215script>.jpg"
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


def program(*args: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *map(str, args)],
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("pages in a browser: chromium is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run over pictures good, bad and badly named, and give the page that is left."""
    folder = tmp_path_factory.mktemp("report")
    source = folder / "in"
    shutil.copytree(HOME, source)
    fill(source / "more", 40)
    photo = next(source.rglob("*.jpg"))
    (source / BAD_NAME).write_bytes(photo.read_bytes()[:500])
    (source / "text.png").write_text("no picture")
    done = program("run", "--input", source, "--output", folder / "out")
    assert done.returncode == 1, done.stderr
    (folder / "log.jsonl").write_text(done.stdout)
    return folder / "out/report.html"


@contextmanager
def opened(browser: Browser, path: Path, **how: Any) -> Iterator[Page]:
    """Open a page from disk; whatever the browser complains of, or asks the network for, fails."""
    with browser.new_context(**how) as context:
        page = context.new_page()
        said: list[str] = []
        asked: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(path.as_uri())
        yield page
        assert said == []
        assert [url for url in asked if not url.startswith(("file:", "data:"))] == []


def test_the_page_opens_from_disk_with_its_charts_and_without_complaint(
    browser: Browser, report: Path
) -> None:
    with opened(browser, report) as page:
        names = "throughput memory formats sizes savings looks durations".split()  # noqa: SIM905
        for name in names:  # how busy the CPUs were is not drawn of a run of half a second
            box = page.locator(f"#chart-{name} .plot").first.bounding_box()
            assert box is not None, name
            assert box["width"] > 100, name
            assert box["height"] > 50, name
        assert "owned" not in page.title()
        assert page.locator(".name", has_text=BAD_NAME).count() >= 1
        assert page.get_by_text("truncated", exact=True).count() == 1


def test_the_slider_and_the_button_of_a_pair_show_more_or_less_of_the_webp(
    browser: Browser, report: Path
) -> None:
    with opened(browser, report) as page:
        pairs = page.locator(".pair")
        assert pairs.count() == 12
        assert pairs.filter(has_text=re.compile(r"worst look.* PSNR [\d.]+ dB")).count() == 3
        pair = pairs.first
        made = pair.locator("img.made")
        loaded = "all => all.every(i => i.complete && i.naturalWidth == i.width)"
        assert page.locator(".pair img").evaluate_all(loaded)
        assert _hidden_share(made) == "50%"
        slider = pair.locator("input")
        slider.focus()
        page.keyboard.press("Home")
        assert _hidden_share(made) == "0%"
        page.keyboard.press("End")
        assert _hidden_share(made) == "100%"
        pair.locator("button").focus()
        page.keyboard.press("Enter")
        assert _hidden_share(made) == "0%"
        assert pair.locator("button").get_attribute("aria-pressed") == "true"
        page.keyboard.press("Enter")
        assert _hidden_share(made) == "100%"
        both = [pair.locator("img").nth(n).bounding_box() for n in range(2)]
        assert both[0] == both[1]  # one lies on the other


def _hidden_share(made: Any) -> str:
    shown: str = made.evaluate("image => getComputedStyle(image).clipPath")
    return shown.removeprefix("inset(").removesuffix(")").split()[-1].replace("0px", "0%")


def test_without_scripts_original_and_webp_stand_side_by_side(
    browser: Browser, report: Path
) -> None:
    with opened(browser, report, java_script_enabled=False) as page:
        first, second = (page.locator(".pair img").nth(n).bounding_box() for n in range(2))
        assert first is not None
        assert first != second
        assert not page.locator(".controls").first.is_visible()


@pytest.mark.parametrize(("scheme", "width"), [("light", 1200), ("dark", 360)])
def test_axe_finds_no_fault_and_nothing_is_cut_off(
    browser: Browser, report: Path, scheme: Any, width: int
) -> None:
    how = {"bypass_csp": True, "viewport": {"width": width, "height": 800}, "color_scheme": scheme}
    with opened(browser, report, **how) as page:
        for closed in page.locator("details").all():
            closed.evaluate("details => details.open = true")
        found = Axe().run(page).response["violations"]
        assert [(fault["id"], fault["impact"], fault["nodes"][0]["html"]) for fault in found] == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (paper == "rgb(255, 255, 255)") == (scheme == "light")


def test_it_prints_on_two_pages(browser: Browser, report: Path) -> None:
    with opened(browser, report) as page:
        printed = page.pdf(format="A4")
    assert len(re.findall(rb"/Type /Page\b", printed)) == 2


def test_the_log_gives_the_same_page_without_the_gallery(report: Path, tmp_path: Path) -> None:
    made = tmp_path / "page.html"
    log = report.parents[1] / "log.jsonl"
    assert program("report", log, "--html", made).returncode == 0
    own = re.sub(r'<section aria-labelledby="gallery".*?</section>\n\n', "", report.read_text(),
                 flags=re.DOTALL)  # fmt: skip
    own = re.sub(r"<script>.*?</script>", "", own, flags=re.DOTALL)
    assert "".join(made.read_text().split()) == "".join(own.split())


def test_a_shards_page_carries_its_shard_and_html_false_leaves_none(
    pictures: Path, tmp_path: Path
) -> None:
    for more in (["--shard.count", "2", "--shard.index", "1"], ["--report.html", "false"]):
        done = program("run", "--input", pictures, "--output", tmp_path, *more)
        assert done.returncode == 0
    assert [path.name for path in tmp_path.glob("*.html")] == ["report-1-of-2.html"]


def test_a_page_that_cannot_be_written_is_a_mistake(report: Path, tmp_path: Path) -> None:
    log = report.parents[1] / "log.jsonl"
    done = program("report", log, "--html", tmp_path / "no/where.html")
    assert done.returncode == 2
    assert "--html: expected a file that can be written to" in done.stderr
    assert json.loads((report.parent / "summary.json").read_text())["failed_files"] == 2
