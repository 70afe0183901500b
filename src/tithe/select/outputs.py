"""The files of a selection: rows, summary and map."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tithe import console, plugins, storage
from tithe.select import map
from tithe.select.choose import SelectionResult
from tithe.storage import run_files


def save(file: Path, result: SelectionResult, with_rows: bool = False) -> None:
    """Write the chosen rows as Parquet, and the summary (.json) and the map (.png) under the same name.

    `id` is the position in the data file; the row of `rank` 0 was chosen first. With rows, `text` is the cleaned text
    and `label` the class, so that the file can be trained on.
    """
    _save(file, result, map.Chosen(result.pool, result.selection.rows), with_rows)


def _save(file: Path, result: SelectionResult, on_map: map.Chosen, with_rows: bool) -> None:
    selection = result.selection
    columns: dict[str, Any] = {
        "id": result.pool.ids[selection.rows],
        "rank": selection.rank,
        "score": selection.score,
        "round": selection.round,
        "weight": selection.weight,
    }
    if with_rows:
        chosen = result.data.take(selection.rows)
        columns |= {"text": chosen.inputs(), "label": [result.labels.names[label] for label in chosen.labels]}
    table = pa.table(columns)
    table = table.replace_schema_metadata({"tithe": json.dumps(summary(result))})
    with storage.atomic_file(file) as temporary:
        pq.write_table(table, temporary)
    storage.write_json(file.with_suffix(".json"), summary(result))
    map.draw(file.with_suffix(".png"), on_map, result.names)


def write(home: Path, result: SelectionResult) -> None:
    """Write the rows, the summary and the map of a selection into a run directory, and points of it with texts."""
    on_map = map.Chosen(result.pool, result.selection.rows)
    _save(home / run_files.SELECTION, result, on_map, with_rows=False)
    points = map.points(on_map, lambda rows: result.data.take(rows).inputs())
    storage.write_text(home / run_files.SELECTION_POINTS, console.safe_json(points) + "\n")


def summary(result: SelectionResult) -> dict[str, Any]:
    """Return the content of the summary: settings, chosen rows by class and round, cost in seconds."""
    selection, labels = result.selection, result.pool.labels
    return {
        "strategy": plugins.short_name(result.settings.strategy),
        **result.code,
        "settings": result.settings.model_dump(mode="json"),
        "seed": result.seed,
        "rows": len(selection),
        "pool": len(result.pool),
        **({"left_out": {by: len(rows) for by, rows in result.left_out.items()}} if result.left_out else {}),
        "rows_sha256": storage.digest_bytes(result.pool.ids[selection.rows].tobytes()),
        "classes": {
            "pool": np.bincount(labels).tolist(),
            "chosen": np.bincount(labels[selection.rows], minlength=int(labels.max()) + 1).tolist(),
        },
        "seconds": result.seconds,
        **({"parts": result.parts.to_dict()} if result.parts else {}),
        "rounds": [
            {**{key: value for key, value in entry.items() if key != "history"}, "rows": int(count)}
            for entry, count in zip(result.rounds, np.bincount(selection.round), strict=True)
        ],
    }
