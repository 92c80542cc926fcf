from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from standpipe.errors import EXIT_OK
from standpipe.journal.cursor import read_cursor
from standpipe.journal.layout import Layout
from tests.evidence.craft import Crafted, records
from tests.faults.volumes import MIB, Ballast, tmpfs
from tests.processes.front_door import FrontDoor, wait_until

if TYPE_CHECKING:
    from pathlib import Path


def test_a_ship_starts_on_a_full_disk(tmp_path: Path) -> None:
    """What it delivers makes room again: a full disk stops neither its start nor its delivery, whoever filled it."""
    with tmpfs(tmp_path / "disk", 4 * MIB) as small:
        journal = Crafted(small.path / "journal")
        layout = Layout(str(journal.root))
        journal.seal(journal.add(records(0, 1000)))
        journal.add(records(1000, 1000), mode=0o600)
        config = tmp_path / "config.yaml"
        config.write_text(f"sinks: {{local: {{type: file, path: {tmp_path / 'out'}, format: raw}}}}\n")
        words = ("ship", "--journal", str(journal.root), "--config", str(config))

        def offset() -> int:
            state = read_cursor(layout.cursor("local"))
            return -1 if state is None else state.offset

        first = FrontDoor(tmp_path, *words)
        wait_until(lambda: offset() == journal.end, "everything is delivered")
        with journal.file(journal.bases[-1], ".log").open("ab") as file:
            file.write(records(2000, 500))
        wait_until(lambda: offset() == 2500 * 120, "what came later as well")
        first.kill()
        with journal.file(journal.bases[-1], ".log").open("ab") as file:
            file.write(records(2500, 500))
        Ballast(small)
        second = FrontDoor(tmp_path, *words)
        wait_until(lambda: offset() == 3000 * 120 or second.process.poll() is not None, "it delivers")
        assert 3000 * 120 == offset(), second.messages()
        second.signal(signal.SIGTERM)
        assert EXIT_OK == second.status()
        assert records(0, 3000) == (tmp_path / "out").read_bytes()
