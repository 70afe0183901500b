"""Texts to label: what is left out, what is never read, and labels that contradict each other."""

from __future__ import annotations

import csv
import logging
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tithe import config
from tithe.data.text.labelling import Columns, UnlabelledTexts, read_labelled, read_unlabelled
from tithe.errors import InputError

PLAIN = config.Layout()


def table(path: Path, rows: list[tuple[Any, ...]], head: tuple[str, ...] = ("text", "label")) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([head, *rows])
    return path


def pool_of(*texts: str) -> UnlabelledTexts:
    return UnlabelledTexts(list(texts), list(range(len(texts))), {})


def test_each_text_of_a_pool_is_there_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = table(tmp_path / "pool.csv", [("one",), ("",), (" one ",), ("two",)], ("text",))
    pool = read_unlabelled(file, Columns(), PLAIN)
    assert pool == UnlabelledTexts(["one", "two"], [0, 3], {"empty_text": 1, "duplicate": 1})
    assert "2 rows are left out (empty_text 1, duplicate 1)" in caplog.text and "column" not in caplog.text


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_labels_in_a_pool_are_not_read(suffix: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    file = tmp_path / f"pool.{suffix}"
    if suffix == "csv":
        table(file, [("one", "a"), ("two", "b")])
    elif suffix == "jsonl":
        file.write_text('{"text": "one", "label": ["no", "label"]}\n{"text": "two", "label": {}}\n')
    else:  # read as labels, these would be refused
        pq.write_table(pa.table({"text": ["one", "two"], "label": [[1, 2], [3]]}), file)
    assert read_unlabelled(file, Columns(), PLAIN).texts == ["one", "two"]
    assert f"{file} has a column 'label': labels are to be bought, so it is not read" in caplog.text


def test_a_pool_without_a_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no usable text \(empty_text 1\): check --text-column"):
        read_unlabelled(table(tmp_path / "pool.csv", [("", "a")]), Columns(), PLAIN)


def test_files_of_labels_are_rounds(tmp_path: Path) -> None:
    first = table(tmp_path / "1.csv", [("one", "a"), ("two", ""), ("three", "")])
    second = table(tmp_path / "2.csv", [("two ", "1"), ("one", "a"), ("", "b"), ("four", "b")])
    found = read_labelled([first, second], Columns(), pool_of("one", "two", "three"))
    assert found.label_of == {"one": "a", "two": 1, "four": "b"}
    assert found.round_of == {"one": 0, "two": 1, "four": 1}
    assert list(found.passed) == ["three"], "without a label in any round"


def test_a_text_with_two_labels_is_one_line(tmp_path: Path) -> None:
    first, second = table(tmp_path / "1.csv", [("one", "a")]), table(tmp_path / "2.csv", [("two", "b"), (" one", "b")])
    with pytest.raises(InputError) as caught:
        read_labelled([first, second], Columns(), pool_of("one"))
    assert str(caught.value) == f"'one' is 'a' in {first} and 'b' in {second}, row 1: keep one of the two labels"


@pytest.mark.parametrize(
    "pool, written, read",
    [
        (["=1+1"], "'=1+1", "=1+1"),  # as storage.csv_cell writes it for a spreadsheet
        (["'=1+1"], "'=1+1", "'=1+1"),
        (["text"], "'text", "'text"),
        ([], "'=1+1", "'=1+1"),
    ],
)
def test_a_text_that_a_spreadsheet_would_run_is_found_again(
    pool: list[str], written: str, read: str, tmp_path: Path
) -> None:
    file = table(tmp_path / "1.csv", [(written, "a")])
    assert list(read_labelled([file], Columns(), pool_of(*pool)).label_of) == [read]
