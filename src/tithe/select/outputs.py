"""The files of a selection: rows, summary and map."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tithe import storage
from tithe.select.choose import SelectionResult
from tithe.select.map import draw

FILE = "selection.parquet"


def save(file: Path, chosen: SelectionResult) -> None:
    """Write the chosen rows as Parquet, and beside them, under the same name, the account and the picture.

    `id` is the position in the data file, `rank` 0 was chosen first.
    """
    found = chosen.selection
    table = pa.table({
        "id": chosen.pool.ids[found.rows],
        "rank": found.rank,
        "score": found.score,
        "round": found.round,
    })  # fmt: skip
    table = table.replace_schema_metadata({"tithe": json.dumps(summary(chosen))})
    with storage.atomic_file(file) as aside:
        pq.write_table(table, aside)
    storage.write_json(file.with_suffix(".json"), summary(chosen))
    draw(file.with_suffix(".png"), chosen.pool, found.rows, chosen.names)


def write(home: Path, chosen: SelectionResult) -> None:
    """Write the rows, the account and the picture of a selection into a run directory."""
    save(home / FILE, chosen)


def summary(chosen: SelectionResult) -> dict[str, Any]:
    """Return what the JSON beside the rows says: what was asked, what came of it, what it cost in seconds."""
    found, labels = chosen.selection, chosen.pool.labels
    return {
        "strategy": chosen.settings.strategy,
        "settings": chosen.settings.model_dump(mode="json"),
        "seed": chosen.seed,
        "rows": len(found),
        "pool": len(chosen.pool),
        "rows_sha256": storage.digest_bytes(chosen.pool.ids[found.rows].tobytes()),
        "classes": {
            "pool": np.bincount(labels).tolist(),
            "chosen": np.bincount(labels[found.rows], minlength=int(labels.max()) + 1).tolist(),
        },
        "seconds": chosen.seconds,
        "rounds": [
            {**{key: told[key] for key in ("round", "strategy", "model_sha256")}, "rows": int(count)}
            for told, count in zip(chosen.rounds, np.bincount(found.round), strict=True)
        ],
    }
