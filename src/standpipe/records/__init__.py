"""What a line means. Pure: no file, clock or socket is touched here."""
