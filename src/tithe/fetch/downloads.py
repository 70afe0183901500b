"""Fetched data sets in the cache: of each one Parquet file (text, label), and beside it where it came from."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tithe import storage
from tithe.storage import cache

logger = logging.getLogger("tithe")

Rows = Sequence[tuple[str | None, str]]

_SCHEMA = pa.schema([("text", pa.string()), ("label", pa.string())])


def place(name: str) -> Path:
    """Return the Parquet file of a data set, which may not exist; a hub's `owner/name` becomes `owner--name`."""
    return storage.cache_dir() / cache.FETCHED / f"{name.replace('/', '--')}.parquet"


def names() -> list[str]:
    """Return the data sets that are there, sorted."""
    return sorted(path.stem.replace("--", "/") for path in place("").parent.glob("*.parquet"))


def put(path: Path, rows: Iterable[Rows], origin: dict[str, Any]) -> None:
    """Write a data set atomically, and `NAME.json` with its origin, its rows and its SHA-256.

    Parameters
    ----------
    rows
        Lists of (text, label), one after another: memory holds one.
    origin
        Where it came from, as JSON values; it is read when the last row is written.
    """
    with storage.atomic_file(path) as aside:
        count = 0
        with pq.ParquetWriter(aside, _SCHEMA) as writer:
            for part in rows:
                columns = [[text for text, _ in part], [label for _, label in part]]
                writer.write_batch(pa.record_batch(columns, schema=_SCHEMA))
                count += len(part)
        written = {**origin, "rows": count, "sha256": storage.sha256_file(aside)}
        # Before the file itself: what is there has its origin beside it.
        storage.write_json(path.with_suffix(".json"), written)
    logger.info("%d rows, sha256 %s", count, written["sha256"])


def copy(path: Path, folder: Path) -> Path:
    """Copy a data set into a folder, atomically; return the copy."""
    target = folder / path.name
    with storage.atomic_file(target) as aside:
        shutil.copyfile(path, aside)
    return target
