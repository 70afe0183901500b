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
    """Write the chosen rows as Parquet, and beside them, under the same name, the summary and the map.

    `id` is the position in the data file, `rank` 0 was chosen first.
    """
    selection = chosen.selection
    table = pa.table({
        "id": chosen.pool.ids[selection.rows],
        "rank": selection.rank,
        "score": selection.score,
        "round": selection.round,
    })  # fmt: skip
    table = table.replace_schema_metadata({"tithe": json.dumps(summary(chosen))})
    with storage.atomic_file(file) as aside:
        pq.write_table(table, aside)
    storage.write_json(file.with_suffix(".json"), summary(chosen))
    draw(file.with_suffix(".png"), chosen.pool, selection.rows, chosen.names)


def write(home: Path, chosen: SelectionResult) -> None:
    """Write the rows, the summary and the map of a selection into a run directory."""
    save(home / FILE, chosen)


def summary(chosen: SelectionResult) -> dict[str, Any]:
    """Return the content of the JSON beside the rows: the settings, the outcome, the cost in seconds."""
    selection, labels = chosen.selection, chosen.pool.labels
    return {
        "strategy": chosen.settings.strategy,
        "settings": chosen.settings.model_dump(mode="json"),
        "seed": chosen.seed,
        "rows": len(selection),
        "pool": len(chosen.pool),
        "rows_sha256": storage.digest_bytes(chosen.pool.ids[selection.rows].tobytes()),
        "classes": {
            "pool": np.bincount(labels).tolist(),
            "chosen": np.bincount(labels[selection.rows], minlength=int(labels.max()) + 1).tolist(),
        },
        "seconds": chosen.seconds,
        "rounds": [
            {**{key: entry[key] for key in ("round", "strategy", "model_sha256")}, "rows": int(count)}
            for entry, count in zip(chosen.rounds, np.bincount(selection.round), strict=True)
        ],
    }
