"""``python -P -m standpipe.journal.unpack SEGMENT.log.zst``: a compressed segment's raw bytes to stdout.

Capture may not import a decompressor; where it must look into a compressed segment (after a power loss took bytes from
the source that are older than the last raw segment), it starts this instead.
"""

from __future__ import annotations

import os
import sys
from contextlib import closing

from standpipe.errors import EXIT_OK, EXIT_UNABLE, JournalError
from standpipe.journal.atomic import write_all
from standpipe.journal.frames import FrameFile

STDOUT = 1


def main(path: str) -> int:
    """Write the raw bytes of one file; return the exit status. What is wrong with the file goes to stderr."""
    try:
        with closing(FrameFile(path)) as file:
            for block in file.blocks():
                write_all(STDOUT, block)
    except (JournalError, OSError) as error:
        os.write(2, f"{error}\n".encode())
        return EXIT_UNABLE
    return EXIT_OK


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
