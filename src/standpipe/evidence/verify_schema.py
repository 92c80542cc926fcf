"""The published JSON schema of `standpipe verify --json`, as it is shipped beside this file."""

from importlib.resources import files

SCHEMA_NAME = "verify.schema.json"


def verify_schema() -> str:
    """Return the schema's text."""
    return files("standpipe.evidence").joinpath(SCHEMA_NAME).read_text(encoding="utf-8")
