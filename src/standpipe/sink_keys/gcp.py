"""The keys of a sink of type gcp: Google Cloud Logging. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from standpipe.config_keys import Key, Kind
from standpipe.sink_keys.address import is_loopback
from standpipe.sink_keys.tls import TLS_KEYS, tls_problems
from standpipe.sink_keys.url import Url, parse_url

if TYPE_CHECKING:
    from collections.abc import Mapping

ENDPOINT = "https://logging.googleapis.com"
LOG_ID_CHARACTERS_MAX = 511  # "must be less than 512 characters long" (LogEntry.log_name)

_LOG_ID = re.compile(r"[A-Za-z0-9/_.-]+")  # LogEntry.log_name
_PROJECT = re.compile(r"[a-z0-9.:-]{1,128}")  # ids, numbers, and ids of a domain ("example.com:project")

KEYS: tuple[Key, ...] = (
    Key(
        "project",
        Kind.TEXT,
        "The project that gets the entries.",
        default_text="GOOGLE_CLOUD_PROJECT, or the credentials' or the metadata server's",
    ),
    Key("log", Kind.TEXT, "The log's id: the last part of `logName`.", default="vault-audit"),
    Key(
        "endpoint",
        Kind.TEXT,
        "Where the API is: scheme and host. http only on loopback, for tests.",
        default=ENDPOINT,
    ),
    Key(
        "auth",
        Kind.CHOICE,
        "How requests are authorised; none only for an endpoint on loopback.",
        default="google",
        choices=("google", "none"),
    ),
    Key(
        "credentials",
        Kind.SECRET,
        "A service account's key or an external account's configuration, as JSON.",
        default_text="Application Default Credentials",
    ),
    Key(
        "credentials_ca",
        Kind.PATH,
        "PEM file with the certificates that sign the token server's; in place of the system's.",
        default_text="none; the system's",
    ),
    Key(
        "resource.type",
        Kind.TEXT,
        "The type of the monitored resource.",
        default_text="k8s_container in Kubernetes, otherwise generic_node",
    ),
    Key(
        "resource.labels",
        Kind.LABELS,
        "Labels of the monitored resource; they win over what is found out.",
        default_text="what the environment and the metadata server say",
    ),
    Key(
        "retention",
        Kind.DURATION,
        "How long the log bucket keeps entries: older ones are routed but not stored, and a warning says so.",
        default="30d",
        minimum="1d",
        maximum="3650d",
    ),
    Key(
        "timeout",
        Kind.DURATION,
        "How long a request may take before it is tried again.",
        default="60s",
        minimum="1s",
        maximum="10m",
    ),
    *TLS_KEYS,
)

DELIVER_SEALS = True
"""An entry has an envelope that tells a seal from a record."""

EXTRA = "gcp"


def problems(options: Mapping[str, object]) -> list[tuple[str, str, str]]:
    """Return what only the options together show: (option name, message, remedy)."""
    found = tls_problems(options)
    found += _endpoint_problems(options)
    log = options.get("log")
    if isinstance(log, str) and not (_LOG_ID.fullmatch(log) and len(log) <= LOG_ID_CHARACTERS_MAX):
        remedy = f"Use letters, digits and / _ - . only, at most {LOG_ID_CHARACTERS_MAX}"
        found.append(("log", "is no id of a log", remedy))
    project = options.get("project")
    if isinstance(project, str) and not _PROJECT.fullmatch(project):
        found.append(("project", "is no id of a project", "Give the id or the number alone, without `projects/`"))
    return found


def _endpoint_problems(options: Mapping[str, object]) -> list[tuple[str, str, str]]:
    endpoint = parse_url(str(options.get("endpoint") or ENDPOINT))
    if not isinstance(endpoint, Url) or endpoint.path != "/" or endpoint.query:
        return [("endpoint", "is not scheme and host", f"Write {ENDPOINT}, or the address of a private endpoint")]
    if is_loopback(endpoint.host):
        return []
    found = []
    if options.get("auth") == "none":
        found.append(("auth", "none would send entries unauthorised", "Leave it out, or use an endpoint on loopback"))
    if endpoint.scheme == "http":
        found.append(("endpoint", "would show records and tokens to the network", "Write https://"))
    return found
