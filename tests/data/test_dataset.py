"""Rows that stay on disk, and views of them."""

from pathlib import Path

import numpy as np
import pyarrow as pa

from support.memory import peak_memory
from support.text_sets import GOOD, load, write_parquet


def test_the_rows_stay_on_disk(tmp_path: Path) -> None:
    """Neither Arrow nor Python allocates what a dataset of 9 MB would take, only what is asked for."""
    pairs = [(f"{i} " + "long words " * 400, i % 2) for i in range(2000)]
    path = write_parquet(tmp_path / "rows.parquet", pairs)
    load(path)
    before = pa.total_allocated_bytes()
    with peak_memory() as peak:
        found = load(path)
    assert found.rows.table.nbytes > 8_000_000
    assert peak() < 1_000_000
    assert pa.total_allocated_bytes() - before < 100_000
    assert found.rows.inputs(3, 5)[0].startswith("3 long words")
    assert pa.total_allocated_bytes() - before < 100_000


def test_a_view_of_a_view(tmp_path: Path) -> None:
    everything = load(write_parquet(tmp_path / "rows.parquet", [("", "cat"), *GOOD])).rows
    part = everything.take(np.array([5, 3, 3, 0])).take(np.array([0, 1, 2]))
    assert part.ids.tolist() == [6, 4, 4]
    assert part.inputs() == ["sound text 5", "sound text 3", "sound text 3"]
    assert part.inputs(1, 2) == ["sound text 3"]
    assert part.labels.tolist() == [1, 1, 1]
    assert len(part) == 3
    assert part.fingerprint != everything.take(np.array([3, 5, 3])).fingerprint
    assert part.fingerprint == everything.take(np.array([5, 3, 3])).fingerprint
