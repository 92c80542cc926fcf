"""Cases of who may see what: credentials, secrets, certificates; and the checks before a start."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from standpipe.journal import sink_entries
from standpipe.testing.arrivals import require
from standpipe.testing.stage import SINK

if TYPE_CHECKING:
    from standpipe.testing.stage import Stage


def credentials_expire(stage: Stage) -> None:
    """Let credentials expire while ship runs, and renew them."""
    stage.begin(credentials=True)
    stage.add(20)
    ship = stage.ship()
    stage.wait_delivered()
    end = stage.cursor().offset
    stage.expire_credentials()
    stage.add(20)
    stage.wait_trouble()
    require(
        stage.state()[0] == sink_entries.CONFIG_FAULT, f"refused credentials are a person's matter: {stage.state()}"
    )
    require(stage.cursor().offset == end, "the cursor moved, and the destination took nothing")
    stage.destination.renew_credentials()
    stage.wait_delivered()
    ship.stop()
    stage.check_complete()


def secrets_stay_secret(stage: Stage) -> None:
    """Have everything that is printed or written looked through."""
    stage.begin(credentials=True)
    stage.add(20)
    require(stage.destination.secrets, "the destination names no secret")
    stage.deliver_once()
    stage.expire_credentials()
    stage.add(20)
    ship = stage.ship()
    stage.wait_trouble()
    for arguments in (("status",), ("status", "--json")):
        stage.command(*arguments)
    stage.command("check")
    stage.command("check", "--print-config")
    ship.stop()
    stage.check_secrets()


def private_ca(stage: Stage) -> None:
    """Speak TLS with a certificate that a private CA signed."""
    stage.begin(tls=stage.certificates.server)
    stage.configure(tls={"ca": stage.certificates.ca})
    stage.add(30, sealed=True)
    stage.deliver_once()
    stage.check_complete()


def unknown_ca(stage: Stage) -> None:
    """Present a certificate of a CA that the config does not name, then have the config mended."""
    _refused(stage, stage.certificates.stranger)
    stage.configure(tls={"ca": stage.certificates.other_ca})
    stage.deliver_once()
    stage.check_complete()


def another_hosts_certificate(stage: Stage) -> None:
    """Present a certificate for another host."""
    _refused(stage, stage.certificates.other_name)


def expired_certificate(stage: Stage) -> None:
    """Present a certificate that has expired."""
    _refused(stage, stage.certificates.expired)


def _refused(stage: Stage, certificate: str) -> None:
    stage.begin(tls=certificate)
    stage.configure(tls={"ca": stage.certificates.ca})
    stage.add(10)
    ship = stage.ship()
    stage.wait_trouble()
    require(stage.state()[0] == sink_entries.CONFIG_FAULT, f"a wrong certificate is a person's matter: {stage.state()}")
    require(not stage.received(), "records were sent to a server that is not to be trusted")
    require(stage.cursor().offset == 0, "the cursor moved, and nothing was delivered")
    ship.stop()


def client_certificate(stage: Stage) -> None:
    """Ask for a client's certificate."""
    stage.begin(tls=stage.certificates.server, client_ca=stage.certificates.ca)
    stage.configure(tls={"ca": stage.certificates.ca})
    stage.add(10)
    ship = stage.ship()
    stage.wait_trouble()
    require(not stage.received(), "the destination took records from a stranger: it is no use for this case")
    ship.stop()
    stage.configure(tls={"ca": stage.certificates.ca, "cert": stage.certificates.client})
    stage.deliver_once()
    stage.check_complete()


def check(stage: Stage) -> None:
    """Have `standpipe check` look at the destination, there and away."""
    stage.begin()
    stage.add(5)
    for away in (False, True):
        if away:
            stage.go_away()
        _, output = stage.command("check", "--json")
        states = [row["state"] for row in json.loads(output)["checks"] if row["name"] == f"sinks.{SINK}"]
        require(states, "the checks do not name the sink")
        require(("failed" in states) == away, f"away: {away}, and the checks say {states}: {output.decode()}")
    stage.come_back()
    require(not stage.received(), "a check delivered something")
