"""Every type of string in Parquet, and files with bytes changed at random."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from support.text_sets import GOOD, kept, load, write_parquet
from tithe.errors import InputError


@pytest.mark.parametrize(
    "column", [pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())], ids=str
)
def test_parquet_texts_of_every_string_type(tmp_path: Path, column: pa.DataType) -> None:
    texts = (
        pa.array([t for t, _ in GOOD]).cast(column)
        if column != pa.string_view()
        else pa.array([t for t, _ in GOOD], column)
    )
    pq.write_table(pa.table({"text": texts, "label": [y for _, y in GOOD]}), tmp_path / "rows.parquet")
    assert [(text, label) for _, text, label in kept(load(tmp_path / "rows.parquet"))] == GOOD


def test_random_damage_is_an_input_error_or_harmless(tmp_path: Path) -> None:
    whole = bytearray(write_parquet(tmp_path / "rows.parquet", GOOD).read_bytes())
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(200):
        damaged = bytearray(whole)
        for at in rng.integers(4, len(whole), 3):
            damaged[at] = rng.integers(256)
        (tmp_path / "damaged.parquet").write_bytes(damaged)
        try:
            load(tmp_path / "damaged.parquet")
        except InputError as error:
            refused += 1
            assert len(str(error).splitlines()) == 1
    assert refused > 20
