"""docs/kubernetes.md: its overlays are rendered, its settings read, its sums done again."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from docs.generate import ROOT
from optimizr.config import Settings
from tests.admission import action, not_restricted, refusals
from tests.manifests import (
    HOME,
    JOBS,
    OVERLAYS,
    Resource,
    check,
    container_of,
    environment_of,
    pod_of,
    render,
)

PAGE = (ROOT / "docs/kubernetes.md").read_text()
BLOCKS = dict(re.findall(r"```yaml\n# (my/\S+)\n(.*?)```", PAGE, re.DOTALL))


def rows(head: str, after: str = "") -> list[list[str]]:
    """Give the cells of the table that begins so, without its head."""
    below = PAGE.split(after, 1)[1] if after else PAGE
    table = below.split(f"\n| {head}", 1)[1].split("\n\n", 1)[0]
    lines = table.splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split(" |")] for line in lines]


def laid_out(folder: Path) -> Path:
    """Lay the page's files beside a checkout of the repository; give their folder."""
    (folder / "optimizr").symlink_to(ROOT)
    for name, text in BLOCKS.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder / "my"


def patched(folder: Path, overlay: str, patch: str) -> Resource:
    """Render an overlay with one of the page's patches, as the page's own would have it."""
    (folder / patch).write_text(BLOCKS[f"my/{patch}"])
    resources = f"resources: [../optimizr/config/kubernetes/{overlay}]\n"
    (folder / "kustomization.yaml").write_text(f"{resources}patches: [{{path: {patch}}}]\n")
    found = render(folder)
    return found.get("Job") or found["Deployment"]


def accepted(resource: Resource) -> None:
    """Find nothing wrong with a Job or a Deployment."""
    check(resource)
    assert list(not_restricted(pod_of(resource))) == []
    if resource["kind"] == "Job":
        assert list(refusals(resource)) == []


def test_every_overlay_is_in_the_first_table() -> None:
    assert {cell for cell, *_ in rows("overlay")} == {f"`{name}`" for name in OVERLAYS}
    folders = {path.name for path in HOME.iterdir()}
    assert folders == {*OVERLAYS, "base", "keda"}


def test_the_overlay_of_the_page_makes_a_job_of_as_many_shards_as_it_says(tmp_path: Path) -> None:
    resources = render(laid_out(tmp_path))
    for resource in resources.values():
        check(resource)
    job = resources["Job"]
    accepted(job)
    assert job["metadata"] == {
        "name": "optimizr-may",
        "namespace": "pictures",
        "labels": job["metadata"]["labels"],
    }
    assert job["spec"]["completions"] == 1000
    assert environment_of(job)["OPTIMIZR_SHARD__COUNT"] == "1000"
    assert container_of(job)["image"] == "registry.example/optimizr:1.0"
    assert resources["ServiceAccount"]["metadata"]["name"] == pod_of(job)["serviceAccountName"]


def test_the_settings_of_the_page_are_mounted_and_read(tmp_path: Path) -> None:
    mounted = yaml.safe_load(render(laid_out(tmp_path))["ConfigMap"]["data"]["config.yaml"])
    assert mounted == yaml.safe_load(BLOCKS["my/config.yaml"])
    Settings(**mounted)


def test_the_overlay_with_keda_scales_what_it_makes(tmp_path: Path) -> None:
    resources = render(laid_out(tmp_path) / "keda")
    for resource in resources.values():
        check(resource)
    accepted(resources["Deployment"])
    scaled = resources["ScaledObject"]["spec"]
    assert scaled["maxReplicaCount"] == 100
    assert scaled["scaleTargetRef"]["name"] == resources["Deployment"]["metadata"]["name"]


@pytest.mark.parametrize(
    ("patch", "overlay"),
    [
        ("spot.yaml", "indexed-job"),
        ("volumes.yaml", "job"),
        ("volumes.yaml", "indexed-job"),
        ("secret-input.yaml", "queue-worker"),
    ],
)
def test_a_patch_of_the_page_changes_what_it_says_and_leaves_the_rest(
    patch: str, overlay: str, tmp_path: Path
) -> None:
    changed = patched(laid_out(tmp_path), overlay, patch)
    accepted(changed)
    assert container_of(changed)["args"] == ["run", "/etc/optimizr/config.yaml"]
    assert len(pod_of(changed)["volumes"]) == (4 if patch == "volumes.yaml" else 2)
    assert ("nodeSelector" in pod_of(changed)) == (patch == "spot.yaml")
    named = {entry["name"] for entry in container_of(changed).get("env", [])}
    assert ("OPTIMIZR_INPUT" in named) == (patch == "secret-input.yaml")


def test_the_grace_on_spot_nodes_is_the_drain_that_it_names_and_ten_seconds() -> None:
    grace, drain = re.findall(
        r"terminationGracePeriodSeconds: (\d+)  # limits.drain: (\d+)s", BLOCKS["my/spot.yaml"]
    )[0]
    assert int(grace) == int(drain) + 10


def test_what_becomes_of_a_pod_is_told_as_the_rules_have_it() -> None:
    jobs = {name: render(HOME / name)["Job"] for name in JOBS}
    for what, *told in rows("code"):
        code = int(re.match(r"\d*", what)[0] or 137)  # type: ignore[index]
        if code:
            found = [action(jobs[name], code, what.startswith("evicted")) for name in JOBS]
            assert told == found, what


def number(text: str) -> float:
    return float(text.replace(",", ""))


def known() -> dict[str, float]:
    """Do the sums of the page, and give what each name stands for; every value is held."""
    names: dict[str, Any] = {"ceil": math.ceil, "floor": math.floor, "__builtins__": {}}
    figures, prices = (
        rows("| formula", "## The arithmetic"),
        rows("| formula", "Prices, in dollars"),
    )
    for what, formula, value in [*figures, *prices]:
        name = re.match(r"`(\w+)`", what)[1]  # type: ignore[index]
        written = re.fullmatch(r"`(.+)`", formula)
        names[name] = eval(written[1], names) if written else number(value)
        decimals = len(value.partition(".")[2])
        assert f"{names[name]:,.{decimals}f}" == value, what
    del names["__builtins__"]
    return names


def test_the_sums_are_right() -> None:
    assert known()["total"] > 0


def test_what_a_terabyte_costs_is_right() -> None:
    names = known()
    for _, size, seconds, pictures, hours, nodes, requests, together in rows("| bytes"):
        count = 1e12 / number(size)
        cpu_hours = count * number(seconds) / 3600
        paid = cpu_hours / names["busy"] * names["node_hour"] / 8
        asked = count / 1e6 * (3 * names["get"] + names["put"])
        assert [pictures, hours] == [f"{count:,.0f}", f"{cpu_hours:,.0f}"]
        assert [nodes, requests] == [f"{paid:,.2f}", f"{asked:,.2f}"]
        assert together == f"{paid + asked:,.2f}"


def test_the_sums_go_by_what_was_measured_and_simulated() -> None:
    names = known()
    kinds = {name: (number(size), number(s)) for name, size, s, *_ in rows("| bytes")}
    counts = {"small": 1672, "large": 88}
    for place, known_as in enumerate(("size", "seconds")):
        mean = sum(counts[name] * kinds[name][place] for name in counts) / sum(counts.values())
        assert names[known_as] == pytest.approx(mean, rel=0.01)
    (cells,) = [
        row for row in rows("pods | if") if row[0] == "100" and row[2] == "ten shards by hash each"
    ]
    assert cells[4].startswith(f"{names['straggling']:.2f},")
    assert f"used {names['busy']:.0%} of the CPU" in (ROOT / "docs/storage.md").read_text()
