"""Every type of text in Parquet, names of its classes, and files with bytes changed at random."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from support.text_sets import GOOD, dropped, kept, load, write_parquet
from tithe import config, storage
from tithe.data import Dataset, LabelMap
from tithe.data.text.ingest import ingest
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


@pytest.mark.parametrize("kind", [pa.int64(), pa.int8(), pa.uint64()], ids=str)
def test_numbers_have_the_names_that_the_file_says_they_mean(tmp_path: Path, kind: pa.DataType) -> None:
    """As files of the hub do; a number without a name is a hidden label, and another column has none."""
    labels = [1, 0, None, 2] if kind == pa.uint64() else [1, 0, None, -1]
    table = {"text": ["good", "bad", "none", "hidden"], "label": pa.array(labels, kind), "other": [0, 1, 0, 1]}
    named = pa.table(table).replace_schema_metadata(class_names(label=["neg", "pos"]))
    pq.write_table(named, tmp_path / "rows.parquet")
    rows, names, folder = read(tmp_path / "rows.parquet")
    assert [names.names[code] for code in rows.labels] == ["pos", "neg"]
    lines = storage.read_lines(folder / "dropped.jsonl")
    assert [(line["row"], line["reason"]) for line in lines] == [(2, "missing_label"), (3, "missing_label")]
    assert read(tmp_path / "rows.parquet", label_column="other")[1].names == (0, 1)


@pytest.mark.parametrize("metadata", [b"{", b"[]", b'{"info": {"features": {"label": 5}}}', b"\xff"])
def test_metadata_of_another_kind_say_nothing(tmp_path: Path, metadata: bytes) -> None:
    table = pa.table({"text": ["good", "bad"], "label": [1, 0]}).replace_schema_metadata({"huggingface": metadata})
    pq.write_table(table, tmp_path / "rows.parquet")
    assert read(tmp_path / "rows.parquet")[1].names == (0, 1)


def test_own_symbols_come_before_the_names_of_the_file(tmp_path: Path) -> None:
    named = pa.table({"text": ["good", "bad"], "label": [1, 0]}).replace_schema_metadata(class_names(label=["a", "b"]))
    pq.write_table(named, tmp_path / "rows.parquet")
    (tmp_path / "mapping.json").write_text(json.dumps({"yes": "1", "no": "0"}))
    _, names, _ = read(tmp_path / "rows.parquet", label_mapping=str(tmp_path / "mapping.json"))
    assert names.names == ("no", "yes")


def read(path: Path, **settings: Any) -> tuple[Dataset, LabelMap, Path]:
    return ingest(config.Data(path=str(path), **settings))


def class_names(**names: list[str]) -> dict[str, str]:
    features = {column: {"names": own, "_type": "ClassLabel"} for column, own in names.items()}
    return {"huggingface": json.dumps({"info": {"features": features}})}


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
