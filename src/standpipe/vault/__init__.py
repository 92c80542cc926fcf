"""Vault itself: find a server, start one, wait for it."""
