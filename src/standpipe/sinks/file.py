"""A local file as a sink: records as lines, appended, and on the disk before they count as delivered."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from standpipe.preflight import Check, failed, ok, size_words, warning
from standpipe.records.envelope import Envelope
from standpipe.sinks.base import Delivered, Limits, Retry, wished
from standpipe.sinks.file_append import AppendedFile, kind_of

if TYPE_CHECKING:
    from standpipe.config_sinks import SinkConfig
    from standpipe.preflight import Result
    from standpipe.records.framing import Record
    from standpipe.sinks.base import Batch, Context, Outcome, Sink

BATCH_BYTES = 1 << 20  # an fsync's time hardly grows up to here
BATCH_RECORDS = 10_000
LINGER_SECONDS = 0.1  # ten fsyncs a second at most while records come in slowly
CHECK_NAME = "file"
OTHERS_MAY_READ = stat.S_IRGRP | stat.S_IROTH
ROOM_BYTES = 64 << 20  # less free space than this is worth a remark; 64 batches


def open_sink(config: SinkConfig, context: Context) -> Sink:
    """Make the sink; see sinks.base.SinkType."""
    return FileSink(config, context)


class FileSink:
    """Lines in one file."""

    def __init__(self, config: SinkConfig, context: Context) -> None:
        """Read the settings; the file is opened with the first batch."""
        self._limits = wished(Limits(BATCH_BYTES, BATCH_RECORDS, LINGER_SECONDS), config.batch, in_order=True)
        self._file = AppendedFile(config.text("path") or "")
        self._raw = config.text("format") == "raw"
        self._line = Envelope(context.journal_id, config.labels).line

    @property
    def limits(self) -> Limits:
        """How much may go at once."""
        return self._limits

    def encode(self, record: Record, after: int) -> bytes:
        """Return the record as one line; raw has no place for a seal, which is empty there."""
        if not self._raw:
            return self._line(record, after)
        return b"" if record.is_seal else b"%b\n" % record.body

    def send(self, batch: Batch) -> Outcome:
        """Append the batch and sync it; see sinks.base.Sink."""
        data = b"".join(batch.payloads)
        if not data:
            return Delivered()
        answer = self._file.append(data)
        return answer if isinstance(answer, Retry) else Delivered(notice=answer)

    def checks(self) -> list[Check]:
        """Return the check that the file can be appended to; nothing is written."""
        return [Check(CHECK_NAME, lambda: [self._look()])]

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _look(self) -> Result:
        """Look at the path and its volume. Raises OSError."""
        name, path = CHECK_NAME, self._file.path
        directory = os.path.dirname(path) or "."
        try:
            status = os.stat(path, follow_symlinks=False)
        except FileNotFoundError:
            status = None
        if why := _refusal(path, directory, status):
            return failed(name, *why)
        volume = os.statvfs(directory)
        free_bytes = volume.f_bavail * volume.f_frsize
        if volume.f_blocks and free_bytes < ROOM_BYTES:
            return warning(name, f"{size_words(free_bytes)} are free for {path}", "Give back space, or rotate the file")
        if status is not None and status.st_mode & OTHERS_MAY_READ:
            return warning(name, f"other users may read {path}", f"chmod 600 {path}")
        found = (
            f"{path} can be appended to; {size_words(free_bytes)} free. Rotate it by renaming, not with copytruncate"
        )
        return ok(name, found)


def _refusal(path: str, directory: str, status: os.stat_result | None) -> tuple[str, str] | None:
    """Return why the file cannot be appended to, and a remedy; status: the file's own, None where there is none yet."""
    if status is None:
        if not os.path.isdir(directory):
            return f"the directory {directory} does not exist", "Create it, and mount it into the pod"
        if not os.access(directory, os.W_OK | os.X_OK):
            return f"no file can be made in {directory}", "Let standpipe's user write there"
    elif kind := kind_of(status.st_mode):
        return f"{path} is {kind}, no regular file", "Move it away, or correct the sink's path"
    elif not os.access(path, os.R_OK | os.W_OK):
        return f"{path} cannot be read and written", "Let standpipe's user read and write it"
    return None
