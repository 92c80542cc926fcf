"""The directory or object store that an export is written to, and read from."""

from __future__ import annotations

import os
from contextlib import contextmanager
from glob import glob
from typing import TYPE_CHECKING, Protocol

from standpipe.analysis.parquet_layout import NO_DATE, RECORDS, SUFFIX, TABLES, files_pattern
from standpipe.errors import StandpipeError, UsageError
from standpipe.scratch import scratch
from standpipe.sinks.objects_failure import DEBUG_MARK
from standpipe.sinks.wording import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from obstore.store import ClientConfig, ObjectStore

SCHEMES = ("s3", "gs", "az")
HINT = "Run: pip install 'standpipe[objects]'"
REMEDY = "Check the URL, the credentials in the environment, and that they may list, read and write there"
READ_BYTES = 1 << 20
DIRECTORY_MODE = 0o700  # what is exported says who did what


class ParquetPlace(Protocol):
    """Where the files of an export are."""

    def writing(self, key: str) -> AbstractContextManager[str]:
        """Give a path to write to; at the end the file is in its place, whole. Raises StandpipeError, OSError."""

    def reading(self, key: str) -> AbstractContextManager[str | None]:
        """Give the path of a file that is there, or None. Raises StandpipeError, OSError."""


def is_url(location: str) -> bool:
    """Tell whether a location is a URL."""
    return "://" in location


def open_place(location: str, *, create: bool = False) -> ParquetPlace:
    """Return the place. create: make the directory. Raises UsageError, StandpipeError."""
    if not is_url(location):
        if create:
            os.makedirs(location, DIRECTORY_MODE, exist_ok=True)
        return DirectoryPlace(os.path.abspath(location))
    return StorePlace(location)


def is_export(directory: str) -> bool:
    """Tell whether a directory looks like an export."""
    return any(os.path.isdir(f"{directory}/{table}") for table in TABLES)


def table_files(table: str, exports: list[str]) -> list[str]:
    """Return the files of a table in the directories of exports."""
    return [f"{export}/{key}" for export in exports for key in _keys_in(table, export)]


def records_files(exports: list[str]) -> list[str]:
    """Return the files of records: each segment's once, from the export that has the most of it."""
    found: dict[str, str] = {}
    for export in exports:
        for key in _keys_in(RECORDS, export):
            path = f"{export}/{key}"
            if key not in found or os.path.getsize(path) > os.path.getsize(found[key]):
                found[key] = path
    return list(found.values())


def _keys_in(table: str, export: str) -> list[str]:
    return sorted(glob(files_pattern(table), root_dir=export))


class DirectoryPlace:
    """A directory."""

    def __init__(self, directory: str) -> None:
        """Name it."""
        self._directory = directory

    @contextmanager
    def writing(self, key: str) -> Iterator[str]:
        """See ParquetPlace."""
        final = f"{self._directory}/{key}"
        aside = f"{final}.tmp-{os.getpid()}"
        os.makedirs(os.path.dirname(final), DIRECTORY_MODE, exist_ok=True)
        try:
            yield aside
            os.rename(aside, final)
        except BaseException:
            if os.path.exists(aside):
                os.unlink(aside)
            raise

    @contextmanager
    def reading(self, key: str) -> Iterator[str | None]:
        """See ParquetPlace."""
        path = f"{self._directory}/{key}"
        yield path if os.path.exists(path) else None


class StorePlace:
    """A bucket or container, below a prefix; credentials and endpoint come from the environment, as the cloud's own."""

    def __init__(self, url: str) -> None:
        """Make the store; this connects to nothing. Raises UsageError, StandpipeError."""
        if url.partition("://")[0] not in SCHEMES:
            raise UsageError(
                f"{url} is no place for Parquet files", "Give a directory, or a URL of s3://, gs:// or az://"
            )
        try:
            import obstore  # noqa: PLC0415 - a library of an extra
            from obstore.store import from_url  # noqa: PLC0415
        except ImportError as error:
            raise StandpipeError(
                f"reading and writing {url} needs a library that cannot be loaded: {error}", HINT
            ) from error
        self._url = url
        self._obstore = obstore
        endpoint = os.environ.get("AWS_ENDPOINT_URL") or os.environ.get("AWS_ENDPOINT") or ""
        client: ClientConfig = {"allow_http": endpoint.startswith("http://")}
        self._store: ObjectStore = from_url(url, client_options=client)

    def _failure(self, what: str, key: str, error: Exception) -> StandpipeError:
        said = one_line(str(error).partition(DEBUG_MARK)[0])  # the rest is the library's own chain of causes
        return StandpipeError(f"{self._url.rstrip('/')}/{key} cannot be {what}: {said}", REMEDY)

    @contextmanager
    def writing(self, key: str) -> Iterator[str]:
        """See ParquetPlace."""
        with scratch() as directory:
            path = f"{directory}/file{SUFFIX}"
            yield path
            with open(path, "rb") as file:
                self._put(key, file.read())

    def _put(self, key: str, content: bytes) -> None:
        try:
            self._obstore.put(self._store, key, content)
        except self._obstore.exceptions.BaseError as error:
            raise self._failure("written", key, error) from error

    @contextmanager
    def reading(self, key: str) -> Iterator[str | None]:
        """See ParquetPlace."""
        with scratch() as directory:
            path = f"{directory}/file{SUFFIX}"
            yield path if self._fetch(key, path) else None

    def _fetch(self, key: str, path: str) -> bool:
        try:
            stream = self._obstore.get(self._store, key).stream(READ_BYTES)
            with open(path, "wb") as file:
                file.writelines(stream)
        except FileNotFoundError:
            return False
        except self._obstore.exceptions.BaseError as error:
            raise self._failure("read", key, error) from error
        return True

    def fetch_all(self, directory: str, first_date: str, last_date: str) -> None:
        """Copy the export to a directory; of the records those of these dates, and those without any.

        The database reads object stores with an extension only, which it would have to download.
        """
        for key in self._keys():
            date = key.partition("date=")[2].partition("/")[0]
            if key.startswith(RECORDS) and date != NO_DATE and not first_date <= date <= last_date:
                continue
            path = f"{directory}/{key}"
            os.makedirs(os.path.dirname(path), DIRECTORY_MODE, exist_ok=True)
            self._fetch(key, path)

    def _keys(self) -> list[str]:
        try:
            pages = self._obstore.list(self._store)
            keys = [entry["path"] for page in pages for entry in page]
        except self._obstore.exceptions.BaseError as error:
            raise self._failure("listed", "", error) from error
        return sorted(key for key in keys if key.startswith(TABLES) and key.endswith(SUFFIX))
