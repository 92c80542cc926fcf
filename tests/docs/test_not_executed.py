"""Examples that need a cluster or a server of yours, help texts, configs and pods: their words are the program's."""

from __future__ import annotations

import re
import shlex
import subprocess
from importlib import import_module

import click
import kubernetes_validate
import pytest
import yaml

from standpipe.cli.main import COMMANDS, cli
from standpipe.cli.plain import parse
from standpipe.config import parse_config
from tests.docs.pages import DOCS, PAGES, ROOT, Block, blocks
from tests.docs.program import help_text

KUBERNETES_VERSION = "1.33"
SECTIONS = {"source", "journal", "sinks", "shutdown"}
LINE = re.compile(rf"\bstandpipe ((?:{'|'.join(COMMANDS)})\b[^|>&;\n]*)")
COMMENT = re.compile(r"(^|\s)#.*$", re.MULTILINE)


def command_lines(text: str) -> list[list[str]]:
    """Return every command line of standpipe in a shell text, without what other programs get of it."""
    return [shlex.split(re.split(r" {2,}", found)[0]) for found in LINE.findall(COMMENT.sub("", text))]


def understand(words: list[str]) -> None:
    """Let the program's own parser take a command line; it fails where the program would."""
    name, *arguments = words
    if COMMANDS[name].target:
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        command.make_context(name, list(arguments))
    else:
        assert parse(import_module(f"standpipe.processes.{name}").COMMAND, arguments) is not None


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_the_examples_of_help_are_understood(command: str) -> None:
    """Every example in a help text is a command line that the program takes."""
    text = help_text(command)
    lines = command_lines(text[text.index("Examples:") :])
    assert lines
    for words in lines:
        understand(words)


@pytest.mark.parametrize("block", [b for page in PAGES for b in blocks(page, "sh")], ids=str)
def test_shell_texts_are_understood(block: Block) -> None:
    """Bash can read the block, and standpipe every command line of its own in it."""
    done = subprocess.run(["bash", "-n"], input=block.text, capture_output=True, text=True, check=False, timeout=60)
    assert (0, "") == (done.returncode, done.stderr)
    for words in command_lines(block.text):
        understand(words)


def test_kubernetes_examples_name_what_is_in_the_pod() -> None:
    """Pod and container of each kubectl line are those of deploy/pod.yaml."""
    (pod,) = (d for d in yaml.safe_load_all((ROOT / "deploy" / "pod.yaml").read_text()) if d["kind"] == "Pod")
    text = "".join(block.text for block in blocks(DOCS / "kubernetes.md", "sh"))
    named = set(re.findall(r"kubectl (?:exec|logs)(?: -f)? (\S+) -c (\S+)", text))
    assert {(pod["metadata"]["name"], "vault-server")} == named
    assert "vault-server" in [container["name"] for container in pod["spec"]["containers"]]


@pytest.mark.parametrize("block", [b for page in PAGES for b in blocks(page, "yaml")], ids=str)
def test_yaml_is_a_config_or_a_container(block: Block) -> None:
    """A config is taken as it stands; a container fits into the pod, and its command line is understood."""
    data = yaml.safe_load(block.text)
    if set(data) <= SECTIONS:
        parse_config(data)
        return
    (pod,) = (d for d in yaml.safe_load_all((ROOT / "deploy" / "pod.yaml").read_text()) if d["kind"] == "Pod")
    pod["spec"]["containers"].append(data)
    assert KUBERNETES_VERSION == kubernetes_validate.validate(pod, KUBERNETES_VERSION, strict=True)
    volumes = {volume["name"] for volume in pod["spec"]["volumes"]}
    assert {mount["name"] for mount in data["volumeMounts"]} <= volumes
    understand(data["command"][1:])
