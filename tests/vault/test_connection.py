from __future__ import annotations

import pytest

from standpipe.errors import ServerError
from standpipe.vault.connection import connection_from


def test_openbaos_variables_come_first() -> None:
    """Each by itself: an OpenBao variable beats Vault's, and where it is missing Vault's counts."""
    environment = {
        "VAULT_ADDR": "http://vault:8200/",
        "BAO_ADDR": "https://bao:8200/",
        "VAULT_TOKEN": "t",
        "BAO_NAMESPACE": "team/",
        "VAULT_CACERT": "/ca.pem",
        "VAULT_CAPATH": "/certs",
        "BAO_CLIENT_CERT": "/c.pem",
        "BAO_CLIENT_KEY": "/k.pem",
        "VAULT_TLS_SERVER_NAME": "vault",
    }
    found = connection_from(environment, "other")
    assert ("https://bao:8200", "t", "team/", "/ca.pem") == (found.address, found.token, found.namespace, found.ca)
    assert ("/certs", "/c.pem", "/k.pem", "vault") == (
        found.ca_path,
        found.client_cert,
        found.client_key,
        found.server_name,
    )


def test_a_token_file_stands_in() -> None:
    """Without a variable the token file's content counts, and the address is the servers' own default."""
    found = connection_from({}, "s.file\n")
    assert ("https://127.0.0.1:8200", "s.file") == (found.address, found.token)


def test_the_token_is_never_shown() -> None:
    """Neither repr nor str of a connection has it."""
    assert "s.secret" not in repr(connection_from({}, "s.secret"))


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({}, "there is no token"),
        ({"VAULT_TOKEN": "t", "VAULT_ADDR": "unix:///run/vault.sock"}, "neither http:// nor https://"),
        ({"VAULT_TOKEN": "two\nlines"}, "characters that no token has"),
    ],
)
def test_what_cannot_be_used_is_said(environment: dict[str, str], words: str) -> None:
    """Without a token, or with an address or a token that is none; a token is not quoted."""
    with pytest.raises(ServerError, match=words) as caught:
        connection_from(environment, None)
    assert "lines" not in str(caught.value)
