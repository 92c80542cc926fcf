"""What a client asks a real OpenBao, and what each request must leave in the audit log. Pure; shares nothing with us.

What was found by experiment with OpenBao 2.7.2, besides what openbao.py says:

- A wrong password of a user that exists has the error ``invalid credentials``; for one that does not exist the record
  has no ``error``, but a response whose data is ``{"error": …}`` alone, hashed.
- A request that its token's policies refuse has a request with who asked and ``permission denied``; one with a wrong
  token has no display name.
- A wrapping token that is used up or wrong, ``sys/seal``, and a request beyond a rate limit (where the quotas' audit is
  on) make a request without a response. The last are answered 429.
- In a namespace the path is relative to it; the namespace's id and path stand beside it.
- A path with line feeds is refused; with ``<``, ``&``, spaces and letters of all languages it is kept, unescaped.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

OK, DENIED, ERROR, NO_RESPONSE = "ok", "denied", "error", "no-response"
ROOT_NAME = "token"  # the display name of the dev server's root token
NAMESPACE = "team"
USERS, APPLICATIONS = ("alice", "bob", "carol"), 40
LARGE_STRINGS = 400  # each becomes 76 bytes: a record of some 35 KiB, which container runtimes cut
TIMES_STRANGE = ("<b>&'", "ü/ 雪", "a b")

READER_POLICY = """
path "secret/data/app/*" { capabilities = ["read"] }
path "secret/metadata/*" { capabilities = ["list"] }
path "auth/token/create" { capabilities = ["update"] }
"""


@dataclass(frozen=True, slots=True)
class Ask:
    """One request and what it must be in the audit log. ``path`` and ``operation`` as the log has them."""

    method: str
    path: str
    operation: str
    who: str = ROOT_NAME  # display name; "" where the log has none
    outcome: str = OK
    right: int = 200  # HTTP status
    url: str = ""  # where it differs from the path
    namespace: str = ""  # with its slash, as in the log
    body: Mapping[str, object] | None = None
    headers: tuple[tuple[str, str], ...] = ()
    root: bool = True
    answered: bool = True  # whether the log has a response

    def encode(self, token: str, host: str) -> bytes:
        """Return the request as bytes of HTTP/1.1 for a connection that stays open."""
        body = b"" if self.body is None else json.dumps(self.body).encode()
        lines = [f"{self.method} /v1/{self.url or quote(self.path)} HTTP/1.1", f"Host: {host}"]
        if token:
            lines.append(f"X-Vault-Token: {token}")
        if self.namespace:
            lines.append(f"X-Vault-Namespace: {self.namespace}")
        lines += [f"{name}: {value}" for name, value in self.headers]
        lines += [f"Content-Length: {len(body)}", "", ""]
        return "\r\n".join(lines).encode() + body

    @property
    def records(self) -> int:
        """How many records it makes."""
        return 2 if self.answered else 1


def by_user(ask: Ask, name: str) -> Ask:
    """Return the same, asked by somebody who is not root."""
    return replace(ask, who=name, root=False)


def set_up_asks() -> list[Ask]:
    """Return what an administrator does first: engines, policies, users, a namespace, a quota."""
    made = [
        _post("sys/auth/userpass", "update", {"type": "userpass"}),
        _post("sys/auth/approle", "update", {"type": "approle"}),
        _post("sys/policies/acl/reader", "update", {"policy": READER_POLICY}),
        _post("sys/mounts/kv", "update", {"type": "kv"}),
        _post("sys/namespaces/" + NAMESPACE, "update", {}, right=200),
        replace(_post("sys/mounts/kv", "update", {"type": "kv"}), namespace=NAMESPACE + "/"),
        replace(_post("kv/shared", "create", {"a": "b"}), namespace=NAMESPACE + "/"),
        _post("sys/quotas/config", "update", {"enable_rate_limit_audit_logging": True}),
        _post("sys/mounts/limited", "update", {"type": "kv"}),
        _post("sys/quotas/rate-limit/limited", "update", {"path": "limited/", "rate": 1, "interval": "1h"}),
        Ask("GET", "limited/x", "read", right=404),
    ]
    made += [_post(f"auth/userpass/users/{user}", "create", {"password": user, "policies": "reader"}) for user in USERS]
    made += [_post(f"secret/data/app/{n}", "create", {"data": {"k": f"v{n}"}}, right=200) for n in range(APPLICATIONS)]
    return made


def _post(path: str, operation: str, body: Mapping[str, object], *, right: int = 204) -> Ask:
    return Ask("POST", path, operation, body=body, right=right)


def login(user: str) -> Ask:
    """Return a login that succeeds."""
    return Ask("POST", f"auth/userpass/login/{user}", "update", f"userpass-{user}", body={"password": user}, root=False)


def failed_logins() -> list[Ask]:
    """Return logins that fail: by a wrong password, and by a name that does not exist."""
    wrong = replace(login("alice"), body={"password": "no"})
    return [replace(ask, who="", right=400, outcome=ERROR) for ask in (wrong, login("nobody"))]


def single_asks(serial: int) -> list[Ask]:
    """Return requests that are rare in a log and need no answer of another one. All by root."""
    strange = TIMES_STRANGE[serial % len(TIMES_STRANGE)]
    values = {f"k{n}": f"v{n}" for n in range(LARGE_STRINGS)}
    return [
        _post(f"kv/large/{serial}", "create", values),
        _post(f"kv/{strange}/{serial}", "create", {"a": "b"}),
        Ask("GET", f"kv/{strange}/{serial}", "read"),
        Ask("GET", "secret/data/app/1", "help", url="secret/data/app/1?help=1"),
        Ask("GET", f"nomount/{serial}", "read", outcome=ERROR, right=404),
        Ask("GET", "limited/x", "read", "", ERROR, right=429, root=False, answered=False),
        Ask("GET", "sys/audit", "read"),
        _post(f"sys/policies/acl/p{serial}", "update", {"policy": READER_POLICY}),
        Ask("DELETE", f"sys/policies/acl/p{serial}", "delete", right=204),
        Ask(
            "PATCH",
            "secret/data/app/0",
            "patch",
            body={"data": {"k": str(serial)}},
            headers=(("Content-Type", "application/merge-patch+json"),),
        ),
    ]


BAD_UNWRAP = Ask(
    "POST",
    "sys/wrapping/unwrap",
    "update",
    "",
    ERROR,
    400,
    body={"token": "none"},
    root=False,
    answered=False,
)
BAD_LOOKUP = replace(BAD_UNWRAP, path="sys/wrapping/lookup")
SEAL = Ask("PUT", "sys/seal", "update", outcome=NO_RESPONSE, right=204, answered=False)
AUDIT_TEST = Ask("", "sys/audit/test", "update", "", NO_RESPONSE, root=False, answered=False)
"""The device's test message; no client asks for it."""

