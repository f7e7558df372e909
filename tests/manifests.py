"""Kubernetes manifests: rendered by kubectl's own kustomize, and held against schemas.

The schemas are those of Kubernetes' API, and models of KEDA's and of the Prometheus operator's.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate
import yaml
from cloudcoil.models.keda import v1alpha1 as keda
from cloudcoil.models.prometheus_operator import v1 as prometheus

from docs.generate import ROOT

HOME = ROOT / "config/kubernetes"
JOBS = ("job", "indexed-job", "queue-job")
OVERLAYS = (*JOBS, "queue-worker")
NEWEST = str(kubernetes_validate.latest_version())

Resource = dict[str, Any]

_CUSTOM: dict[str, Any] = {
    "ScaledObject": keda.ScaledObject,
    "TriggerAuthentication": keda.TriggerAuthentication,
    "PodMonitor": prometheus.PodMonitor,
}


def render(folder: Path) -> dict[str, Resource]:
    """Give what `kubectl apply -k FOLDER` would apply, by kind."""
    kubectl = Path(sys.executable).parent / "kubectl"
    done = subprocess.run(
        [kubectl, "kustomize", folder], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr, done.stderr  # warnings of what is deprecated
    return {resource["kind"]: resource for resource in yaml.safe_load_all(done.stdout)}


def written(folder: Path, kustomization: str) -> Path:
    """Write an overlay beside a copy of config/kubernetes, as users have it; give its folder."""
    overlay = folder / "my"
    overlay.mkdir()
    (overlay / "kustomization.yaml").write_text(kustomization)
    (folder / "optimizr/config").mkdir(parents=True)
    (folder / "optimizr/config/kubernetes").symlink_to(HOME)
    return overlay


def check(resource: Resource) -> None:
    """Raise what the schema of a resource has against it; what it does not know is an error too."""
    model = _CUSTOM.get(resource["kind"])
    if model is None:
        kubernetes_validate.validate(resource, NEWEST, strict=True)
        return
    known = model.model_validate(resource).model_dump(exclude_none=True, by_alias=True)
    if known != resource:
        raise ValueError(f"{resource['kind']}: not all of it is known: {resource}")


def pod_of(resource: Resource) -> Any:
    """Give the pod's spec of a Job or a Deployment."""
    return resource["spec"]["template"]["spec"]


def container_of(resource: Resource) -> Any:
    """Give the only container of a Job or a Deployment."""
    (container,) = pod_of(resource)["containers"]
    return container


def environment_of(resource: Resource) -> dict[str, str]:
    """Give the variables that a container of a Job called `optimizr-may` would find."""
    labels = {"metadata.labels['batch.kubernetes.io/job-name']": "optimizr-may"}
    return {
        entry["name"]: entry["value"]
        if "value" in entry
        else labels[entry["valueFrom"]["fieldRef"]["fieldPath"]]
        for entry in container_of(resource).get("env", [])
    }
