"""Cursor to batch to sink to acknowledgement."""
