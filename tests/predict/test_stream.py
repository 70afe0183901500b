"""Texts to predict: the formats, compressions, layouts and parts that training reads too."""

import gzip
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from support.text_sets import WRITERS
from tithe import config
from tithe.errors import InputError
from tithe.predict.inputs import TextInput, open_inputs

TEXTS = ["a film", "хлеб, соль", "", "the last"]
ROWS = [(text, "cat") for text in TEXTS]


def texts_of(source: TextInput) -> list[str]:
    return [one.text for one in open_inputs(None, source).rows]


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("how", ["file", "folder", "pattern"])
def test_every_format_in_one_file_or_in_parts(tmp_path: Path, kind: str, how: str) -> None:
    folder = tmp_path / "rows"
    folder.mkdir()
    WRITERS[kind](folder / f"part-1.{kind}", ROWS[2:])
    first = WRITERS[kind](folder / f"part-0.{kind}", ROWS[:2])
    path = {"file": first, "folder": folder, "pattern": folder / "part-?.*"}[how]
    assert texts_of(TextInput(path)) == (TEXTS[:2] if how == "file" else TEXTS)


LAYOUTS: dict[str, tuple[str, str, dict[str, Any], str]] = {
    "csv": (
        "rows.csv",
        "cat|a film\nдог|хлеб, соль\n",
        {"delimiter": "|", "column_names": ["label", "text"]},
        "cp1251",
    ),
    "csv.gz": ("rows.csv.gz", "text;label\na film;x\nхлеб, соль;y\n", {}, "utf-16"),
    "lines": ("rows.txt", "a film\nхлеб, соль\n", {}, "cp1251"),
    "lines.gz": ("rows.txt.gz", "a film\r\nхлеб, соль", {}, "utf-8"),
    "fastText": ("rows.txt", "__label__cat a film\nхлеб, соль __label__dog\n", {}, "utf-8"),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_layout_is_read_as_given(tmp_path: Path, name: str) -> None:
    file, content, settings, encoding = LAYOUTS[name]
    data = content.encode(encoding)
    (tmp_path / file).write_bytes(gzip.compress(data) if file.endswith(".gz") else data)
    layout = config.Layout(**settings, encoding=encoding)
    assert texts_of(TextInput(tmp_path / file, "text", layout)) == TEXTS[:2]


def test_a_damaged_archive_is_refused_before_the_first_text(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl.gz").write_bytes(gzip.compress(b'{"text": "a"}\n' * 100_000)[:-9])
    with pytest.raises(InputError, match=r"rows\.jsonl\.gz is not whole gzip"):
        open_inputs(None, TextInput(tmp_path / "rows.jsonl.gz"))


def test_other_columns_are_kept_over_all_parts_with_one_type(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": [1], "text": ["a"], "n": [1], "x": [1]}), tmp_path / "part-0.parquet")
    pq.write_table(pa.table({"x": ["y"], "text": ["b"], "n": [0.5], "id": [2]}), tmp_path / "part-1.parquet")
    inputs = open_inputs(None, TextInput(tmp_path))
    kinds = {"id": pa.int64(), "text": pa.string(), "n": pa.float64(), "x": pa.string()}
    assert (inputs.columns, inputs.count) == (pa.schema(kinds), 2), "the text stays in its place"
    assert [tuple(one.columns.values()) for one in inputs.rows] == [(1, "a", 1.0, "1"), (2, "b", 0.5, "y")]
    pq.write_table(pa.table({"id": [3], "text": ["c"], "x": ["z"]}), tmp_path / "part-2.parquet")
    with pytest.raises(InputError, match=r"only one of part-0\.parquet and part-2\.parquet has the column 'n'"):
        open_inputs(None, TextInput(tmp_path))


@pytest.mark.parametrize("kind", ["csv", "csv.gz", "jsonl.gz", "json.gz"])
def test_other_columns_are_kept_in_every_layout_and_compression(tmp_path: Path, kind: str) -> None:
    content, layout = '{"id": "7", "text": "хлеб", "note": "да"}\n'.encode(), config.Layout()
    if kind.startswith("csv"):
        layout = config.Layout(delimiter="|", column_names=("id", "text", "note"), encoding="cp1251")
        content = "7|хлеб|да\n".encode("cp1251")
    (tmp_path / f"rows.{kind}").write_bytes(gzip.compress(content) if kind.endswith("gz") else content)
    [one] = open_inputs(None, TextInput(tmp_path / f"rows.{kind}", "text", layout)).rows
    assert one == ("хлеб", {"id": "7", "text": "хлеб", "note": "да"})
