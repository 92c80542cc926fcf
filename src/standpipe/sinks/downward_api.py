"""The environment variables by which a container knows where it is; its manifest fills them (downward API). Pure.

https://kubernetes.io/docs/concepts/workloads/pods/downward-api/. Kubernetes gives them no names; these are the usual.
"""

POD_NAME = "POD_NAME"  # fieldRef metadata.name
POD_NAMESPACE = "POD_NAMESPACE"  # fieldRef metadata.namespace
NODE_NAME = "NODE_NAME"  # fieldRef spec.nodeName
CONTAINER_NAME = "CONTAINER_NAME"  # no field has it: a plain value
CLUSTER_NAME = "CLUSTER_NAME"  # likewise