START_UP = [
    AUDIT_TEST,
    Ask("", "auth/token/create", "update", "root"),
    Ask("", "auth/token/revoke-self", "update", "root"),
    Ask("", "sys/mounts/secret", "update"),
]
"""What a dev server asks itself."""


def _kinds(client: str) -> list[Callable[[int], tuple[str, Ask]]]:
    """Return the makers of the bulk's requests: a serial number gives whose token it takes, and the request."""
    user = f"userpass-{USERS[0]}"
    secret, metadata = "secret/data/app/{}", "secret/metadata/app/"
    namespaced = Ask("GET", "kv/shared", "read", namespace=NAMESPACE + "/")
    refused = Ask("GET", "", "read", outcome=DENIED, right=403)
    return [
        lambda n: ("root", _post(f"kv/{client}/{n}", "create", {"value": str(n)})),
        lambda n: ("root", Ask("GET", f"kv/{client}/{n - 1}", "read")),
        lambda n: ("user", by_user(Ask("GET", secret.format(n % APPLICATIONS), "read"), user)),
        lambda _: ("user", by_user(Ask("LIST", metadata, "list", url=metadata), user)),
        lambda n: ("user", by_user(replace(refused, path=f"secret/data/closed/{n}"), user)),
        lambda n: ("wrong", by_user(replace(refused, path=f"secret/data/app/{n % APPLICATIONS}"), "")),
        lambda n: ("batch", by_user(Ask("GET", secret.format(n % APPLICATIONS), "read"), "token-batch")),
        lambda _: ("root", namespaced),
        lambda n: ("root", Ask("GET", f"kv/none/{n}", "read", right=404)),
        lambda n: ("root", _post(f"kv/{client}/{n - 9}", "update", {"value": "again"})),
        lambda n: ("root", Ask("DELETE", f"kv/{client}/{n - 10}", "delete", right=204)),
        lambda _: ("user", by_user(Ask("GET", "auth/token/lookup-self", "read"), user)),
    ]


def bulk(client: str, count: int) -> Iterator[tuple[str, Ask]]:
    """Yield the common requests of one client, each with the name of its token."""
    kinds = _kinds(client)
    for serial in range(count):
        yield kinds[serial % len(kinds)](serial)


def records_of(asks: Iterable[Ask]) -> int:
    """Return how many records they make."""
    return sum(ask.records for ask in asks)
