"""Every command, option, JSON key, incident kind and exit status is documented, and none that is not there."""

from __future__ import annotations

import json
import re
from dataclasses import fields

import pytest

from standpipe.capture.checks import source_checks
from standpipe.cli.check_text import as_json as check_as_json
from standpipe.cli.main import COMMANDS
from standpipe.config_keys import KEYS, NOT_IN_THIS_RELEASE
from standpipe.config_source import DEFAULT_RECLAIM, SourceConfig
from standpipe.delivery.deadletter import format_letter
from standpipe.demo.result import PhaseResult, Result
from standpipe.evidence.damage import Damage
from standpipe.evidence.journal_check import Findings
from standpipe.evidence.pairing import PairingFindings, UnpairedHalf
from standpipe.evidence.record_pass import RawRecord, RecordFindings
from standpipe.evidence.recorded_gaps import RecordedGap
from standpipe.evidence.verdict_text import as_json as verify_as_json
from standpipe.journal.checks import Limits, journal_checks
from standpipe.journal.cursor import Cursor
from standpipe.journal.identity import Identity
from standpipe.journal.incidents import format_incident
from standpipe.journal.layout import Layout
from standpipe.journal.seal import Gap, Seal, SigningKey, encode_seal
from standpipe.journal.sink_entries import SinkEntry, encode
from standpipe.observe.log import format_line
from standpipe.observe.status_text import (
    JournalStatus,
    ProcessStatus,
    ReclaimStatus,
    SinkStatus,
    SourceStatus,
    Status,
)
from standpipe.observe.status_text import as_json as status_as_json
from standpipe.preflight import STATES, failed
from standpipe.records.envelope import Envelope
from standpipe.records.framing import Record, parse_line
from standpipe.records.gcp_line import GcpLine
from tests.docs import program
from tests.docs.pages import DOCS, PAGES, Block, blocks, codes, first_codes, prose, section, table_headed, tables

COMMANDS_PAGE = DOCS / "commands.md"
CHECK_PAGE = DOCS / "check.md"
JSON_PAGE = DOCS / "json.md"
FORMAT_PAGE = DOCS / "on-disk-format.md"
INCIDENTS_PAGE = DOCS / "incidents.md"
JOURNAL_FULL_PAGE = DOCS / "journal-full.md"
EXIT_PAGE = DOCS / "exit-status.md"

ANY_COMMAND = {"130", "141"}  # Ctrl-C, and a reader of stdout that left: said once, above the commands
KEYS_OF_ANY_MESSAGE = {"dropped_messages", "traceback"}  # put in by the log itself and by the fatal hook
NAMED_BY_PEOPLE = {"sinks": "<name>", "incidents": "<kind>", "processes": "<role>", "unpaired.explained": "<rule>"}

SEAL = Seal(
    journal="j",
    base=0,
    end=0,
    records=0,
    sha256="0" * 64,
    previous=None,
    first_time=None,
    last_time=None,
    sealed_at="2024-05-06T07:08:09.000Z",
    gaps=(Gap("dropped", 0, 1, None),),
    idle=1,
    signing_key=SigningKey("k", None),
)
FINDINGS = Findings(
    verdict="complete",
    base=0,
    end=1,
    records=1,
    holes=((0, 1),),
    damaged=(Damage("altered", "f", 0, 1, "d"),),
    recorded_gaps=(RecordedGap("dropped", 0, 1, "yes", "d"),),
    unreadable=("f",),
    seals=1,
    signed=0,
    broken=0,
    segments=1,
    checked_bytes=1,
    unsealed_bytes=0,
    first_time=None,
    last_time=None,
    repeated=0,
    dead_letters=0,
    seen=RecordFindings(
        records=1,
        torn_records=1,
        torn_bytes=1,
        torn=((0, 1),),
        unfinished=None,
        raw_records=1,
        raw=(RawRecord(0, 1, ("auth.client_token",)),),
        pairing=PairingFindings(
            explained={"audit-test": 1}, examples=(UnpairedHalf("n", 0, 1, "request", "i", "read", "p", "t"),)
        ),
    ),
    notices=(Damage("sealed-before-record", "f", 0, 1, "d"),),
)
STATUS = Status(
    JournalStatus("j", "/j", 0, 1, 1, 1, None),
    SourceStatus(None, None, None, None, None, None, None, reclaim=ReclaimStatus("punch", "r")),
    {"stdout": SinkStatus(None, None, None, None, "missing")},
    {"torn": 1},
    {"ship": ProcessStatus(None, alive=False)},
)


