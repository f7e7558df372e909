"""config/kubernetes: what is rendered is valid, safe, and agrees with optimizr's settings."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest

from optimizr.cli.settings import load_config
from optimizr.config import Settings
from optimizr.errors import ExitCode
from tests import manifests
from tests.admission import action, not_restricted, refusals
from tests.conftest import Program, fill, named
from tests.manifests import (
    HOME,
    JOBS,
    OVERLAYS,
    Resource,
    check,
    container_of,
    environment_of,
    pod_of,
)
from tests.watching import free_port

WORKLOADS = ("Job", "Deployment")
WITH_KEDA = """\
resources: [../optimizr/config/kubernetes/queue-worker]
components: [../optimizr/config/kubernetes/keda]
nameSuffix: -may
"""


@cache
def rendered(overlay: str) -> dict[str, Resource]:
    return manifests.render(HOME / overlay)


def workload(overlay: str) -> Resource:
    """Give a copy of an overlay's Job or Deployment."""
    (found,) = [rendered(overlay)[kind] for kind in WORKLOADS if kind in rendered(overlay)]
    return copy.deepcopy(found)


@pytest.fixture
def settings(tmp_path: Path) -> Callable[[str], Settings]:
    """Read the settings that an overlay mounts, by optimizr's own means."""

    def read(overlay: str) -> Settings:
        path = tmp_path / "config.yaml"
        path.write_text(rendered(overlay)["ConfigMap"]["data"]["config.yaml"])
        return Settings(**load_config(str(path)))

    return read


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_resource_fits_the_schema_of_the_newest_kubernetes(overlay: str) -> None:
    resources = rendered(overlay)
    assert resources.keys() > {"ServiceAccount", "ConfigMap"}
    for resource in resources.values():
        check(resource)


def misspelt(job: Resource) -> None:
    job["spec"]["backoffLimitPerIndexes"] = 1


def of_another_type(job: Resource) -> None:
    container_of(job)["env"][1]["value"] = 10


def without_what_is_needed(job: Resource) -> None:
    del container_of(job)["name"]


@pytest.mark.parametrize("spoil", [misspelt, of_another_type, without_what_is_needed])
def test_a_mistake_does_not_fit_the_schema(spoil: Callable[[Resource], None]) -> None:
    job = workload("indexed-job")
    spoil(job)
    with pytest.raises(kubernetes_validate.ValidationError):
        check(job)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_pods_keep_to_the_restricted_profile(overlay: str) -> None:
    assert list(not_restricted(pod_of(workload(overlay)))) == []


@pytest.mark.parametrize(
    ("found", "change"),
    [
        ("runAsNonRoot", {"runAsNonRoot": False}),
        ("runAsUser", {"runAsUser": 0}),
        ("seccompProfile", {"seccompProfile": {"type": "Unconfined"}}),
        ("allowPrivilegeEscalation", {"allowPrivilegeEscalation": True}),
        ("privileged", {"privileged": True}),
        ("capabilities drop", {"capabilities": {"drop": ["NET_RAW"]}}),
        ("capabilities add", {"capabilities": {"drop": ["ALL"], "add": ["SYS_ADMIN"]}}),
        ("readOnlyRootFilesystem", {"readOnlyRootFilesystem": False}),
    ],
)
def test_a_pod_that_breaks_the_restricted_profile_is_found(found: str, change: Any) -> None:
    job = workload("job")
    container_of(job)["securityContext"].update(change)
    assert list(not_restricted(pod_of(job))) == [found]


def test_a_pod_on_the_network_or_a_disk_of_its_host_is_found() -> None:
    pod = pod_of(workload("job"))
    pod["hostNetwork"] = True
    pod["volumes"].append({"name": "host", "hostPath": {"path": "/"}})
    assert list(not_restricted(pod)) == ["host", "volumes"]


@pytest.mark.parametrize("overlay", JOBS)
def test_the_api_server_takes_the_jobs(overlay: str) -> None:
    assert list(refusals(workload(overlay))) == []


def test_what_the_api_server_refuses_is_found() -> None:
    job = workload("indexed-job")
    del job["spec"]["backoffLimitPerIndex"]
    job["spec"]["podReplacementPolicy"] = "TerminatingOrFailed"
    pod_of(job)["restartPolicy"] = "OnFailure"
    job["spec"]["podFailurePolicy"]["rules"][0]["onExitCodes"]["values"] = [2, 0]
    assert len(list(refusals(job))) == 5


INDEXED = {
    ExitCode.FAILURES: "FailIndex",
    ExitCode.USAGE: "FailJob",
    ExitCode.ENVIRONMENT: "Count",
    ExitCode.TERMINATED: "Ignore",
}
RULES = {
    "indexed-job": INDEXED,
    "job": INDEXED | {ExitCode.FAILURES: "FailJob"},
    "queue-job": INDEXED | {ExitCode.FAILURES: "Count"},
}


@pytest.mark.parametrize("overlay", JOBS)
def test_exit_codes_decide_what_becomes_of_a_pod(overlay: str) -> None:
    job = workload(overlay)
    assert {code: action(job, code) for code in RULES[overlay]} == RULES[overlay]
    out_of_memory = 137
    assert action(job, out_of_memory) == "Count"


