"""The order of classes, numbers as labels, and label maps saved and compared."""

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from support.text_sets import GOOD, WRITERS, Pairs, kept, load, write_csv
from tithe.data import LabelMap
from tithe.data.labels import look_alike, normalise
from tithe.errors import InputError

LABELS = [
    ([10, 9, -1], (-1, 9, 10)),
    ([10.0, 9.0, float("nan")], (9, 10)),
    ([True, False], ("false", "true")),
    ([True, 0, 1], ("0", "1", "true")),
    (["10", "9"], (9, 10)),
    (["07", "1"], ("07", "1")),
    ([" b ", "a"], ("a", "b")),
    (["я", "Б", "a"], ("a", "Б", "я")),
    ([0.5, 0.25], ("0.25", "0.5")),
    ([10.5, 1.5, 0.5, 2], ("0.5", "1.5", "2", "10.5")),
    (["10.50", "9.75", "-1"], ("-1", "9.75", "10.50")),
    (["10.5", "9.5", "n/a"], ("10.5", "9.5", "n/a")),
    ([float("inf"), 10.5, 9.5], ("10.5", "9.5", "inf")),
    ([10, "9", "b"], ("10", "9", "b")),
    ([1, "1", "1.0", 1.0], (1,)),
    (["1" * 18, "9"], (9, int("1" * 18))),
    ([int("1" * 19), "9"], ("1" * 19, "9")),
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
    assert found.encode(found.names).tolist() == list(range(len(found)))


@pytest.mark.parametrize(
    "missing", [None, float("nan"), np.float32("nan"), Decimal("nan"), "", "  ", b" ", "\u200b\ufeff"]
)
def test_no_label(missing: object) -> None:
    assert normalise(missing) is None


NUMERIC = [
    ("parquet", [2, 10], [2, 10]),
    ("parquet", [2.0, 10.0], [2, 10]),
    ("parquet", [True, False], ["true", "false"]),
    ("jsonl", [2.0, 10], [2, 10]),
    ("jsonl", [True, False], ["true", "false"]),
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
    with pytest.raises(InputError, match=r"label 'true' is not one of the 2 classes: 0, 1"):
        LabelMap((0, 1)).encode(["true"])
    assert LabelMap(tuple(range(20))).preview() == "0, 1, 2, 3, 4, 5, 6, 7, … (20 classes)"


EARLIER = [
    (("1", "2"), [1, 2], [2, 1, 1]),
    (("False", "True"), ["false", "true"], ["true", "false"]),
    (("cafe\u0301", "tea"), ["café", "tea"], ["tea", "café"]),
    (("pos", "pos\u200b"), ["pos"], ["pos"]),
    (("\u200b", "pos"), ["pos"], ["pos"]),
]


@pytest.mark.parametrize(("names", "now", "rows"), EARLIER, ids=[ascii(names) for names, *_ in EARLIER])
def test_the_map_of_an_earlier_version_still_finds_its_classes(
    names: tuple[str, ...], now: list[Any], rows: list[Any]
) -> None:
    earlier = LabelMap(names)
    assert earlier.names == names
    expected = [next(code for code, name in enumerate(names) if normalise(name) == row) for row in rows]
    assert earlier.encode(rows).tolist() == expected
    if len(now) == len(names):
        earlier.check_same(LabelMap(tuple(now)), "rows.csv")
        with pytest.raises(InputError, match=r"rows\.csv has classes"):
            earlier.check_same(LabelMap(tuple(reversed(now))), "rows.csv")


SEVERAL = [
    (["a", "b"], "a list of labels in each row (['a', 'b']): multi-label data is not supported: keep one label"),
    ([], "a list of labels in each row ([]): multi-label"),
    (("a",), "a list of labels in each row (('a',)): multi-label"),
    (np.array([[0, 1], [1, 0]]), "a list of labels in each row (array("),
    ({"id": 1, "name": "a"}, "the label {'id': 1, 'name': 'a'} has several fields: use one of them as the label"),
    (b"caf\xe9", r"the label b'caf\xe9' is not UTF-8: save labels as text"),
]


@pytest.mark.parametrize(("value", "says"), SEVERAL, ids=[says[:40] for _, says in SEVERAL])
def test_what_is_no_label_is_refused(value: object, says: str) -> None:
    with pytest.raises(InputError) as caught:
        normalise(value)
    assert says in str(caught.value) and len(str(caught.value).splitlines()) == 1


def test_names_that_look_alike() -> None:
    names = ("Pos", "neg", "pos", "soft\u00adware", "software", "１", 1, "straße", "STRASSE", "neg.")
    assert look_alike(names) == [
        ["Pos", "pos"],
        ["soft\u00adware", "software"],
        ["１", 1],
        ["straße", "STRASSE"],
    ]
