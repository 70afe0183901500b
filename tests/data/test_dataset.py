"""Rows that stay on disk, and views of them."""

from pathlib import Path

import numpy as np
import pyarrow as pa

from support.memory import peak_memory
from support.text_sets import GOOD, load, write_parquet
from tithe.data.dataset import Dataset


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


def test_rows_that_lie_far_apart_are_read_without_the_others(tmp_path: Path) -> None:
    path = tmp_path / "rows.arrow"
    schema = pa.schema([("id", pa.int64()), ("input", pa.large_string())])
    with pa.ipc.new_file(str(path), schema) as sink:
        for first in range(0, 20_000, 1000):
            texts = [f"{row} " + "x" * 200 for row in range(first, first + 1000)]
            sink.write_batch(pa.record_batch([pa.array(range(first, first + 1000)), texts], schema=schema))
    rows = np.array([19_999, 3, 12_345, 3, 0])
    view = Dataset.open(path, rows, np.zeros(5, dtype=np.int64), "")
    pool, usual = pa.proxy_memory_pool(pa.default_memory_pool()), pa.default_memory_pool()
    pa.set_memory_pool(pool)
    try:
        assert [text.split()[0] for text in view.inputs()] == [str(row) for row in rows]
    finally:
        pa.set_memory_pool(usual)
    assert 0 < pool.max_memory() < 100_000  # all texts have four megabytes
