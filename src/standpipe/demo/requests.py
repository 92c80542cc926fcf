"""What the vault-client asks, and which audit records that must make; pure.

The client works in rounds. Round *n* carries its serial number in the path of every request, so operation and path
together name one request of the whole run, and its two records (type ``request`` and type ``response``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT_TOKEN = "standpipe-demo-root"  # noqa: S105  opens a throw-away server on loopback only
PASSWORD = "demo"  # noqa: S105
# bcrypt of PASSWORD at OpenBao's lowest cost, 5: at the default cost a login takes 50 ms of CPU and hides every latency
PASSWORD_HASH = "$2b$05$standpipeStandpipeDemefwBRRqUQjVmcUQIAFa2qpadUwaxLJ6K"  # noqa: S105

POLICY_NAME = "demo"
POLICY = """
path "demo/*" { capabilities = ["create", "read", "update", "list"] }
path "auth/token/create/*" { capabilities = ["create", "update"] }
"""

OK, NO_CONTENT, DENIED = 200, 204, 403

# OpenBao's own records when a dev server starts with one declared audit device (seen with 2.7.2): the device's test
# message has no response; dev mode then makes its root token, drops the first one and mounts secret/.
START_UP_RECORDS = (
    ("request", "update", "sys/audit/test"),
    ("request", "update", "auth/token/create"),
    ("response", "update", "auth/token/create"),
    ("request", "update", "auth/token/revoke-self"),
    ("response", "update", "auth/token/revoke-self"),
    ("request", "update", "sys/mounts/secret"),
    ("response", "update", "sys/mounts/secret"),
)

RECORDS_PER_REQUEST = ("request", "response")  # also for a denied one; the request's record then carries the error


@dataclass(frozen=True, slots=True)
class Ask:
    """One HTTP request and what must come of it."""

    what: str  # in a person's words
    method: str
    path: str  # below /v1/
    status: int  # the answer that is right
    operation: str | None  # as the audit records name it; None: OpenBao never audits this path
    body: Mapping[str, object] = field(default_factory=dict)
    as_root: bool = True  # else with the token of this round's login
    audited_path: str | None = None  # where it differs from path

    @property
    def record_path(self) -> str:
        """The path in the audit records."""
        return self.audited_path or self.path


def set_up() -> list[Ask]:
    """Return what is asked once, before the first round."""
    return [
        Ask("mount a secret engine", "POST", "sys/mounts/demo", NO_CONTENT, "update", {"type": "kv"}),
        Ask("enable logins", "POST", "sys/auth/userpass", NO_CONTENT, "update", {"type": "userpass"}),
        Ask("write a policy", "POST", f"sys/policies/acl/{POLICY_NAME}", NO_CONTENT, "update", {"policy": POLICY}),
    ]


def one_round(serial: int) -> list[Ask]:
    """Return the requests of one round: a user is made, logs in, writes, reads, lists, is denied, makes a token."""
    name = f"client-{serial:06d}"
    user = {"password_hash": PASSWORD_HASH, "token_policies": POLICY_NAME}
    role = {"allowed_policies": POLICY_NAME, "orphan": True}
    return [
        Ask("make a user", "POST", f"auth/userpass/users/{name}", NO_CONTENT, "create", user),
        Ask("log in", "POST", f"auth/userpass/login/{name}", OK, "update", {"password": PASSWORD}),
        Ask("write", "POST", f"demo/{name}/secret", NO_CONTENT, "create", {"value": "4711"}, as_root=False),
        Ask("read", "GET", f"demo/{name}/secret", OK, "read", as_root=False),
        Ask("list", "LIST", f"demo/{name}", OK, "list", as_root=False, audited_path=f"demo/{name}/"),
        Ask("be denied", "GET", f"secret/{name}/forbidden", DENIED, "read", as_root=False),
        Ask("make a token role", "POST", f"auth/token/roles/{name}", NO_CONTENT, "create", role),
        Ask(
            "make a token",
            "POST",
            f"auth/token/create/{name}",
            OK,
            "update",
            {"policies": [POLICY_NAME]},
            as_root=False,
        ),
        Ask("look at health", "GET", "sys/health", OK, None),
    ]
