"""Every type of text in Parquet, and files with bytes changed at random."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from support.text_sets import GOOD, dropped, kept, load, write_parquet
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


@pytest.mark.parametrize("column", [pa.binary(), pa.large_binary(), pa.binary_view(), pa.binary(5)], ids=str)
def test_parquet_texts_of_every_type_of_bytes(tmp_path: Path, column: pa.DataType) -> None:
    texts = [f"{i:02} я".encode() for i in range(20)]
    table = {"text": pa.array([*texts, b"12345", b"1234\xff", None], column), "label": [0, 1] * 10 + [1, 1, 1]}
    pq.write_table(pa.table(table), tmp_path / "rows.parquet")
    found = load(tmp_path / "rows.parquet")
    assert found.rows.inputs() == [*(text.decode() for text in texts), "12345"]
    assert dropped(found) == [(21, "unreadable"), (22, "missing_text")]


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
