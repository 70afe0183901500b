"""The files of an audit: the page and its facts, the suspects, and the rows as a person corrected them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tithe import config, data, storage
from tithe.audit.facts import Findings
from tithe.audit.page import page
from tithe.audit.rows import AuditRows
from tithe.data.outputs import check_apart
from tithe.data.splits import PARTS
from tithe.data.text.corrections import Corrections

PAGE, FACTS, SUSPECTS, CORRECTED = "audit.html", "audit.json", "suspects.parquet", "corrected.parquet"
_SPLIT, _ID = "split", "id"
_ROWS = 8192  # of a chunk of Parquet


@dataclass(frozen=True)
class AuditFiles:
    """Where the files of an audit are written."""

    folder: Path

    def check(self, settings: config.Data, source: Path) -> None:
        """Check the folder before any work is done.

        Raises
        ------
        InputError
            It can't be written to, or a source would be written over or have the files as its parts.
        """
        storage.check_writable_folder(self.folder)
        written = [self.folder / name for name in (PAGE, FACTS, SUSPECTS, CORRECTED)]
        check_apart(self.folder, written, settings, [source])

    def save(
        self,
        run: config.Run,
        rows: AuditRows,
        findings: Findings,
        content: dict[str, Any],
        earlier: Corrections | None,
    ) -> dict[str, Path]:
        """Write the files and return them by what they are; the page, which names the others, is the last."""
        self.folder.mkdir(parents=True, exist_ok=True)
        files = {"facts": self.folder / FACTS, "suspects": self.folder / SUSPECTS}
        storage.write_json(files["facts"], content)
        _write_suspects(files["suspects"], rows, findings)
        if earlier is not None:
            files["corrected"] = self.folder / CORRECTED
            _write_rows(files["corrected"], run.data, rows)
        files["page"] = self.folder / PAGE
        storage.write_text(files["page"], page(rows, findings, content, earlier))
        return files


def _write_suspects(path: Path, rows: AuditRows, findings: Findings) -> None:
    s = findings.suspects
    names = pa.array([str(name) for name in rows.labels.names])
    own = rows.data.take(s.rows)
    columns = {
        _ID: pa.array(own.ids),
        "rank": pa.array(np.arange(len(own))),
        "label": names.take(pa.array(own.labels)),
        "suggested": names.take(pa.array(s.suggested)),
        "self_confidence": pa.array(s.self_confidence, pa.float32()),
        "probability": pa.array(s.probability, pa.float32()),
        "text": pa.array(own.inputs(), pa.large_string()),
    }
    with storage.atomic_file(path) as aside:
        pq.write_table(pa.table(columns), aside)


def _write_rows(path: Path, settings: config.Data, rows: AuditRows) -> None:
    """Write the rows that training would use, as corrected: text and label, and what they have of id, split, weight."""
    schema = _schema(settings, rows)
    with storage.atomic_file(path) as aside, pq.ParquetWriter(aside, schema) as writer:
        split_N, names = _split_names(settings), rows.labels.names
        for start in range(0, len(rows.data), _ROWS):
            chunk = rows.data.take(np.arange(start, min(start + _ROWS, len(rows.data))))
            columns = {
                _ID: chunk.ids,
                settings.split_column or _SPLIT: split_N[start : start + _ROWS],
                settings.weight_column: chunk.weights,
                settings.text_column: chunk.inputs(),
                settings.label_column: [names[label] for label in chunk.labels],
            }
            writer.write_table(pa.table([pa.array(columns[f.name], f.type) for f in schema], schema=schema))


def _schema(settings: config.Data, rows: AuditRows) -> pa.Schema:
    """Return the columns; one of the data that is called as one of ours takes its place."""
    are_numbers = all(isinstance(name, int) for name in rows.labels.names)
    kinds = {
        settings.text_column: pa.large_string(),
        settings.label_column: pa.int64() if are_numbers else pa.string(),
    }
    if settings.weight_column:
        kinds.setdefault(settings.weight_column, pa.float64())
    if _split_names(settings):
        kinds.setdefault(settings.split_column or _SPLIT, pa.string())
    kinds.setdefault(_ID, pa.int64())
    return pa.schema(list(kinds.items()))


def _split_names(settings: config.Data) -> list[str]:
    """Return the split that each row has of its own; nothing where the data have none."""
    file = data.ingest(settings)[2] / "parts.npy"
    return [PARTS[part] for part in np.load(file)] if file.exists() else []
