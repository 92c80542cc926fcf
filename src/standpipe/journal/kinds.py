"""The kinds of incidents: each names one abnormal thing, and docs/incidents.md says what to do. Pure."""

TORN = "torn"  # bytes that are no record: kept, and delivered as such
POWER_LOSS = "power-loss"  # addresses skipped after the page cache was lost
DROPPED = "dropped"  # undelivered segments deleted by on_full: drop-oldest
IO_ERROR = "io-error"  # an fsync failed; the range was copied from memory to a new file
DISK_FULL = "disk-full"  # capture had to stop: ENOSPC or the journal's cap
DISK_REFUSED = "disk-refused"  # the journal's file system failed an open, rename or fsync; nothing is lost by it
REPEAT = "repeat"  # this range may have reached the sink twice
CURSOR_LOST = "cursor-lost"  # a sink's cursor was unreadable
CURSOR_MOVED = "cursor-moved"  # a sink's cursor was outside what the journal holds
SINK_ADDED = "sink-added"  # a sink that was added to those of the journal; what came before its start it never gets
SINK_REMOVED = "sink-removed"  # a sink that is no longer configured; it holds nothing of the journal any more
SEAL_MISSING = "seal-missing"  # a seal has gone or is damaged, so a sink could not get it, or its segment
DEAD_LETTER = "dead-letter"  # a record that a sink will never take
KEEP_ERROR = "keep-error"  # keep could not seal, compress or delete; no bytes are lost by that
DAMAGED = "damaged"  # keep found a file that is not as it was sealed
RAW_VALUES = "raw-values"  # tokens or other secrets in clear text: an audit device has log_raw; no bytes are lost
TRUNCATED = "truncated"  # somebody else cut the file that was being followed
SOURCE_ROLLED_BACK = "source-rolled-back"  # a power loss took bytes from the file that the journal still has
SOURCE_LOST = "source-lost"  # the file that was being followed has gone, and what it may have got since with it
SOURCE_HOLE = "source-hole"  # the file began with a hole or NUL bytes, which are no records and were passed over
SOURCE_DELETED = "source-deleted"  # Vault goes on writing into a file that has no name any more; it is still captured
RECLAIM_STOPPED = "reclaim-stopped"  # the file's disk space cannot be given back

GAP_KINDS = (POWER_LOSS, DROPPED, IO_ERROR, TRUNCATED, SOURCE_LOST)  # these may have lost bytes; seals name them
