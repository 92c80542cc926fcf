"""Which monitored resource entries belong to: from the config, the environment and Google's metadata server. Pure.

``k8s_container`` (https://cloud.google.com/monitoring/api/resources#tag_k8s_container) has the labels project_id,
location, cluster_name, namespace_name, pod_name and container_name. A pod knows its own through the downward API: the
variables of ENVIRONMENT below. The metadata server of GKE has the cluster's name and location.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from standpipe.sinks.downward_api import CLUSTER_NAME, CONTAINER_NAME, POD_NAME, POD_NAMESPACE

if TYPE_CHECKING:
    from collections.abc import Mapping

K8S_CONTAINER = "k8s_container"
GCE_INSTANCE = "gce_instance"
GENERIC_NODE = "generic_node"

LABELS: dict[str, tuple[str, ...]] = {
    K8S_CONTAINER: ("project_id", "location", "cluster_name", "namespace_name", "pod_name", "container_name"),
    GCE_INSTANCE: ("project_id", "instance_id", "zone"),
    GENERIC_NODE: ("project_id", "location", "namespace", "node_id"),
}

IN_KUBERNETES = "KUBERNETES_SERVICE_HOST"  # the kubelet sets it in every container

ENVIRONMENT: dict[str, tuple[str, ...]] = {
    "project_id": ("GOOGLE_CLOUD_PROJECT",),
    "location": ("CLUSTER_LOCATION",),
    "cluster_name": (CLUSTER_NAME,),
    "namespace_name": (POD_NAMESPACE, "NAMESPACE"),
    "pod_name": (POD_NAME, "HOSTNAME"),
    "container_name": (CONTAINER_NAME,),
}
"""The variables that are looked at, the first that is set counts. A pod's HOSTNAME is its name."""

DEFAULT_CONTAINER = "vault"  # what HashiCorp's chart and most others call it

METADATA: dict[str, dict[str, str]] = {
    K8S_CONTAINER: {
        "project_id": "project/project-id",
        "location": "instance/attributes/cluster-location",
        "cluster_name": "instance/attributes/cluster-name",
    },
    GCE_INSTANCE: {"project_id": "project/project-id", "instance_id": "instance/id", "zone": "instance/zone"},
    GENERIC_NODE: {"project_id": "project/project-id", "location": "instance/zone"},
}
"""Paths below /computeMetadata/v1/."""


@dataclass(frozen=True, slots=True)
class Resource:
    """A MonitoredResource. Labels that nobody knows are left out."""

    kind: str
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def missing(self) -> tuple[str, ...]:
        """Return the labels of this kind that are not known."""
        return tuple(name for name in LABELS.get(self.kind, ()) if not self.labels.get(name))


def known(kind: str, given: Mapping[str, str], environment: Mapping[str, str], node: str) -> Resource:
    """Return what is known without asking anybody.

    kind: "" for the one that fits: k8s_container within Kubernetes, generic_node elsewhere. given: labels of the
    config, which win; they may be of any kind of resource. node: the machine's name.
    """
    kind = kind or (K8S_CONTAINER if environment.get(IN_KUBERNETES) else GENERIC_NODE)
    labels: dict[str, str] = {}
    for name in LABELS.get(kind, ("project_id",)):
        value = next((environment[key] for key in ENVIRONMENT.get(name, ()) if environment.get(key)), "")
        labels[name] = value or _default(name, node)
    labels |= given
    return Resource(kind, {name: value for name, value in labels.items() if value})


def wanted(resource: Resource) -> dict[str, str]:
    """Return the labels that the metadata server should be asked for, and where it has them."""
    paths = METADATA.get(resource.kind, {})
    return {name: paths[name] for name in resource.missing if name in paths}


def completed(resource: Resource, answers: Mapping[str, str]) -> Resource:
    """Return the resource with what the metadata server said; a zone comes as projects/<number>/zones/<zone>."""
    learned = {name: text.rpartition("/")[2] for name, text in answers.items()}
    return Resource(resource.kind, {name: value for name, value in learned.items() if value} | dict(resource.labels))


def _default(name: str, node: str) -> str:
    if name == "container_name":
        return DEFAULT_CONTAINER
    if name == "namespace":
        return "standpipe"
    return node if name == "node_id" else ""
