"""What Kubernetes asks of a pod and of a Job beyond schemas, and what its Job controller decides.

Pod Security's restricted profile, the API server's own checks and the order of failure rules, as
far as they bear on what config/kubernetes has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from tests.manifests import Resource, container_of, pod_of

_RESTRICTED: dict[str, Callable[[Any, Any], bool]] = {
    "runAsNonRoot": lambda pod, own: _either(pod, own, "runAsNonRoot") is True,
    "runAsUser": lambda pod, own: _either(pod, own, "runAsUser") != 0,
    "seccompProfile": lambda pod, own: (
        (_either(pod, own, "seccompProfile") or {}).get("type") in ("RuntimeDefault", "Localhost")
    ),
    "allowPrivilegeEscalation": lambda _, own: own.get("allowPrivilegeEscalation") is False,
    "privileged": lambda _, own: not own.get("privileged"),
    "capabilities drop": lambda _, own: own.get("capabilities", {}).get("drop") == ["ALL"],
    "capabilities add": lambda _, own: (
        set(own.get("capabilities", {}).get("add", [])) <= {"NET_BIND_SERVICE"}
    ),
    "readOnlyRootFilesystem": lambda _, own: own.get("readOnlyRootFilesystem") is True,  # ours
    "host": lambda pod, _: not pod.keys() & {"hostNetwork", "hostPID", "hostIPC"},
    "volumes": lambda pod, _: all(
        volume.keys()
        <= {"name", "configMap", "emptyDir", "secret", "projected", "persistentVolumeClaim"}
        for volume in pod.get("volumes", [])
    ),
}


def _either(pod: Any, own: Any, name: str) -> Any:
    return own.get(name, pod.get("securityContext", {}).get(name))


def not_restricted(pod: Any) -> Iterator[str]:
    """Yield what the restricted profile of Pod Security has against a pod."""
    for container in [*pod["containers"], *pod.get("initContainers", [])]:
        own = container.get("securityContext", {})
        yield from (name for name, keeps in _RESTRICTED.items() if not keeps(pod, own))


def refusals(job: Resource) -> Iterator[str]:
    """Yield what the API server would have against a Job that fits the schema."""
    spec = job["spec"]
    by_index, rules = "backoffLimitPerIndex" in spec, spec["podFailurePolicy"]["rules"]
    if pod_of(job).get("restartPolicy") != "Never":
        yield "podFailurePolicy needs restartPolicy Never"
    if spec.get("podReplacementPolicy", "Failed") != "Failed":
        yield "podFailurePolicy needs podReplacementPolicy Failed"
    if by_index and spec.get("completionMode") != "Indexed":
        yield "backoffLimitPerIndex needs Indexed"
    if spec.get("maxFailedIndexes", 0) > spec.get("completions", 0) * by_index:
        yield "maxFailedIndexes needs backoffLimitPerIndex, and is at most completions"
    for rule in rules:
        if rule["action"] == "FailIndex" and not by_index:
            yield "FailIndex needs backoffLimitPerIndex"
        yield from _refused(rule, container_of(job)["name"])


def _refused(rule: Any, container: str) -> Iterator[str]:
    if len(rule.keys() & {"onExitCodes", "onPodConditions"}) != 1:
        yield "a rule is of exit codes or of conditions"
    codes = rule.get("onExitCodes", {"values": []})
    if codes["values"] != sorted(set(codes["values"]) - {0}):
        yield "exit codes are in order, each once, and never 0"
    if codes.get("containerName", container) != container:
        yield "a rule names a container that is there"


def action(job: Resource, code: int, disrupted: bool = False) -> str:
    """Tell what becomes of a pod that failed so, as the Job's controller decides it."""
    for rule in job["spec"]["podFailurePolicy"]["rules"]:
        codes = rule.get("onExitCodes")
        if codes is None and disrupted:
            return str(rule["action"])
        if codes is not None and code in codes["values"]:
            return str(rule["action"])
    return "Count"
