"""Vault's bytes into the journal: the only room that touches the source."""
