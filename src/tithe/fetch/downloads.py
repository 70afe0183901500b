"""Downloaded data sets in the cache: for each a Parquet file (text, label) and a JSON file with its origin."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tithe import storage
from tithe.errors import InputError
from tithe.storage import cache

logger = logging.getLogger("tithe")

Rows = Sequence[tuple[str | None, str]]

_SCHEMA = pa.schema([("text", pa.string()), ("label", pa.string())])


def place(name: str) -> Path:
    """Return the path of a data set's Parquet file, which may not exist; `owner/name` becomes `owner--name`."""
    return storage.cache_dir() / cache.FETCHED / f"{name.replace('/', '--')}.parquet"


def is_whole(path: Path) -> bool:
    """Return whether a data set is in the cache as it was downloaded; one that has changed is reported."""
    if not path.exists():
        return False
    origin = path.with_suffix(".json")
    try:
        record = storage.read_json(origin)
    except InputError:
        record = None
    if isinstance(record, dict) and record.get("sha256") == storage.sha256_file(path):
        return True
    logger.warning("%s is not the file that %s describes: fetching it again", path, origin.name)
    return False


def names() -> list[str]:
    """Return the names of the cached data sets, sorted."""
    return sorted(path.stem.replace("--", "/") for path in place("").parent.glob("*.parquet"))


def put(path: Path, rows: Iterable[Rows], origin: dict[str, Any]) -> None:
    """Write a data set atomically, and `NAME.json` with its origin, number of rows and SHA-256.

    Parameters
    ----------
    rows
        Lists of (text, label); one list is in memory at a time.
    origin
        The origin as JSON values; read only after the last row, so that `rows` may add to it.
    """
    with storage.atomic_file(path) as aside:
        count = 0
        with pq.ParquetWriter(aside, _SCHEMA) as writer:
            for part in rows:
                columns = [[text for text, _ in part], [label for _, label in part]]
                writer.write_batch(pa.record_batch(columns, schema=_SCHEMA))
                count += len(part)
        record = {**origin, "rows": count, "sha256": storage.sha256_file(aside)}
        # Written before the data file, so that every data file has its origin.
        storage.write_json(path.with_suffix(".json"), record)
    logger.info("%d rows, sha256 %s", count, record["sha256"])


def copy(path: Path, folder: Path) -> Path:
    """Copy a data set into a folder, atomically; return the copy."""
    target = folder / path.name
    storage.copy_file(path, target)
    return target
