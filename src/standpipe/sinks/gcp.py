"""Google Cloud Logging: batches of entries to ``entries:write`` of its REST API, one try each.

A re-send is harmless: an entry has the record's own time and a deterministic insertId, and Logging shows entries of one
project with the same both as one (LogEntry.insert_id). Exports may hold both copies; `jsonPayload.standpipe.id` tells.
"""

from __future__ import annotations

import json
import os
import threading
import time
from typing import TYPE_CHECKING
from urllib.parse import quote

from standpipe import preflight
from standpipe.errors import UsageError
from standpipe.sink_keys import gcp as keys
from standpipe.sinks.base import Delivered, Limits, Retry, wished
from standpipe.sinks.gcp_auth import Tokens
from standpipe.sinks.gcp_entry import TIMESTAMP_START, EntryEncoder, label_problem, request_labels
from standpipe.sinks.gcp_errors import gcp_outcome, needs_new_token, words_of
from standpipe.sinks.gcp_metadata import MetadataServer
from standpipe.sinks.gcp_resource import Resource, completed, known, wanted
from standpipe.sinks.http_client import HttpClient, Response
from standpipe.sinks.tls import tls_options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from standpipe.config_sinks import SinkConfig
    from standpipe.records.framing import Record
    from standpipe.sinks.base import Batch, Context, Outcome

PATH = "/v2/entries:write"
REQUEST_BYTES = 9 << 20  # the most of a whole request; Logging takes 10 MB (Cloud Logging, Quotas and limits)
BATCH_BYTES = 4 << 20  # unless the config asks for more: larger requests are hardly faster, and cost memory
UNKNOWN_BYTES = 4 << 10  # of a request's head: room for the labels that are learned later
BATCH_RECORDS = 1000  # Logging names no limit; Google's own Go client sends as many
LINGER_SECONDS = 1.0
TIMEOUT_SECONDS = 60.0
IN_FLIGHT = 2  # the order of arrival does not matter; each request takes its size of memory twice

CHECK_NAME = "entries:write"

METADATA_TRIES = 3
"""How often a label that only the metadata server knows is asked for before entries go without it. On GKE the server
is not ready in a pod's first seconds; elsewhere there is none, and nobody should wait for it for ever."""

DAY_SECONDS = 86400.0

CHECK_ENTRY = b'{"insertId":"standpipe-check","severity":"DEBUG","jsonPayload":{"standpipe":{"kind":"check"}}}'
TAIL = b"]}"
TIME_DIGITS = len("2026-01-02T03:04:05")

_encode = json.JSONEncoder(ensure_ascii=True, separators=(",", ":")).encode


def open_sink(config: SinkConfig, context: Context) -> GcpSink:
    """Make the sink; see sinks.base.SinkType."""
    if problem := label_problem(config.labels):
        raise UsageError(f"sinks.{config.name}.add cannot be used: {problem}", "Add fewer or shorter labels")
    if problem := label_problem(config.labels_of("resource.labels")):
        raise UsageError(f"sinks.{config.name}.resource.labels cannot be used: {problem}", "Give fewer or shorter ones")
    return GcpSink(config, context)