def key_paths(value: object, path: str = "") -> list[str]:
    """Return the path of every member, as the pages write it: ``a.b``, ``list[].b``, ``sinks.<name>.b``."""
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return key_paths(value[0], f"{path}[]")
    if not isinstance(value, dict) or not value:
        return [path]
    placeholder = NAMED_BY_PEOPLE.get(path)
    names = [(placeholder or key, member) for key, member in value.items()]
    return [found for name, member in names for found in key_paths(member, f"{path}.{name}" if path else name)]


def documented(heading: str) -> list[str]:
    """Return the keys of the first table of a section of docs/json.md."""
    return [codes(row[0])[0] for row in tables(section(JSON_PAGE, heading))[0]]


# Commands, options, exit statuses.


def test_every_command_has_its_section() -> None:
    """docs/commands.md lists and describes each command, in the order of --help."""
    text = COMMANDS_PAGE.read_text()
    assert list(COMMANDS) == re.findall(r"^## standpipe (\w+)$", text, re.MULTILINE)
    assert list(COMMANDS) == [codes(row[0])[0] for row in table_headed(text, "command")]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_is_documented_and_no_other(command: str) -> None:
    """The page's table, --help and the command itself name the same options."""
    named = {code.split()[0] for code in first_codes(section(COMMANDS_PAGE, f"standpipe {command}"))}
    documented_options = {name for name in named if name.startswith("--")}
    assert program.helped_options(command) == documented_options
    assert program.options_of(command) == documented_options


def test_the_groups_own_options_are_documented() -> None:
    """`standpipe --help` lists the options of the section before the commands'."""
    named = first_codes(section(COMMANDS_PAGE, "standpipe"))
    assert program.helped_options("") == {name for name in named if name.startswith("--")}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_default_is_documented(command: str) -> None:
    """Where the command has a fixed default, the page's row names it."""
    table = table_headed(section(COMMANDS_PAGE, f"standpipe {command}"), "option")
    cells = {codes(row[0])[0].split()[0]: row[1] for row in table}
    assert {} == {name: value for name, value in program.defaults_of(command).items() if f"`{value}`" != cells[name]}


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_meaning_examples_and_exit_statuses(command: str) -> None:
    """--help ends neither without an example nor without the exit statuses, which are those of the page."""
    text = program.help_text(command)
    assert re.search(rf"^ +(exec )?standpipe {command}\b", text, re.MULTILINE)
    statuses = text[text.index("Exit status:") :].partition("\n\n")[0]
    told = re.findall(r"(?:^ {2,4}|Exit status: |;\s+)(\d+(?:\+n)?|N)(?=\s)", statuses, re.MULTILINE)
    page = table_headed(section(COMMANDS_PAGE, f"standpipe {command}"), "exit status")
    assert [codes(row[0])[0] for row in page] == told


@pytest.mark.parametrize("command", COMMANDS)
def test_both_pages_agree_on_exit_statuses(command: str) -> None:
    """The command's row of docs/exit-status.md has the statuses of its section of docs/commands.md."""
    page = table_headed(section(COMMANDS_PAGE, f"standpipe {command}"), "exit status")
    described = {status for row in page for status in codes(row[0])[:1]} | {
        status for row in page for status in re.findall(r"`(128\+n)`", row[1])
    }
    if "N" in described:
        described = described - {"N"} | {"0", "1", "2"}
    (row,) = (row for row in table_headed(EXIT_PAGE.read_text(), "command") if codes(row[0]) == [command])
    side_by_side = {str(i) for i in range(3) if row[i + 1] != "–"} | set(re.findall(r"\b\d+\+n|\b\d+\b", row[4]))
    assert side_by_side - ANY_COMMAND == described


def test_every_exit_status_is_documented() -> None:
    """docs/exit-status.md names every status that the program can end with."""
    listed = {row[0] for row in table_headed(EXIT_PAGE.read_text(), "status")}
    assert {str(status) for status in program.exit_statuses()} | {"128+n"} == listed


# JSON.


def test_status_json() -> None:
    """Each key of `status --json`, in its order."""
    assert key_paths(status_as_json(STATUS)) == documented("status --json")


def test_verify_json() -> None:
    """Each key of `verify --json`, in its order."""
    assert key_paths(verify_as_json(FINDINGS)) == documented("verify --json")


def test_check_json() -> None:
    """Each key of `check --json`, in its order."""
    assert key_paths(check_as_json([failed("source", "f", "r")])) == documented("check --json")


