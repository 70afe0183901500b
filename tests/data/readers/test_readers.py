"""What holds for every reader: one content is one dataset, whatever the format."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from support.text_sets import GOOD, WRITERS, Pairs, account_adds_up, dropped, kept, load, write_parquet
from support.texts import make_texts


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
@pytest.mark.parametrize("labels", [("cat", "dog"), (3, 20), ("да", "нет"), ("1a", "01")])
def test_every_format_gives_the_same_dataset(tmp_path: Path, kind: str, labels: tuple[Any, Any]) -> None:
    texts, _ = make_texts(20)
    texts[:4] = ["with, comma", 'a "quoted" word', "two\nlines", "хлеб и соль"]
    pairs = [(text, labels[i % 3 == 0]) for i, text in enumerate(texts)] + [("  ", labels[0]), ("no label", None)]
    first = load(write_parquet(tmp_path / "rows.parquet", pairs), seed=5)
    other = load(WRITERS[kind](tmp_path / f"rows.{kind}", pairs), seed=5)
    assert kept(first) == kept(other)
    assert dropped(first) == dropped(other) == [(40, "empty_text"), (41, "missing_label")]
    assert first.labels == other.labels
    assert first.split.hash == other.split.hash
    assert kept(first)[2][1] == "two lines"


@pytest.mark.parametrize("kind", WRITERS)
def test_columns_have_the_names_that_the_settings_give(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"rows.{kind}"
    table = {"note": ["x"] * 20, "body": [t for t, _ in GOOD], "topic": [y for _, y in GOOD]}
    if kind == "parquet":
        pq.write_table(pa.table(table), path)
    elif kind == "csv":
        path.write_text("note,body,topic\n" + "".join(f"x,{t},{y}\n" for t, y in GOOD), encoding="utf-8")
    else:
        path.write_text("".join(json.dumps({"note": "x", "body": t, "topic": y}) + "\n" for t, y in GOOD))
    found = load(path, text_column="body", label_column="topic")
    assert [(text, label) for _, text, label in kept(found)] == GOOD


def test_a_file_of_many_batches_keeps_its_row_numbers(tmp_path: Path) -> None:
    pairs: Pairs = [(f"text {i}", i % 2) for i in range(9000)]
    pairs[8500] = ("", 0)
    for kind, write in WRITERS.items():
        found = load(write(tmp_path / f"rows.{kind}", pairs))
        assert found.rows.ids[-1] == 8999
        assert dropped(found) == [(8500, "empty_text")]
        assert account_adds_up(found)
