"""When the file that is being followed is at its end, and something else may come next: stay, or go? Pure.

Vault closes the old file before it opens the new one, under one lock. So a byte in the new file says that this writer
has written its last byte into the old one; the old one is read to its end once more after the new byte was
seen. (Two audit devices on one path break that; so a file that was left is watched for late bytes a while longer.)

======================  =====================  ==============================  =========
the next file has       the old file's last    nobody writes to the old file,  what to do
bytes                   byte ends a line       or it rests long enough
======================  =====================  ==============================  =========
yes                     yes                    any                             GO
yes                     no                     yes (TORN_REST_SECONDS)         CLOSE_AND_GO
yes                     no                     no                              STAY
no                      yes                    yes (LATE_SECONDS)              GO
no                      no                     yes (LATE_SECONDS)              CLOSE_AND_GO
no                      any                    no                              STAY
======================  =====================  ==============================  =========
"""

STAY, GO, CLOSE_AND_GO = "stay", "go", "close-and-go"

TORN_REST_SECONDS = 5.0  # a write(2) of one record takes milliseconds; a stopped Vault may need some seconds for it
LATE_SECONDS = 60.0  # how long a file may rest before nobody is believed to write to it any more


def decide(*, next_has_bytes: bool, ends_line: bool, unused: bool, rests_seconds: float) -> str:
    """Return STAY, GO or CLOSE_AND_GO. unused: every process could be seen, and none has the file open for writing."""
    go = GO if ends_line else CLOSE_AND_GO
    if next_has_bytes and ends_line:
        return GO
    patience_seconds = TORN_REST_SECONDS if next_has_bytes else LATE_SECONDS
    return go if unused or rests_seconds >= patience_seconds else STAY