def test_check_page() -> None:
    """docs/check.md describes every check, in their order, and every state."""
    text = CHECK_PAGE.read_text()
    source = SourceConfig(None, "/f", "", DEFAULT_RECLAIM)
    checks = [*source_checks(source, "/j"), *journal_checks(Layout("/j"), Limits(1, 1, 1, 1), "/k")]
    names = ["config", *(check.name for check in checks), "sinks.<name>"]
    assert [codes(row[0])[0] for row in table_headed(text, "check")] == names
    assert [codes(row[0])[0] for row in table_headed(text, "state")] == list(STATES)


def test_demo_json() -> None:
    """Each key of `demo --json`."""
    keys = {"verdict", *(field.name for field in fields(Result))} - {"phases", "incidents"}
    keys |= {f"phases[].{field.name}" for field in fields(PhaseResult)} | {"incidents.<kind>"}
    assert keys == set(documented("demo --json"))


def test_envelope() -> None:
    """Each key that the formats json and gcp put in front, and those of a torn record."""
    (torn,) = parse_line(b"torn", 0)
    (binary,) = parse_line(b"\xff", 0)
    seal = Record(0, 9, b"{}", torn=False, is_seal=True)
    cut = Record(0, 9, b'{"a":1}', torn=False, dropped=("b",))
    labelled = Envelope("j", {"cluster": "blue"})
    lines = [Envelope("j").line(torn, 0), Envelope("j").line(binary, 0), Envelope("j").line(seal, 0)]
    lines.append(Envelope("j").parts(Record(0, 999, b'{"a":"%s"}' % (b"x" * 900), torn=False), 0, 400)[0])
    named = {"standpipe.dropped": labelled.line(cut, 0), "standpipe.labels": labelled.line(cut, 0)}
    assert all(key.partition(".")[2] in json.loads(line)["standpipe"] for key, line in named.items())
    paths = {path for line in lines for path in key_paths(json.loads(line))}
    assert paths | set(named) == set(documented("json"))
    (record,) = parse_line(b"{}", 0)
    in_front = set(json.loads(GcpLine("j", {}).line(record, 0))) - {"standpipe"}
    assert in_front == set(documented("gcp"))


def test_labels() -> None:
    """The labels of format gcp are named."""
    line = b'{"type":"request","request":{"operation":"read","mount_type":"kv","namespace":{"path":"team/"}}}'
    (record,) = parse_line(line, 0)
    labels = json.loads(GcpLine("j", {}).line(record, 0))["logging.googleapis.com/labels"]
    assert len(labels) == 5
    assert [] == [label for label in labels if f"`{label}`" not in section(JSON_PAGE, "gcp")]


def test_seal() -> None:
    """Each key of a seal, in its order, on both pages."""
    entry = json.loads(encode_seal(SEAL))
    assert key_paths(entry) == documented("Seals")
    assert list(entry) == first_codes(section(FORMAT_PAGE, "Seals"))


def test_incident() -> None:
    """Each key of an incident, in its order."""
    entry = json.loads(format_incident("torn", 0, 1, {"records": 1}, 0.0))
    assert list(entry) == documented("Incidents")


def test_messages() -> None:
    """Each key of our own messages: the first four, in their order, and the further ones."""
    first, further, _ = tables(section(JSON_PAGE, "Messages"))
    entry = json.loads(format_line(0.0, "info", "run", "x", {}, plain=False))
    assert list(entry) == [codes(row[0])[0] for row in first]
    assert sorted(program.message_keys() | KEYS_OF_ANY_MESSAGE) == [codes(row[0])[0] for row in further]


def test_messages_that_ask_for_somebody_are_the_programs_own() -> None:
    """The words by which a person finds a message on the page are in the program."""
    table = table_headed(section(JSON_PAGE, "Messages"), "message begins with")
    source = program.source_text()
    assert [] == [codes(row[0])[0] for row in table if codes(row[0])[0] not in source]


@pytest.mark.parametrize("block", [b for page in PAGES for b in blocks(page, "json")], ids=str)
def test_json_blocks_are_json_with_known_keys(block: Block) -> None:
    """Each line of a json block is an object, and every key of it is in a table of docs/json.md."""
    known = {codes(row[0])[0] for table in tables(JSON_PAGE.read_text()) for row in table}
    for line in block.text.splitlines():
        entry = json.loads(line)
        own = {"time", "kind", "offset", "length", "detail"} if "kind" in entry else {"standpipe", "raw"}
        paths = {path for path in key_paths(entry) if path.split(".")[0] in own and not path.startswith("detail")}
        assert set() == paths - known


