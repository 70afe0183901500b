"""Downloaded data sets in the cache: for each a Parquet file (text, label) and a JSON file with its origin."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tithe import storage
from tithe.errors import InputError
from tithe.storage import cache

logger = logging.getLogger("tithe")

# Text and label, and the split where the data set has several.
Rows = Sequence[tuple[str | None, ...]]

_COLUMNS = ("text", "label")
SPLIT = "split"


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


def name_splits(path: Path) -> None:
    """Tell how to use the official splits of a data set, if it has them."""
    if SPLIT in pq.read_schema(path).names:
        logger.info("its official splits are in the column '%s': set data.split_column=%s to use them", SPLIT, SPLIT)


def put(path: Path, rows: Iterable[Rows], origin: dict[str, Any], more: Sequence[str] = ()) -> None:
    """Write a data set atomically, and `NAME.json` with its origin, number of rows and SHA-256.

    Parameters
    ----------
    rows
        Lists of (text, label) and further values; one list is in memory at a time.
    origin
        The origin as JSON values; read only after the last row, so that `rows` may add to it.
    more
        Names of the columns of the further values.
    """
    schema = pa.schema([(name, pa.string()) for name in (*_COLUMNS, *more)])
    with storage.atomic_file(path) as aside:
        count = 0
        with pq.ParquetWriter(aside, schema) as writer:
            for part in rows:
                columns = [[row[place] for row in part] for place in range(len(schema))]
                writer.write_batch(pa.record_batch(columns, schema=schema))
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


def copy_folder(source: Path, target: Path) -> Path:
    """Copy a folder of the cache, as a whole; return the copy, which shares no file with the cache: it may be edited.

    Raises
    ------
    InputError
        There is something in its place that is not an earlier copy, as it was made.
    """
    names = _names_in(source)
    if target.exists() and (_names_in(target) != names or storage.broken_files(target)):
        raise InputError(f"{target} is there, and not as it was fetched: move it away, or choose another --out")
    with storage.atomic_folder(target) as aside:
        for name in names:
            (aside / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / name, aside / name)
    return target


def _names_in(folder: Path) -> list[str]:
    """Return the files of a folder by their paths in it, but for its manifest."""
    names = (file.relative_to(folder).as_posix() for file in storage.files_in(folder))
    return [name for name in names if name != storage.MANIFEST]
