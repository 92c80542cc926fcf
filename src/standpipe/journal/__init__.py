"""The append-only journal: format, writer, reader, cursors, seals, retention."""