# On disk.


def test_files() -> None:
    """The table of files names every file and directory of a journal."""
    layout = Layout("")
    paths = [str(getattr(layout, name)).removeprefix("//") for name in Layout.__slots__ if name != "root"]
    text = section(FORMAT_PAGE, "Files")
    assert [] == [path for path in paths if f"`{path}" not in text]


def test_journal_json() -> None:
    """Each member of journal.json, in its order."""
    entry = json.loads(Identity("j", "n", "c", None).to_bytes())
    assert list(entry) == first_codes(section(FORMAT_PAGE, "journal.json"))


def test_boot_json() -> None:
    """Each member of boot.json, in the order in which the executed example of the page shows it."""
    (line,) = re.findall(r"^\{\"boot_id.*$", FORMAT_PAGE.read_text(), re.MULTILINE)
    assert list(json.loads(line)) == first_codes(section(FORMAT_PAGE, "boot.json"))


def test_cursor() -> None:
    """Each member of a cursor's slot, in its order."""
    assert [field.name for field in fields(Cursor)] == first_codes(section(FORMAT_PAGE, "Cursors"))


def test_sinks_json() -> None:
    """Each member of sinks.json and of a sink in it, in its order."""
    entry = json.loads(encode({"web": SinkEntry("http", 0)}))
    assert [*entry, *entry["sinks"]["web"]] == first_codes(section(FORMAT_PAGE, "sinks.json"))


def test_dead_letter() -> None:
    """Each key of a dead letter, in its order, with both forms of the record."""
    (record,) = parse_line(b"{}", 0)
    (binary,) = parse_line(b"\xff", 0)
    keys = [*json.loads(format_letter(record, "w", "j", 0.0)), *json.loads(format_letter(binary, "w", "j", 0.0))]
    assert list(dict.fromkeys(keys)) == first_codes(section(FORMAT_PAGE, "Dead letters"))


def test_what_replay_says() -> None:
    """The keys of `replay --json` are those of the example on the page of commands, which is executed."""
    (example,) = re.findall(r'^\{"sink".*$', COMMANDS_PAGE.read_text(), re.MULTILINE)
    assert list(json.loads(example)) == documented("replay --json")


# Incidents, config, numbers.


def test_every_kind_of_incident_has_its_section() -> None:
    """docs/incidents.md lists and describes every kind, and no other."""
    kinds = [codes(row[0])[0] for row in table_headed(INCIDENTS_PAGE.read_text(), "kind")]
    assert program.incident_kinds() == set(kinds)
    assert kinds == re.findall(r"^## (.+)$", INCIDENTS_PAGE.read_text(), re.MULTILINE)


@pytest.mark.parametrize("kind", sorted(program.incident_kinds()))
def test_every_kind_says_what_was_lost_and_what_to_do(kind: str) -> None:
    """Each section answers the three questions."""
    text = section(INCIDENTS_PAGE, kind)
    assert [] == [words for words in ("**What happened.**", "**Lost?**", "**Do.**") if words not in text]


def test_config_keys_in_the_prose_are_keys() -> None:
    """Whatever looks like a config key on a page is one, or a key of `status --json`."""
    known = {key.path for key in KEYS} | NOT_IN_THIS_RELEASE | set(key_paths(status_as_json(STATUS)))
    known |= {"journal.json", "journal.retain", "sinks.json", "source.json", "source.reclaim", "sinks.<name>"}
    pattern = re.compile(r"(?:source|journal|sinks|shutdown)\.[a-z_.<>]+")
    named = {code for page in PAGES for code in codes(prose(page)) if pattern.fullmatch(code)}
    assert set() == named - known


def test_the_sizing_table_is_right() -> None:
    """Hours = max_size / (records per second × bytes per record) / 3600, for the page's 10 GiB."""
    (heading, *table) = [
        [cell.strip() for cell in line.strip("|\n").split("|")]
        for line in re.findall(r"^\| records/s .*\n(?:\|.*\n)+", JOURNAL_FULL_PAGE.read_text(), re.MULTILINE)[
            0
        ].splitlines(keepends=True)
        if not line.startswith("|--")
    ]
    sizes = [int(cell.split()[0]) * 1024 for cell in heading[1:]]
    for rate, *cells in table:
        hours = [(10 << 30) / (int(rate.replace(",", "")) * size) / 3600 for size in sizes]
        assert [f"{h:.0f} h" if h >= 10 else f"{h:.1f} h" for h in hours] == cells
