"""What a source asks of the thread that waits for the disk. A FIFO asks nothing; a file has its space given back."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from standpipe.journal.segment import Segment
    from standpipe.journal.syncer import Syncer

    class Companion(Protocol):
        """Both are called on the syncer's thread."""

        def before_finish(self, segment: Segment) -> None:
            """Note what must be known of a synced segment before keep may compress it. Raises OSError: try again."""

        def step(self, syncer: Syncer) -> None:
            """Do what is due. Raises nothing that the disk causes."""
