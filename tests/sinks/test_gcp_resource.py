from __future__ import annotations

from standpipe.sinks.gcp_resource import completed, known, wanted

IN_A_POD = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "HOSTNAME": "vault-0", "NAMESPACE": "vault"}


def test_a_pod_knows_itself() -> None:
    """In Kubernetes the resource is the container; its cluster and location are what is missing."""
    found = known("", {}, IN_A_POD, "node-1")
    assert "k8s_container" == found.kind
    assert {"namespace_name": "vault", "pod_name": "vault-0", "container_name": "vault"} == dict(found.labels)
    assert ("project_id", "location", "cluster_name") == found.missing
    assert set(found.missing) == set(wanted(found))


def test_variables_in_their_order() -> None:
    """POD_NAME and POD_NAMESPACE go before HOSTNAME and NAMESPACE; an empty variable is none."""
    more = {"POD_NAME": "real", "POD_NAMESPACE": "", "CONTAINER_NAME": "bao"}
    found = known("", {}, IN_A_POD | more, "node-1")
    assert ("real", "vault", "bao") == tuple(found.labels[f"{name}_name"] for name in ("pod", "namespace", "container"))


def test_the_config_wins() -> None:
    """Labels of the config stand, whatever the environment and the metadata server say, of any kind of resource."""
    found = completed(
        known("", {"pod_name": "mine", "odd": "x"}, IN_A_POD, "n"), {"pod_name": "theirs", "location": "z"}
    )
    assert ("mine", "x", "z") == (found.labels["pod_name"], found.labels["odd"], found.labels["location"])


def test_elsewhere_it_is_a_node() -> None:
    """Outside of Kubernetes the resource is the machine; a zone comes with its path in front."""
    found = known("", {}, {}, "node-1")
    assert ("generic_node", "node-1") == (found.kind, found.labels["node_id"])
    whole = completed(found, {"location": "projects/1/zones/europe-west1-b", "project_id": "p"})
    assert ("europe-west1-b", ()) == (whole.labels["location"], whole.missing)


def test_a_machine_of_compute_engine() -> None:
    """gce_instance, when asked for, is known to the metadata server alone."""
    found = known("gce_instance", {}, IN_A_POD, "node-1")
    assert {"project_id", "instance_id", "zone"} == set(wanted(found))


def test_an_unknown_kind_is_left_alone() -> None:
    """Another kind of resource has the labels of the config; nothing is asked for."""
    found = known("global", {}, {"GOOGLE_CLOUD_PROJECT": "p"}, "node-1")
    assert ({"project_id": "p"}, {}, ()) == (dict(found.labels), wanted(found), found.missing)
