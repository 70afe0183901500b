"""What `predict` takes as inputs from Python, and what it refuses in one line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tithe.errors import InputError
from tithe.predict import kept_columns
from tithe.predict.inputs import TextInput, listed, open_inputs

TWO = ["one", "two"]
ORDERED: dict[str, Callable[[], object]] = {
    "list": lambda: TWO,
    "tuple": lambda: tuple(TWO),
    "generator": lambda: (text for text in TWO),
    "array": lambda: np.array(TWO),
    "array of objects": lambda: np.array(TWO, dtype=object),
    "Arrow array": lambda: pa.array(TWO),
    "Arrow column": lambda: pa.chunked_array([["one"], ["two"]]),
    "Series": lambda: pd.Series(TWO, index=[7, 7]),
    "table": lambda: pa.table({"n": [1, 2], "text": TWO}),
}


@pytest.mark.parametrize("kind", ORDERED)
def test_anything_ordered_is_a_list_of_texts(kind: str) -> None:
    texts = listed(ORDERED[kind]())
    assert texts == TWO and {type(text) for text in texts} == {str}


def test_a_text_alone_is_one_input() -> None:
    assert listed("a text") == ["a text"] and listed([]) == []
    assert listed(Path("a.png"), paths=True) == listed([Path("a.png")], paths=True) == ["a.png"]


WRONG = [
    (["a", None], r"input 1 is None \(NoneType\), not a text"),
    (["a", "b", float("nan")], r"input 2 is nan \(float\)"),
    ([3], r"input 0 is 3 \(int\)"),
    ([b"a"], "input 0 is b'a'"),
    ([Path("a.txt")], "input 0 is .*Path"),
    (pa.array(["a", None]), "input 1 is None"),
    (b"a text", "inputs of type bytes are not texts in an order"),
    ({"text": "a"}, "inputs of type dict"),
    ({"a"}, "inputs of type set"),
    (None, "inputs of type NoneType"),
    (np.array("a"), "ndarray have 0 dimensions"),
    (np.array([["a"]]), "ndarray have 2 dimensions"),
    (pa.table({"a": ["x"], "b": ["y"]}), "the columns of this Table are a, b, none of them 'text': pass the one with"),
]


@pytest.mark.parametrize(("inputs", "says"), WRONG)
def test_what_is_not_a_text_is_named_by_its_position(inputs: object, says: str) -> None:
    with pytest.raises(InputError, match=says) as refused:
        listed(inputs)
    assert "\n" not in str(refused.value)


def test_closed_standard_input_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(InputError, match="standard input is closed"):
        open_inputs(None, None)


def test_other_columns_keep_their_types_over_a_whole_file(tmp_path: Path) -> None:
    file = tmp_path / "in.jsonl"
    file.write_text('{"id": 1, "text": "a", "n": 1}\n{"id": 2, "text": "b", "n": 1.5, "m": "x"}\n')
    inputs = open_inputs(None, TextInput(file))
    kinds = {"id": pa.int64(), "text": pa.string(), "n": pa.float64(), "m": pa.string()}
    assert inputs.columns == pa.schema(kinds)
    assert [dict(one.columns) for one in inputs.rows] == [
        {"id": 1, "text": "a", "n": 1.0, "m": None},
        {"id": 2, "text": "b", "n": 1.5, "m": "x"},
    ]


# Rows that no column of one type holds as they are, each by what is kept.
AS_TEXT = [
    (['{"a": 1}', '{"a": "x"}'], ["1", "x"]),
    (['{"a": 1180591620717411303424}', '{"a": 1}'], ["1180591620717411303424", "1"]),
    (['{"a": true}', '{"a": 1}'], ["true", "1"]),
    (['{"a": {}}', '{"a": {"b": [1, null]}}'], ["{}", '{"b": [1, null]}']),
    (['{"a": {"b": 1152921504606846977}}', '{"a": {"b": 0.5}}'], ['{"b": 1152921504606846977}', '{"b": 0.5}']),
    (['{"a": "\\ud800"}', '{"a": null}'], ["?", None]),
]


@pytest.mark.parametrize(("rows", "kept"), AS_TEXT)
def test_columns_without_one_type_are_text(
    rows: list[str], kept: list[str | None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_columns, "_ROWS", 1)  # types are joined over parts of a file
    file, out = tmp_path / "in.jsonl", tmp_path / "out.parquet"
    file.write_text("".join(f'{{"text": "t", "\\ud800": 1, {row[1:]}\n' for row in rows))
    inputs = open_inputs(None, TextInput(file))
    values = [dict(one.columns) for one in inputs.rows]
    assert inputs.columns.field("a").type == pa.string() and [row["a"] for row in values] == kept
    pq.write_table(pa.Table.from_pylist(values, inputs.columns), out)
    assert pq.read_table(out).to_pylist() == [{"text": "t", "?": 1, "a": value} for value in kept]
