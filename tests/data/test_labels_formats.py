"""One class is one class in every format and type: the same map, the same codes, the same hash."""

import datetime
import unicodedata
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from support.text_sets import WRITERS, account_adds_up, load
from tithe.data.labels import LabelMap
from tithe.errors import InputError

TEXTS = [f"sound text {i}" for i in range(40)]
CAFE, TEA = "café", "чай"
NFD = unicodedata.normalize("NFD", CAFE)
DAYS = [datetime.date(2026, 1, 31), datetime.date(2026, 2, 1)]

# The names of a map; then the values of alternating rows: by suffix, or as an Arrow type that Parquet stores.
SAME: dict[str, tuple[list[Any], list[tuple[Any, list[Any]]]]] = {
    "whole numbers": (
        [2, 10],
        [
            ("csv", ["2", "10"]),
            ("csv", ["2.0", "10.0"]),
            ("csv", [" 2", "10\u00a0"]),
            ("csv", ["\ufeff2", "10\u200b"]),
            *((kind, values) for kind in ("jsonl", "json") for values in ([2, 10], ["2", "10"], [2.0, "10.0"])),
            *((kind, [2, 10]) for kind in (pa.int8(), pa.int64(), pa.uint64(), pa.float32(), pa.float64())),
            (pa.float16(), [np.float16(2), np.float16(10)]),
            (pa.decimal128(5, 2), [Decimal("2.00"), Decimal("10.00")]),
            *((kind, ["2", "10"]) for kind in (pa.string(), pa.large_string(), pa.string_view(), pa.binary())),
            (pa.dictionary(pa.int32(), pa.string()), ["2", "10"]),
            (pa.dictionary(pa.int8(), pa.int64()), [2, 10]),
        ],
    ),
    "0 and 1": (
        [0, 1],
        [
            *(("csv", values) for values in (["0", "1"], ["0.0", "1.0"], ["-0", "1"])),
            *((kind, values) for kind in ("jsonl", "json") for values in ([0, 1], ["0", "1"], [-0.0, 1.0])),
            *((kind, [0, 1]) for kind in (pa.int64(), pa.uint8(), pa.float32())),
            *((kind, ["0", "1"]) for kind in (pa.string(), pa.binary(1))),
        ],
    ),
    "booleans": (
        ["false", "true"],
        [
            *(("csv", values) for values in (["False", "True"], ["FALSE", "TRUE"], ["false", " true "])),
            *((kind, values) for kind in ("jsonl", "json") for values in ([False, True], ["False", "TRUE"])),
            (pa.bool_(), [False, True]),
            (pa.string(), ["False", "True"]),
            (pa.dictionary(pa.int8(), pa.string()), ["False", "true"]),
        ],
    ),
    "fractions": (
        ["0.1", "10.5"],
        [
            ("csv", ["0.1", "10.5"]),
            *((kind, values) for kind in ("jsonl", "json") for values in ([0.1, 10.5], ["0.1", "10.5"])),
            *((kind, [0.1, 10.5]) for kind in (pa.float32(), pa.float64())),
            (pa.decimal128(5, 2), [Decimal("0.10"), Decimal("10.50")]),
            (pa.string(), ["0.1", "10.5"]),
        ],
    ),
    "words": (
        [CAFE, TEA],
        [
            ("csv", [CAFE, TEA]),
            ("csv", [NFD, f"{TEA}\u200b"]),
            ("csv", [f"{CAFE}\ufeff", f"\u2060 {TEA}\u00a0"]),
            *((kind, values) for kind in ("jsonl", "json") for values in ([CAFE, TEA], [NFD, f" {TEA}\n"])),
            *((kind, [NFD, TEA]) for kind in (pa.string(), pa.string_view())),
            *((kind, [NFD.encode(), TEA.encode()]) for kind in (pa.binary(), pa.large_binary())),
            (pa.dictionary(pa.int8(), pa.string()), [CAFE, f"{TEA}\u3000"]),
        ],
    ),
    "dates": (
        ["2026-01-31", "2026-02-01"],
        [
            *((kind, [str(day) for day in DAYS]) for kind in ("csv", "jsonl", "json")),
            *((kind, DAYS) for kind in (pa.date32(), pa.date64())),
        ],
    ),
}
CASES = [
    pytest.param(names, kind, values, id=f"{kind} {values!a}")
    for names, cases in SAME.values()
    for kind, values in cases
]


def write(folder: Path, kind: Any, labels: list[Any]) -> Path:
    if isinstance(kind, str):
        path: Path = WRITERS[kind](folder / f"rows.{kind}", list(zip(TEXTS, labels, strict=True)))
        return path
    pq.write_table(pa.table({"text": TEXTS, "label": pa.array(labels, kind)}), folder / "rows.parquet")
    return folder / "rows.parquet"


@pytest.mark.parametrize(("names", "kind", "values"), CASES)
def test_the_same_rows_have_the_same_classes(tmp_path: Path, names: list[Any], kind: Any, values: list[Any]) -> None:
    found = load(write(tmp_path, kind, [values[i % 2] for i in range(39)] + [None]))
    expected = LabelMap(tuple(names))
    assert [(type(name), name) for name in found.labels.names] == [(type(name), name) for name in names]
    assert found.labels.hash == expected.hash
    assert found.rows.labels.tolist() == [i % 2 for i in range(39)]
    assert found.report["dropped"] == {"missing_label": 1} and account_adds_up(found)
    assert expected.encode(found.labels.names).tolist() == [0, 1]


SEVERAL = [
    *((kind, [["a"], ["a", "b"]], "a list of labels in each row (['a'])") for kind in ("jsonl", "json")),
    *((kind, [{"id": 1}, {"id": 2}], "the label {'id': 1} has several fields") for kind in ("jsonl", "json")),
    (pa.list_(pa.string()), [["a"], ["a", "b"]], "a list of labels in each row (['a'])"),
    (pa.list_(pa.int8(), 2), [[0, 1], [1, 0]], "a list of labels in each row ([0, 1])"),
    (pa.struct([("id", pa.int8())]), [{"id": 1}, {"id": 2}], "the label {'id': 1} has several fields"),
    (pa.map_(pa.string(), pa.int8()), [[("a", 1)], []], "a list of labels in each row ([('a', 1)])"),
    (pa.binary(), [b"\xff", b"a"], r"the label b'\xff' is not UTF-8"),
]


@pytest.mark.parametrize(("kind", "values", "says"), SEVERAL, ids=[f"{kind} {says[:20]}" for kind, _, says in SEVERAL])
def test_several_labels_in_a_row_are_refused(tmp_path: Path, kind: Any, values: list[Any], says: str) -> None:
    path = write(tmp_path, kind, [None, *(values[i % 2] for i in range(39))])
    with pytest.raises(InputError) as caught:
        load(path)
    message = str(caught.value)
    assert message.startswith(f"{path}, row 1: {says}") and message.endswith("(data.label_column)")
    assert len(message.splitlines()) == 1