class GcpSink:
    """A log of one project; see sinks.base.Sink."""

    def __init__(self, config: SinkConfig, context: Context) -> None:
        self._project = config.text("project") or ""
        self._log = config.text("log") or "vault-audit"
        given = dict(config.labels_of("resource.labels"))
        self._resource = known(config.text("resource.type") or "", given, os.environ, context.node)
        self._labels = request_labels(context.journal_id, config.labels)
        self._retention_seconds = config.seconds("retention")
        head_bytes = len(self._make_head("", self._resource)) + UNKNOWN_BYTES
        self._limits = wished(
            Limits(BATCH_BYTES, BATCH_RECORDS, LINGER_SECONDS, IN_FLIGHT, record_overhead_bytes=len(b",")),
            config.batch,
            bytes_max=REQUEST_BYTES,
            frame_bytes=head_bytes + len(TAIL),
        )
        endpoint = config.text("endpoint") or keys.ENDPOINT
        self._is_google = config.text("auth") != "none"
        self._client = HttpClient(
            endpoint,
            tls=tls_options(config),
            timeout_seconds=config.seconds("timeout") or TIMEOUT_SECONDS,
            connections=self._limits.in_flight,
        )
        self._metadata = MetadataServer()
        self._tokens = Tokens(config.secret("credentials"), config.text("credentials_ca"), self._metadata)
        self._lock = threading.Lock()
        self._head: bytes | None = None
        self._metadata_tries = METADATA_TRIES
        self._encoder = EntryEncoder(context.journal_id, config.labels, head_bytes)

    @property
    def limits(self) -> Limits:
        """See sinks.base.Sink."""
        return self._limits

    def encode(self, record: Record, after: int) -> bytes | Sequence[bytes]:
        """See sinks.base.Sink."""
        return self._encoder.encode(record, after)

    def send(self, batch: Batch) -> Outcome:
        """See sinks.base.Sink."""
        answer = self._write(batch.payloads)
        if isinstance(answer, Retry):
            return answer
        outcome = gcp_outcome(answer, len(batch))
        if isinstance(outcome, Delivered):
            return Delivered(notice=self._notice(batch.payloads))
        return outcome

    def checks(self) -> list[preflight.Check]:
        """See sinks.base.Sink. The API is asked with dry_run, which stores nothing."""
        return [preflight.Check(CHECK_NAME, self._look)]

    def close(self) -> None:
        """See sinks.base.Sink."""
        self._client.close()
        self._metadata.close()

    def _write(self, entries: Sequence[bytes], *, dry_run: bool = False) -> Response | Retry:
        token = self._tokens.get() if self._is_google else ""
        if isinstance(token, Retry):
            return token
        head = self._current_head()
        if isinstance(head, Retry):
            return head
        if dry_run:
            head = b'{"dryRun":true,' + head[1:]
        headers = {"Content-Type": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        body = b"".join((head, b",".join(entries), TAIL))
        answer = self._client.post(body, headers, PATH, redact=(token,))
        if isinstance(answer, Retry) or not token:
            return answer
        if not needs_new_token(answer):
            self._tokens.accepted()
        elif self._tokens.refused(token):
            return Retry(f"{answer.server} does not take the token any more; the next try has a new one")
        return answer

    def _current_head(self) -> bytes | Retry:
        """Return what stands before the entries of a request; asks the metadata server at first."""
        with self._lock:
            if self._head is not None:
                return self._head
            if failure := self._ask_metadata():
                return failure
            project = self._project or self._resource.labels.get("project_id", "") or self._tokens.project
            if not project:
                words = "no project is known: set the option `project`, or GOOGLE_CLOUD_PROJECT"
                return Retry(words, config_fault=True)
            self._resource = completed(self._resource, {"project_id": project})
            self._head = self._make_head(project, self._resource)
            return self._head

    def _ask_metadata(self) -> Retry | None:
        """Learn the labels that only the metadata server knows; return why not, if it is worth another try."""
        paths = wanted(self._resource)
        if set(paths) == {"project_id"} and (self._project or self._tokens.project):
            return None
        if not paths or not self._metadata_tries or not self._is_google:
            return None
        answers = self._metadata.values(paths)
        if isinstance(answers, Retry):
            self._metadata_tries -= 1
            return Retry(f"{answers.why} (for the resource's labels {', '.join(paths)})")
        self._resource = completed(self._resource, answers)
        return None

    def _make_head(self, project: str, resource: Resource) -> bytes:
        name = f"projects/{project}/logs/{quote(self._log, safe='')}"
        return (
            f'{{"logName":{_encode(name)},"resource":'
            f'{_encode({"type": resource.kind, "labels": resource.labels})},"labels":{_encode(self._labels)}'
            f',"partialSuccess":true,"entries":['
        ).encode("ascii")

    def _notice(self, entries: Sequence[bytes]) -> str:
        """Return what a person should know of a batch that was delivered, the same words each time."""
        first = len(TIMESTAMP_START)
        times = [entry[first : first + TIME_DIGITS] for entry in entries if entry.startswith(TIMESTAMP_START)]
        limit = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() - self._retention_seconds))
        if self._retention_seconds and times and min(times) < limit.encode():
            return (
                f"records older than {self._retention_seconds / DAY_SECONDS:g} days were sent: Cloud Logging "
                "routes them to its sinks, but stores nothing older than the bucket's retention (option `retention`)"
            )
        if missing := self._resource.missing:
            return f"the monitored resource has no {', '.join(missing)}: give them in `resource.labels`"
        return ""

    def _look(self) -> list[preflight.Result]:
        name = CHECK_NAME
        answer = self._write([CHECK_ENTRY], dry_run=True)
        if isinstance(answer, Retry) and self._head is None and self._metadata_tries < METADATA_TRIES:
            self._metadata_tries = 0  # delivery would ask again and then go without; a person should not wait
            answer = self._write([CHECK_ENTRY], dry_run=True)
        if isinstance(answer, Retry):
            remedy = "Mend what the message names" if answer.config_fault else "Try again; look at the network's rules"
            return [preflight.failed(name, answer.why, remedy)]
        code, words, remedy = words_of(answer)
        if answer.status != 200:  # noqa: PLR2004 - OK
            fallback = f"Check the option `endpoint` ({self._client.server}), and what stands between"
            return [preflight.failed(name, f"{code} {words}".strip(), remedy or fallback)]
        found = [preflight.ok(name, f"Cloud Logging takes entries for {self._log} (tried with dry_run)")]
        if missing := self._resource.missing:
            remedy = "Give them in `resource.labels`, or through the downward API"
            found.append(preflight.warning(name, f"the monitored resource has no {', '.join(missing)}", remedy))
        return found
