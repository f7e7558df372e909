"""What Loki gets of a run through the pipelines in config/loki, and of pods through their rules."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
import subprocess
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from docs.generate import ROOT
from docs.queries import LABELS
from optimizr.events import Event
from tests import alloy
from tests.conftest import COMMAND, clean_environment
from tests.log_collectors import Stage, collect, relabel
from tests.make_pictures import HOME

ALLOY = ROOT / "config/loki/alloy.alloy"
PROMTAIL = ROOT / "config/loki/promtail.yaml"
PAGE = (ROOT / "docs/observability.md").read_text()
WRITTEN = "2026-03-02T04:00:05.987654321Z"
META = "__meta_kubernetes_"
POD = {
    f"{META}namespace": "media",
    f"{META}pod_name": "nightly-x7k2p",
    f"{META}pod_uid": "0b6a",
    f"{META}pod_node_name": "node-3",
    f"{META}pod_container_name": "optimizr",
    f"{META}pod_ip": "10.0.0.7",
}
collectors = pytest.mark.parametrize("collector", ["alloy", "promtail"])


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Run over pictures good and bad, and give the lines of stdout."""
    folder = tmp_path_factory.mktemp("run")
    shutil.copytree(HOME, folder / "in")
    (folder / "in/text.png").write_text("no picture")
    done = subprocess.run(
        [*COMMAND, "run", "--input", folder / "in", "--output", folder / "out"],
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    return done.stdout.splitlines()


def components() -> dict[str, alloy.Block]:
    return {f"{block.name}.{block.label}": block for block in alloy.parse(ALLOY.read_text())}


def scraped() -> Any:
    (config,) = yaml.safe_load(PROMTAIL.read_text())["scrape_configs"]
    return config


def stages(collector: str) -> list[Stage]:
    """Give a pipeline, both in one form."""
    if collector == "promtail":
        named = [next(iter(stage.items())) for stage in scraped()["pipeline_stages"]]
        return [_keep(config) if name == "labelallow" else (name, config) for name, config in named]
    found = components()
    blocks = found["loki.process.cri"].blocks + found["loki.process.optimizr"].blocks
    return [_alloy_stage(block.name.removeprefix("stage."), block.attributes) for block in blocks]


def _keep(values: list[str]) -> Stage:
    return "keep", {"values": values}


def _alloy_stage(name: str, attributes: Mapping[str, Any]) -> Stage:
    if name == "label_keep":
        return _keep(attributes["values"])
    return name, attributes["values"] if name in ("labels", "structured_metadata") else attributes


def rules(collector: str) -> list[Mapping[str, Any]]:
    if collector == "promtail":
        return list(scraped()["relabel_configs"])
    return [rule.attributes for rule in components()["discovery.relabel.optimizr"].blocks]


def target(collector: str, **labels: str) -> dict[str, str] | None:
    """Discover a pod by its labels."""
    return relabel(rules(collector), POD | {f"{META}pod_label_{k}": v for k, v in labels.items()})


def read_by(collector: str, **labels: str) -> dict[str, str]:
    """Give the labels that a line of a pod begins with; the collector adds the file's name."""
    found = target(collector, **labels)
    assert found is not None
    return {k: v for k, v in found.items() if not k.startswith("__")} | {"filename": "/var/log/x"}


@collectors
def test_every_event_of_a_run_has_its_own_time_and_the_four_labels(
    collector: str, log: list[str]
) -> None:
    start = read_by(collector, app="optimizr", job_name="nightly")
    assert {json.loads(line)["event"] for line in log} >= {"image.failed", "run.finished"}
    for line in log:
        event = json.loads(line)
        entry = collect(stages(collector), start, f"{WRITTEN} stdout F {line}")
        assert entry.line == line
        assert entry.time == datetime.fromisoformat(event["timestamp"])
        assert entry.labels == {
            "app": "optimizr",
            "level": event["level"],
            "namespace": "media",
            "job_name": "nightly",
        }
        assert tuple(sorted(entry.labels)) == tuple(sorted(LABELS))
        assert entry.metadata == {"pod": "nightly-x7k2p"}


@collectors
@pytest.mark.parametrize("text", ["free(): invalid pointer", "17", '{"torn": ', '["level"]', ""])
def test_a_line_that_is_no_event_keeps_its_text_and_the_time_at_which_it_was_written(
    collector: str, text: str
) -> None:
    start = read_by(collector, app="optimizr")
    entry = collect(stages(collector), start, f"{WRITTEN} stderr F {text}")
    assert entry.line == text
    assert entry.time == datetime.fromisoformat(WRITTEN)
    assert entry.labels == {"app": "optimizr", "namespace": "media"}


@collectors
def test_what_a_runtime_has_cut_is_put_together_before_it_is_read(collector: str) -> None:
    assert stages(collector)[0][0] == "cri"


@collectors
def test_pipelines_read_only_what_every_event_has(collector: str) -> None:
    shared = {field.name for field in dataclasses.fields(Event)} | {"level"}
    (read,) = [config["expressions"] for name, config in stages(collector) if name == "json"]
    assert set(read.values()) <= shared


@collectors
@pytest.mark.parametrize(
    ("labels", "job"),
    [
        ({"app": "optimizr"}, None),
        ({"app_kubernetes_io_name": "optimizr"}, None),
        ({"app": "optimizr", "job_name": "old"}, "old"),
        ({"app": "optimizr", "batch_kubernetes_io_job_name": "new"}, "new"),
        ({"app": "optimizr", "job_name": "old", "batch_kubernetes_io_job_name": "new"}, "new"),
    ],
)
def test_pods_are_found_by_either_label_and_bear_the_name_of_their_job(
    collector: str, labels: dict[str, str], job: str | None
) -> None:
    found = target(collector, **labels)
    assert found is not None
    assert found["__path__"] == "/var/log/pods/*0b6a/optimizr/*.log"
    assert found.get("job_name") == job
    assert found["pod"] == "nightly-x7k2p"


@collectors
@pytest.mark.parametrize("labels", [{}, {"app": "optimizr-web"}, {"job_name": "optimizr"}])
def test_pods_of_others_are_left_alone(collector: str, labels: dict[str, str]) -> None:
    assert target(collector, **labels) is None


def missing(blocks: list[alloy.Block]) -> list[str]:
    """List what components take from such as are not there."""
    there = {f"{block.name}.{block.label}." for block in blocks}
    taken = [name for block in blocks for name in block.references()]
    return [n for n in taken if not n.startswith((*there, "constants."))]


def test_components_of_alloy_take_from_such_as_are_there() -> None:
    blocks = alloy.parse(ALLOY.read_text())
    assert missing(blocks) == []
    assert missing([block for block in blocks if block.name != "loki.write"]) != []


@pytest.mark.parametrize(
    "text", ['a "b" {', "a { b = }", "a { b = 1 b = 2 }", "a { b = [1 2] }", "a = 1", 'a { "b }']
)
def test_a_file_that_alloy_could_not_read_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        alloy.parse(text)


def test_the_pages_way_without_kubernetes_fits_the_file() -> None:
    (snippet,) = re.findall(r"```alloy\n(.*?)```", PAGE, re.DOTALL)
    own = alloy.parse(ALLOY.read_text())
    names = [f"{block.name}.{block.label}" for block in own]
    kept = own[names.index("loki.process.optimizr") :]
    assert missing([*alloy.parse(snippet), *kept]) == []


def page_yaml(word: str) -> Any:
    blocks = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    (found,) = [block for block in blocks if word in block]
    return yaml.safe_load(found)


def test_the_pages_scrape_config_names_an_instance_by_its_pod() -> None:
    config = page_yaml("scrape_configs")
    (scrape,) = config["scrape_configs"]
    pod = page_yaml("terminationGracePeriodSeconds")
    marks = {
        **{f"{META}pod_label_{_plain(k)}": v for k, v in pod["metadata"]["labels"].items()},
        **{
            f"{META}pod_annotation_{_plain(k)}": v
            for k, v in pod["metadata"]["annotations"].items()
        },
    }
    found = relabel(scrape["relabel_configs"], POD | marks)
    assert found == {
        "__address__": "10.0.0.7:9464",
        "instance": "nightly-x7k2p",
        "namespace": "media",
    }
    assert relabel(scrape["relabel_configs"], POD) is None


def _plain(name: str) -> str:
    return re.sub(r"\W", "_", name)


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_promtool_takes_the_pages_scrape_config(tmp_path: Path) -> None:
    config = page_yaml("scrape_configs")
    for scrape in config["scrape_configs"]:
        assert scrape.pop("kubernetes_sd_configs") == [{"role": "pod"}]  # Debian's has no such
    path = tmp_path / "prometheus.yml"
    path.write_text(yaml.safe_dump(config))
    done = subprocess.run(
        ["promtool", "check", "config", path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_probes_and_ports_of_the_page_agree() -> None:
    container = page_yaml("terminationGracePeriodSeconds")["spec"]["containers"][0]
    port = container["ports"][0]["containerPort"]
    assert container["env"][0]["value"].endswith(f":{port}")
    for probe, path in (("livenessProbe", "/health"), ("readinessProbe", "/ready")):
        assert page_yaml("livenessProbe")[probe]["httpGet"] == {"path": path, "port": port}
    assert page_yaml("PodMonitor")["spec"]["podMetricsEndpoints"][0]["port"] == "metrics"
