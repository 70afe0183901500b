"""The order of classes, numbers as labels, and label maps saved and compared."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from support.text_sets import GOOD, WRITERS, Pairs, kept, load, write_csv
from tithe.data import LabelMap
from tithe.data.labels import normalise
from tithe.errors import InputError

LABELS = [
    ([10, 9, -1], (-1, 9, 10)),
    ([10.0, 9.0, float("nan")], (9, 10)),
    ([True, False], (0, 1)),
    (["10", "9"], ("10", "9")),
    ([" b ", "a"], ("a", "b")),
    (["я", "Б", "a"], ("a", "Б", "я")),
    ([0.5, 0.25], ("0.25", "0.5")),
    ([10, "9", "b"], ("10", "9", "b")),
    ([1, "1"], ("1",)),
    ([np.int64(3), 2], (2, 3)),
]


@pytest.mark.parametrize(("raw", "names"), LABELS, ids=[repr(raw) for raw, _ in LABELS])
def test_the_order_of_classes(raw: list[object], names: tuple[Any, ...]) -> None:
    labels = [label for label in map(normalise, raw) if label is not None]
    found = LabelMap.of(labels)
    assert found.names == names
    assert [type(name) for name in found.names] == [type(name) for name in names]
    assert [str(found.names[code]) for code in found.encode(labels)] == [str(label) for label in labels]
    assert LabelMap.of(reversed(labels)) == found


@pytest.mark.parametrize("missing", [None, float("nan"), "", "  "])
def test_no_label(missing: object) -> None:
    assert normalise(missing) is None


NUMERIC = [
    ("parquet", [2, 10], [2, 10]),
    ("parquet", [2.0, 10.0], [2, 10]),
    ("parquet", [True, False], [1, 0]),
    ("jsonl", [2.0, 10], [2, 10]),
    ("jsonl", [True, False], [1, 0]),
    ("csv", ["2", "10"], [2, 10]),
    ("csv", ["-2", "10"], [-2, 10]),
    ("csv", ["02", "10"], ["02", "10"]),
    ("csv", ["2", "ten"], ["2", "ten"]),
    ("csv", ["2.0", "10.0"], [2, 10]),
]


@pytest.mark.parametrize(("kind", "written", "meant"), NUMERIC, ids=[f"{k} {v}" for k, v, _ in NUMERIC])
def test_numbers_as_labels(tmp_path: Path, kind: str, written: list[Any], meant: list[Any]) -> None:
    pairs: Pairs = [(text, written[i % 2]) for i, (text, _) in enumerate(GOOD)]
    found = load(WRITERS[kind](tmp_path / f"rows.{kind}", pairs))
    assert found.labels.names == tuple(sorted(meant))
    assert [label for _, _, label in kept(found)] == [meant[i % 2] for i in range(20)]


def test_a_number_too_long_to_be_one_is_a_string(tmp_path: Path) -> None:
    pairs = [(text, "cat" if label == "cat" else "1" * 5000) for text, label in GOOD]
    assert load(write_csv(tmp_path / "rows.csv", pairs)).labels.names == ("1" * 5000, "cat")


def test_a_label_map_is_saved_and_loaded(tmp_path: Path) -> None:
    for names in [("a", "я"), (1, 2, 10)]:
        LabelMap(names).save(tmp_path / "labels.json")
        found = LabelMap.load(tmp_path / "labels.json")
        assert found == LabelMap(names)
        assert found.hash == LabelMap(names).hash
    assert LabelMap(("a", "b")).hash != LabelMap(("b", "a")).hash
    assert LabelMap(("1", "2")).hash != LabelMap((1, 2)).hash


@pytest.mark.parametrize(
    "change",
    [
        lambda saved: saved | {"names": saved["names"][::-1]},
        lambda saved: saved | {"names": [*saved["names"], "c"]},
        lambda saved: saved | {"sha256": "0" * 64},
        lambda saved: {"sha256": saved["sha256"]},
        lambda saved: saved["names"],
    ],
)
def test_a_label_map_changed_by_hand_is_refused(tmp_path: Path, change: Callable[[Any], Any]) -> None:
    path = tmp_path / "labels.json"
    LabelMap(("a", "b")).save(path)
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    with pytest.raises(InputError, match=r"labels\.json"):
        LabelMap.load(path)


def test_labels_that_the_map_does_not_know_are_named() -> None:
    with pytest.raises(InputError, match="label 'c' is not one of the 2 classes: a, b"):
        LabelMap(("a", "b")).encode(["a", "c"])
    with pytest.raises(InputError, match=r"test\.csv has classes b, a; the checkpoint has a, b"):
        LabelMap(("a", "b")).check_same(LabelMap(("b", "a")), "test.csv")
    LabelMap(("a", "b")).check_same(LabelMap(("a", "b")), "test.csv")
    assert LabelMap(tuple(range(20))).preview() == "0, 1, 2, 3, 4, 5, 6, 7, … (20 classes)"
