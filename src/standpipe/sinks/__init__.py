"""The destinations."""