@pytest.mark.parametrize("overlay", JOBS)
def test_an_eviction_is_ignored_unless_the_run_had_come_to_its_own_end(overlay: str) -> None:
    job = workload(overlay)
    for code in (137, ExitCode.TERMINATED, ExitCode.ENVIRONMENT):
        assert action(job, code, disrupted=True) == "Ignore"
    assert action(job, ExitCode.USAGE, disrupted=True) == "FailJob"


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_grace_is_the_drain_and_ten_seconds(
    overlay: str, settings: Callable[[str], Settings]
) -> None:
    drain = settings(overlay).limits.drain.total_seconds()
    assert pod_of(workload(overlay))["terminationGracePeriodSeconds"] == drain + 10


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_probes_and_scrapes_go_where_the_settings_serve_them(
    overlay: str, settings: Callable[[str], Settings]
) -> None:
    found = workload(overlay)
    container = container_of(found)
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    paths = set()
    for kind in ("startupProbe", "livenessProbe", "readinessProbe"):
        get = container[kind]["httpGet"]
        paths.add((kind, get["path"]))
        assert settings(overlay).telemetry.http == f"0.0.0.0:{ports[get['port']]}"
    assert paths == {
        ("startupProbe", "/health"),
        ("livenessProbe", "/health"),
        ("readinessProbe", "/ready"),
    }
    annotations = found["spec"]["template"]["metadata"]["annotations"]
    assert annotations["prometheus.io/port"] == str(ports["metrics"])


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_what_is_mounted_is_what_the_program_is_told_to_read(overlay: str) -> None:
    found = workload(overlay)
    container, volumes = container_of(found), pod_of(found)["volumes"]
    (mount,) = [mount for mount in container["volumeMounts"] if mount["name"] == "config"]
    assert container["args"] == ["run", f"{mount['mountPath']}/config.yaml"]
    name = rendered(overlay)["ConfigMap"]["metadata"]["name"]
    assert {"name": "config", "configMap": {"name": name}} in volumes


def test_there_are_as_many_shards_as_pods(settings: Callable[[str], Settings]) -> None:
    job = workload("indexed-job")
    count = environment_of(job)["OPTIMIZR_SHARD__COUNT"]
    assert count == str(job["spec"]["completions"])
    assert not settings("indexed-job").input.startswith("sqs:")


@pytest.mark.parametrize("overlay", ["queue-job", "queue-worker"])
def test_workers_of_a_queue_know_of_no_shards(
    overlay: str, settings: Callable[[str], Settings]
) -> None:
    found = workload(overlay)
    assert "completions" not in found["spec"]
    assert environment_of(found) == {}
    assert settings(overlay).root


def test_workers_of_a_queue_that_end_wait_longer_than_for_what_lost_ones_had(
    settings: Callable[[str], Settings],
) -> None:
    queue = settings("queue-job").queue
    assert queue.idle_exit is not None
    assert queue.idle_exit > queue.lease
    assert settings("queue-worker").queue.idle_exit is None


@pytest.mark.parametrize("overlay", ["job", "indexed-job"])
def test_a_job_s_settings_make_a_run(overlay: str, tmp_path: Path, optimizr: Program) -> None:
    """With folders in place of buckets, and another port."""
    job = workload(overlay)
    config = tmp_path / "config.yaml"
    config.write_text(rendered(overlay)["ConfigMap"]["data"]["config.yaml"])
    fill(tmp_path / "in", 20)
    command, _ = container_of(job)["args"]
    environment = environment_of(job)
    if overlay == "indexed-job":
        environment["JOB_COMPLETION_INDEX"] = "3"
    done = optimizr(
        *(command, config, "--input", tmp_path / "in", "--output", tmp_path / "out"),
        *("--telemetry.http", f"127.0.0.1:{free_port()}"),
        **environment,
    )
    assert done.returncode == 0, done.stderr
    (started,) = named(done.stdout, "run.started")
    assert started["settings"]["shard"]["count"] == job["spec"].get("completions", 1)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_pipelines_for_loki_find_the_pods(overlay: str) -> None:
    labels = workload(overlay)["spec"]["template"]["metadata"]["labels"]
    assert labels["app.kubernetes.io/name"] == "optimizr"
    for pipeline in ("alloy.alloy", "promtail.yaml"):
        text = (HOME.parent / "loki" / pipeline).read_text()
        wanted = re.search(r"pod_label_app_kubernetes_io_name[^]]*\][^/]*?regex\W+([^\s\"]+)", text)
        assert wanted is not None
        assert re.fullmatch(wanted[1], f"{labels['app.kubernetes.io/name']};")


def test_keda_scales_the_deployment_whatever_it_is_called(tmp_path: Path) -> None:
    resources = manifests.render(manifests.written(tmp_path, WITH_KEDA))
    for resource in resources.values():
        check(resource)
    scaled, deployment = resources["ScaledObject"], resources["Deployment"]
    assert scaled["spec"]["scaleTargetRef"]["name"] == deployment["metadata"]["name"]
    (trigger,) = scaled["spec"]["triggers"]
    named_so = resources["TriggerAuthentication"]["metadata"]["name"]
    assert trigger["authenticationRef"]["name"] == named_so == "optimizr-may"
    assert "replicas" not in deployment["spec"]


def test_a_mistake_in_a_custom_resource_is_found(tmp_path: Path) -> None:
    scaled = manifests.render(manifests.written(tmp_path, WITH_KEDA))["ScaledObject"]
    scaled["spec"]["maxReplicas"] = 3
    with pytest.raises(ValueError, match="not all of it is known"):
        check(scaled)


def test_a_deployment_selects_its_own_pods_alone() -> None:
    spec = workload("queue-worker")["spec"]
    wanted = spec["selector"]["matchLabels"].items()
    assert wanted <= spec["template"]["metadata"]["labels"].items()
    for overlay in JOBS:
        labels = workload(overlay)["spec"]["template"]["metadata"]["labels"]
        assert not wanted <= labels.items()
