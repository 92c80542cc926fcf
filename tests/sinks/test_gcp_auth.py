from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING

import pytest

from standpipe.config_sinks import Secret
from standpipe.sinks.base import Retry
from standpipe.sinks.gcp_auth import Tokens
from standpipe.sinks.gcp_metadata import MetadataServer
from tests.sinks.gcp_peer import Peer
from tests.sinks.gcp_rig import new_account

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TOKEN_PATH = "instance/service-accounts/default/token"  # noqa: S105 - a path


class Clock:
    """A clock that a test sets."""

    now = 1000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


@pytest.fixture
def peer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Peer]:
    """Give a token server, which is the metadata server as well."""
    found = Peer()
    found.start()
    monkeypatch.setenv("GCE_METADATA_HOST", f"localhost:{found.port}")
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    yield found
    found.stop()


def grant(peer: Peer, token: str, seconds: int) -> None:
    """Let the metadata server give a token."""
    peer.metadata[TOKEN_PATH] = json.dumps({"access_token": token, "expires_in": seconds, "token_type": "Bearer"})


def make_tokens(credentials: Secret | None = None, clock: Clock | None = None) -> Tokens:
    """Return the tokens of a sink."""
    return Tokens(credentials, None, MetadataServer(), clock or Clock())


def test_metadata_server_gives_a_token(peer: Peer) -> None:
    """Without credentials the machine's or pod's own account is used; its token is asked for once."""
    grant(peer, "first", 3599)
    tokens = make_tokens()
    assert ["first", "first"] == [tokens.get(), tokens.get()]
    assert 1 == peer.token_requests


def test_token_is_renewed_before_its_end(peer: Peer) -> None:
    """A token is renewed a few minutes before its end, so that none ends on the way."""
    clock = Clock()
    tokens = make_tokens(clock=clock)
    grant(peer, "first", 3600)
    assert "first" == tokens.get()
    grant(peer, "second", 3600)
    clock.now += 3600 - 225 - 1
    assert "first" == tokens.get()
    clock.now += 1
    assert "second" == tokens.get()


def test_old_token_serves_while_no_new_one_comes(peer: Peer) -> None:
    """While renewal fails the old token is used to its end; then the failure is told."""
    clock = Clock()
    tokens = make_tokens(clock=clock)
    grant(peer, "first", 3600)
    assert "first" == tokens.get()
    peer.metadata.clear()
    clock.now += 3599
    assert "first" == tokens.get()
    clock.now += 1
    assert isinstance(tokens.get(), Retry)


def test_senders_share_one_request(peer: Peer) -> None:
    """Senders that need a token at the same time make one request."""
    grant(peer, "first", 3600)
    tokens = make_tokens()
    found: list[str | Retry] = []
    threads = [threading.Thread(target=lambda: found.append(tokens.get())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (["first"] * 8, 1) == (found, peer.token_requests)


@pytest.mark.parametrize("way", ["file", "env", "variable", "gcloud"])
def test_service_account(peer: Peer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, way: str) -> None:
    """A service account's key signs for a token, wherever the key is; the project is known from it."""
    key = new_account(peer)
    name = "application_default_credentials.json" if way == "gcloud" else "key.json"
    (tmp_path / name).write_text(key)
    monkeypatch.setenv("KEY", key)
    if way == "variable":
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / name))
    secrets = {"file": Secret(file=str(tmp_path / name)), "env": Secret(env="KEY")}
    tokens = make_tokens(secrets.get(way))
    assert ("token-1", "proj") == (tokens.get(), tokens.project)


def test_replaced_key_is_taken_up(peer: Peer, tmp_path: Path) -> None:
    """A key that is not valid is a configuration fault; once it has been replaced the next try works."""
    path = tmp_path / "key.json"
    path.write_text(new_account(peer))
    good = new_account(peer)
    tokens = make_tokens(Secret(file=str(path)))
    outcome = tokens.get()
    assert isinstance(outcome, Retry)
    assert outcome.config_fault
    assert "Invalid JWT Signature" in outcome.why
    path.write_text(good)
    assert "token-2" == tokens.get()


