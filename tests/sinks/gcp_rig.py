"""Makes sinks of type gcp as the config would, and batches for them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from standpipe.config_sinks import BatchConfig, SinkConfig
from standpipe.sinks.base import Context
from standpipe.sinks.gcp import GcpSink, open_sink

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.sinks.gcp_peer import Peer

JOURNAL = "0b0e5b9e-3c1f-4c57-9f0e-1c2d3e4f5a6b"
CONTEXT = Context(JOURNAL, "node-1")
DAY = 86400.0

DEFAULTS: dict[str, object] = {
    "log": "vault-audit",
    "auth": "google",
    "retention": 36500 * DAY,
    "timeout": 20.0,
    "tls.verify": True,
    "project": "proj",
    "resource.type": "k8s_container",
    "resource.labels": {"location": "z", "cluster_name": "c", "namespace_name": "n", "pod_name": "p"},
}


def config(
    endpoint: str, *, labels: Mapping[str, str] | None = None, batch: BatchConfig | None = None, **options: object
) -> SinkConfig:
    """Return a config; options are given with ``__`` for the point, and None takes one away."""
    merged = DEFAULTS | {"endpoint": endpoint} | {name.replace("__", "."): value for name, value in options.items()}
    kept = {name: value for name, value in merged.items() if value is not None}
    return SinkConfig("cloud", "gcp", labels=labels or {}, batch=batch or BatchConfig(), options=kept)


def make_sink(
    endpoint: str, *, labels: Mapping[str, str] | None = None, batch: BatchConfig | None = None, **options: object
) -> GcpSink:
    """Return a sink."""
    return open_sink(config(endpoint, labels=labels, batch=batch, **options), CONTEXT)


def new_account(peer: Peer) -> str:
    """Return a new service account's key as Google's console gives it, whose tokens the peer makes."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    peer.account_key = public
    account = {
        "type": "service_account",
        "project_id": "proj",
        "private_key_id": "1",
        "private_key": private.decode(),
        "client_email": "standpipe@proj.iam.gserviceaccount.com",
        "token_uri": f"{peer.base}/token",
    }
    return json.dumps(account)
