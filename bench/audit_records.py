"""Synthetic audit records of a busy server: pairs of request and response, shaped and sized as Vault's (1.36 KB). Pure.

A formula gives who asks what, so that a count can be told without looking: of DENIED_EVERY pairs one is denied, of
LOGIN_EVERY one is a login, and so on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

CLIENTS = 500
PATHS = 20_000
MOUNTS = 20
ADDRESSES = 200
DENIED_EVERY = 50
LOGIN_EVERY = 25
ROOT_EVERY, ROOT_REST = 1000, 2  # the pairs whose number leaves this rest
MILLISECONDS_A_PAIR = 50  # 20 requests a second: ten million records are three days
FIRST_SECOND = 1_735_689_600  # 2025-01-01T00:00:00Z
DAY_SECONDS = 86_400

_HMAC_FACTOR = 0x9E3779B97F4A7C15F39CC0605CEDC8341082276BF3A27251F86C6A11D0C18E95
_ID_FACTOR = 0xDA942042E4DD58B59E3779B97F4A7C15
"""Odd numbers: multiples of them, cut, are all different and compress as badly as what is random."""


def _hmac(number: int) -> str:
    """Return a number's HMAC, as it looks."""
    return f"hmac-sha256:{number * _HMAC_FACTOR % 2**256:064x}"


def _request_id(number: int) -> str:
    """Return a pair's request.id, which looks like a random UUID."""
    digits = f"{(number + 1) * _ID_FACTOR % 2**128:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def time_text(milliseconds: int) -> str:
    """Return the time so long after 2025-01-01, as Vault writes it; for the first 28 days."""
    day, rest = divmod(milliseconds, DAY_SECONDS * 1000)
    second, millisecond = divmod(rest, 1000)
    clock = f"{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}"
    return f"2025-01-{day + 1:02d}T{clock}.{millisecond:03d}456789Z"


def pair(number: int) -> bytes:
    """Return the request and the response of one number, each with its newline."""
    client = number * 7919 % CLIENTS
    login = number % LOGIN_EVERY == 0
    denied = number % DENIED_EVERY == 1
    root = number % ROOT_EVERY == ROOT_REST
    operation = "update" if login else ("read", "read", "read", "list", "create")[number % 5]
    thing = number * 104_729 % PATHS
    mount = thing % MOUNTS
    path = f"auth/kubernetes-{mount}/login" if login else f"kv-{mount}/data/team-{thing % 97}/app-{thing}"
    mount_point = f"auth/kubernetes-{mount}/" if login else f"kv-{mount}/"
    mount_type, mount_class = ("kubernetes", "auth") if login else ("kv", "secret")
    entity = f"6f0e8a52-0000-4000-8000-{client:012d}"
    policy = "root" if root else f"team-{client % 97}"
    accessor, token, password = _hmac(client + 1), _hmac(client + 10_000), _hmac(number + 1_000_000)
    auth = (
        f'"auth":{{"accessor":"{accessor}","client_token":"{token}",'
        f'"display_name":"{"root" if root else f"kubernetes-app-{client}"}","entity_id":"{entity}",'
        f'"metadata":{{"role":"app-{client}","service_account_name":"app-{client}"}},"policies":["default","{policy}"],'
        f'"policy_results":{{"allowed":{"false" if denied else "true"}}},"token_issue_time":"2025-01-01T00:00:00Z",'
        '"token_policies":["default"],"token_ttl":3600,"token_type":"service"}'
    )
    request = (
        f'"request":{{"client_id":"{entity}","client_token":"{token}",'
        f'"client_token_accessor":"{accessor}","data":{{"data":{{"password":"{password}"}}}},'
        f'"id":"{_request_id(number)}","mount_accessor":"kv_{mount:08x}",'
        f'"mount_class":"{mount_class}","mount_point":"{mount_point}","mount_running_version":"v0.21.0+builtin",'
        f'"mount_type":"{mount_type}","namespace":{{"id":"root"}},"operation":"{operation}","path":"{path}",'
        f'"remote_address":"10.0.{client % ADDRESSES}.7","remote_port":{30_000 + number % 20_000}}}'
    )
    error = '"error":"1 error occurred:\\n\\t* permission denied\\n\\n",' if denied else ""
    at = number * MILLISECONDS_A_PAIR
    answered = at + 1 + number * 31 % 40
    data = f'"data":{{"data":{{"password":"{password}"}},"metadata":{{"version":{number % 9}}}}}'
    first = f'{{{auth},{error}{request},"time":"{time_text(at)}","type":"request"}}\n'
    second = (
        f'{{{auth},{error}{request},"response":{{{data},"mount_class":"{mount_class}","mount_point":"{mount_point}"}},'
        f'"time":"{time_text(answered)}","type":"response"}}\n'
    )
    return (first + second).encode("ascii")


def pairs(first: int, count: int) -> bytes:
    """Return so many pairs, from that number on."""
    return b"".join([pair(number) for number in range(first, first + count)])


def blocks(first: int, records: int, pairs_a_block: int = 1000) -> Iterator[bytes]:
    """Yield so many records (an even number) in blocks, from the pair of that number on."""
    end = first + records // 2
    for start in range(first, end, pairs_a_block):
        yield pairs(start, min(end - start, pairs_a_block))