def test_token_server_that_is_away(peer: Peer, tmp_path: Path) -> None:
    """A token server that cannot be reached is no fault of the configuration."""
    path = tmp_path / "key.json"
    away = Peer()
    away.start()
    path.write_text(new_account(away))
    away.stop()
    outcome = make_tokens(Secret(file=str(path))).get()
    assert isinstance(outcome, Retry)
    assert not outcome.config_fault


SECRET_TEXT = "do-not-show"  # noqa: S105 - it is what is looked for


@pytest.mark.parametrize(
    "text",
    [
        SECRET_TEXT,
        json.dumps([SECRET_TEXT]),
        json.dumps({"type": SECRET_TEXT}),
        json.dumps({"type": "service_account", "private_key": SECRET_TEXT}),
        json.dumps(
            {"type": "service_account", "private_key": SECRET_TEXT, "client_email": "a@b", "token_uri": "http://x"}
        ),
        json.dumps({"type": "authorized_user", "refresh_token": SECRET_TEXT}),
        json.dumps({"type": "external_account", "credential_source": SECRET_TEXT}),
        json.dumps({"type": "external_account", "credential_source": {"file": "/none"}, "audience": SECRET_TEXT}),
    ],
)
def test_credentials_that_cannot_be_used(peer: Peer, tmp_path: Path, text: str) -> None:
    """Credentials of the wrong form are a configuration fault, and nothing of them is in the message."""
    path = tmp_path / "key.json"
    path.write_text(text)
    outcome = make_tokens(Secret(file=str(path))).get()
    assert isinstance(outcome, Retry)
    assert outcome.config_fault
    assert SECRET_TEXT not in outcome.why


def test_missing_credentials(peer: Peer, tmp_path: Path) -> None:
    """A file that is not there is named."""
    outcome = make_tokens(Secret(file=str(tmp_path / "none"))).get()
    assert isinstance(outcome, Retry)
    assert outcome.config_fault
    assert str(tmp_path / "none") in outcome.why


def test_external_account(peer: Peer, tmp_path: Path) -> None:
    """Workload identity federation: a projected token of Kubernetes is exchanged for one of Google."""
    (tmp_path / "projected").write_text("kubernetes-token")
    config = {
        "type": "external_account",
        "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/k",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": f"{peer.base}/token",
        "credential_source": {"file": str(tmp_path / "projected")},
    }
    path = tmp_path / "external.json"
    path.write_text(json.dumps(config))
    answer = {"access_token": "sts", "expires_in": 3600, "token_type": "Bearer", "issued_token_type": "x"}
    peer.token_answers = [(200, json.dumps(answer).encode())]
    assert "sts" == make_tokens(Secret(file=str(path))).get()


def test_a_server_that_is_not_googles(peer: Peer) -> None:
    """Whatever else answers on the metadata server's address is not believed."""
    grant(peer, "first", 3600)
    peer.flavor = "Other"
    outcome = make_tokens().get()
    assert isinstance(outcome, Retry)
    assert outcome.config_fault


def test_no_account_on_the_machine(peer: Peer) -> None:
    """A machine without a service account is a configuration fault with its remedy."""
    outcome = make_tokens().get()
    assert isinstance(outcome, Retry)
    assert outcome.config_fault
    assert "credentials" in outcome.why


@pytest.mark.parametrize("answer", ["", "no JSON", "[]", "{}", '{"access_token":"x"}'])
def test_odd_answers_of_the_metadata_server(peer: Peer, answer: str) -> None:
    """An answer that is no token is none."""
    peer.metadata[TOKEN_PATH] = answer
    assert isinstance(make_tokens().get(), Retry)


def test_requests_is_not_needed() -> None:
    """Neither the sink nor a token needs the package requests, which the extra does not install."""
    import subprocess  # noqa: PLC0415
    import sys  # noqa: PLC0415

    program = (
        "import sys; sys.modules['requests'] = None\n"
        "import standpipe.sinks.gcp, google.oauth2.service_account, google.oauth2.credentials\n"
        "import google.auth.identity_pool, google.auth.aws\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert (0, "") == (done.returncode, done.stderr)
