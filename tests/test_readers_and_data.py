"""From a file to splits: one content in three formats, an account of every row, exact and honest splits."""

import csv
import json
import tracemalloc
import unicodedata
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from conftest import make_texts, write_rows
from tithe import config, data, plugins, records
from tithe.data import LabelMap, balance, clean, split
from tithe.data.labels import normalise
from tithe.errors import InputError

Pairs = list[tuple[Any, Any]]


def write_parquet(path: Path, pairs: Pairs) -> Path:
    return write_rows(path, [text for text, _ in pairs], [label for _, label in pairs])


def write_csv(path: Path, pairs: Pairs) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("text", "label"), *(("" if v is None else v for v in pair) for pair in pairs)])
    return path


def write_jsonl(path: Path, pairs: Pairs) -> Path:
    path.write_text("".join(json.dumps({"text": t, "label": y}) + "\n" for t, y in pairs), encoding="utf-8")
    return path


WRITERS: dict[str, Callable[[Path, Pairs], Path]] = {
    "parquet": write_parquet,
    "csv": write_csv,
    "jsonl": write_jsonl,
}
GOOD: Pairs = [(f"sound text {i}", ["cat", "dog"][i % 2]) for i in range(20)]


def load(path: Path, seed: int = 0, **settings: Any) -> data.Splits:
    return data.load(config.Data(path=str(path), **settings), seed)


def kept(splits: data.Splits) -> list[tuple[int, str, Any]]:
    """(row in the file, cleaned text, label) of every kept row."""
    names = [splits.labels.names[c] for c in splits.everything.labels]
    return list(zip(splits.everything.ids.tolist(), splits.everything.inputs(), names, strict=True))


def dropped(splits: data.Splits) -> list[tuple[int, str]]:
    return [(line["row"], line["reason"]) for line in map(json.loads, lines(splits.dropped))]


def lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").split("\n")[:-1]


def account_adds_up(splits: data.Splits) -> bool:
    report, listed = splits.report, dropped(splits)
    return (
        report["rows_read"] == report["rows_kept"] + sum(report["dropped"].values())
        and report["rows_kept"] == len(splits.everything) == sum(report["classes"].values())
        and report["dropped"] == dict(Counter(reason for _, reason in listed))
        and sorted([row for row, _ in listed] + splits.everything.ids.tolist()) == list(range(report["rows_read"]))
    )


# ---- one content, three formats


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


@pytest.mark.parametrize(("name", "delimiter"), [("rows.csv", ","), ("rows.csv", ";"), ("rows.tsv", "\t")])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_csv_dialects(tmp_path: Path, name: str, delimiter: str, newline: str, mark: str) -> None:
    rows = [delimiter.join(pair) for pair in [("text", "label"), *GOOD]]
    (tmp_path / name).write_bytes((mark + newline.join(rows)).encode())
    assert [(text, label) for _, text, label in kept(load(tmp_path / name))] == GOOD


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


def test_a_file_of_many_batches_keeps_its_row_numbers(tmp_path: Path) -> None:
    pairs: Pairs = [(f"text {i}", i % 2) for i in range(9000)]
    pairs[8500] = ("", 0)
    for kind, write in WRITERS.items():
        found = load(write(tmp_path / f"rows.{kind}", pairs))
        assert found.everything.ids[-1] == 8999
        assert dropped(found) == [(8500, "empty_text")]
        assert account_adds_up(found)


# ---- cleaning


CLEANING = [
    ("plain words", "plain words"),
    ("  a \t b\n\nc\r\nd ", "a b c d"),
    ("a\u00a0b\u2003c\u2028d\u3000", "a b c d"),
    ("cafe\u0301", "café"),
    ("\u1100\u1161", "가"),
    ("\ufefftext", "text"),
    ("ze\u200bro\u2060", "zero"),
    ("bell\x07 and \x00null \x7f", "bell and null"),
    ("c1\x9b", "c1"),
    ("page\x0cbreak\x0btab\x85next", "page break tab next"),
    ("e\u200b\u0301", "é"),
    ("a\ud800b", "a\ufffdb"),
    ("\ud83d\ude00", "😀"),
    ("👩\u200d🔬", "👩\u200d🔬"),
    ("\u200b\ufeff", ""),
    ("", ""),
]


@pytest.mark.parametrize(("raw", "cleaned"), CLEANING, ids=[ascii(raw) for raw, _ in CLEANING])
def test_cleaning(raw: str, cleaned: str) -> None:
    assert clean.clean_text(raw) == cleaned
    assert clean.clean_text(cleaned) == cleaned
    assert unicodedata.is_normalized("NFC", clean.clean_text(raw))


def test_cleaned_twice_is_cleaned_once() -> None:
    rng = np.random.default_rng(0)
    pieces = [
        "e",
        "\u0301",
        "\u200b",
        "\ufeff",
        " ",
        "\x00",
        "\x0c",
        "\x85",
        "\u1100",
        "\u1161",
        "\ud800",
        "\udc00",
        "я",
    ]
    for _ in range(3000):
        once = clean.clean_text("".join(rng.choice(pieces, size=6)))
        assert clean.clean_text(once) == once, ascii(once)
        once.encode()


WHY = [
    (None, "missing_text"),
    (float("nan"), "missing_text"),
    ("", "empty_text"),
    (" \n\u200b", "empty_text"),
    (5, "not_text"),
    (b"x", "not_text"),
    (clean.Unreadable("x"), "unreadable"),
    ("x", None),
    ("nan", None),
]


@pytest.mark.parametrize(("value", "reason"), WHY, ids=[repr(value) for value, _ in WHY])
def test_the_reason_why_an_input_is_left_out(value: object, reason: str | None) -> None:
    assert clean.why_not_text(value) == reason


# ---- the account of what was left out


def test_every_row_left_out_is_counted_by_reason_and_listed(tmp_path: Path) -> None:
    bad: Pairs = [
        (None, "cat"),  # 20
        ("  ", "cat"),  # 21
        ("no label", None),  # 22
        ("blank label", " "),  # 23
        ("sound text 0", "cat"),  # 24, a duplicate of row 0
        ("sound  text 2\u200b", "cat"),  # 25, a duplicate of row 2 once cleaned
        ("twice told", "cat"),  # 26, in conflict
        ("twice told", "dog"),  # 27, in conflict
        ("twice  told", "cat"),  # 28, in conflict
        ("sound text 1", "cat"),  # 29, in conflict with row 1
    ]
    found = load(write_parquet(tmp_path / "rows.parquet", GOOD + bad))
    assert dropped(found) == [
        (1, "conflict"),
        (20, "missing_text"),
        (21, "empty_text"),
        (22, "missing_label"),
        (23, "missing_label"),
        (24, "duplicate"),
        (25, "duplicate"),
        (26, "conflict"),
        (27, "conflict"),
        (28, "conflict"),
        (29, "conflict"),
    ]
    assert found.report["dropped"] == {
        "conflict": 5,
        "missing_label": 2,
        "duplicate": 2,
        "missing_text": 1,
        "empty_text": 1,
    }
    assert (found.report["rows_read"], found.report["rows_kept"]) == (30, 19)
    assert account_adds_up(found)
    listed = {line["row"]: line for line in map(json.loads, lines(found.dropped))}
    assert listed[27] == {"row": 27, "reason": "conflict", "label": "dog", "text": "twice told"}
    assert found.report["classes"] == {"cat": 10, "dog": 9}


def test_a_class_of_which_nothing_is_left_is_no_class(tmp_path: Path) -> None:
    found = load(write_parquet(tmp_path / "rows.parquet", [*GOOD, ("same", "ant"), ("same", "cat")]))
    assert found.labels.names == ("cat", "dog")
    assert [label for _, _, label in kept(found)] == [label for _, label in GOOD]


def test_unreadable_json_lines_are_counted_and_the_rest_is_read(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "rows.jsonl", GOOD)
    with path.open("ab") as file:
        file.write(b'{"text": "cut\n[1]\nnull\n"word"\n\xff\xfe\n{"text": 5, "label": "cat"}\n')
        file.write(b'{"text": "a list", "label": ["cat"]}\n{"label": "cat"}\n{"text": "cut", "lab')
    found = load(path)
    assert dropped(found) == [
        *((row, "unreadable") for row in range(20, 25)),
        (25, "not_text"),
        (26, "missing_label"),
        (27, "missing_text"),
        (28, "unreadable"),
    ]
    assert account_adds_up(found)
    assert json.loads(lines(found.dropped)[0])["text"] == '{"text": "cut'


def test_a_json_line_nested_beyond_reason_is_unreadable(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "rows.jsonl", GOOD)
    with path.open("ab") as file:
        file.write(b"[" * 200_000 + b"\n")
    assert dropped(load(path)) == [(20, "unreadable")]


def test_csv_rows_with_a_wrong_number_of_fields_are_unreadable(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "rows.csv", GOOD)
    with path.open("a", encoding="utf-8") as file:
        file.write("one,two,cat\nalone\n\nno label,\n,cat\n")
    found = load(path)
    assert dropped(found) == [(20, "unreadable"), (21, "unreadable"), (22, "missing_label"), (23, "empty_text")]
    assert account_adds_up(found)


@pytest.mark.parametrize(
    "row",
    [
        {"text": "half a pair \ud800", "label": None},
        {"text": "half a pair \ud800", "label": "cat"},
        {"text": "whole", "label": "half \ud800"},
        {"text": "line\u2028and\x85end", "label": None},
    ],
    ids=["dropped", "kept", "in the label", "separators"],
)
def test_what_no_encoder_can_write_does_not_stop_the_reading(tmp_path: Path, row: dict[str, Any]) -> None:
    path = write_jsonl(tmp_path / "rows.jsonl", GOOD)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")
    found = load(path)
    assert account_adds_up(found)
    assert len(records.read_lines(found.dropped)) == len(dropped(found))


def test_the_report_describes_the_texts(tmp_path: Path) -> None:
    pairs: Pairs = [(" ".join([f"w{i}"] * words), i % 2) for i, words in enumerate([1, 2, 3, 4, 10] * 4)]
    words = load(write_parquet(tmp_path / "rows.parquet", pairs)).report["words"]
    assert words == {"mean": 4.0, "median": 3, "p95": 10, "max": 10}


def test_repeats_known_answer() -> None:
    keys, labels = np.array([b"a", b"b", b"a", b"c", b"b", b"c", b"d"]), np.array([0, 1, 0, 0, 2, 1, 0])
    keep, duplicate, conflict = clean.repeats(keys, labels)
    assert (keep.tolist(), duplicate.tolist(), conflict.tolist()) == ([0, 6], [2], [1, 3, 4, 5])


# ---- labels

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
    with pytest.raises(InputError, match="label 'c' is none of the 2 known: a, b"):
        LabelMap(("a", "b")).encode(["a", "c"])
    with pytest.raises(InputError, match=r"test\.csv has classes b, a; the checkpoint knows a, b"):
        LabelMap(("a", "b")).check_same(LabelMap(("b", "a")), "test.csv")
    LabelMap(("a", "b")).check_same(LabelMap(("a", "b")), "test.csv")
    assert LabelMap(tuple(range(20))).preview() == "0, 1, 2, 3, 4, 5, 6, 7, … (20 classes)"


# ---- split


def codes(*sizes: int) -> np.ndarray[Any, Any]:
    """Labels of classes of the given sizes, interleaved."""
    labels = np.repeat(np.arange(len(sizes)), sizes)
    return np.random.default_rng(0).permutation(labels)


SPLITS = [
    ((50, 50), 0.1, 0.1),
    ((50, 30, 20), 0.2, 0.0),
    ((15,) * 77, 0.1, 0.1),
    ((15,) * 77, 0.1, 0.0),
    ((900, 90, 10), 0.15, 0.05),
    ((997, 3), 0.1, 0.1),
    ((333, 334, 335), 0.333, 0.333),
    ((5, 5), 0.4, 0.4),
    ((101, 7, 2, 1), 0.1, 0.1),
]


@pytest.mark.parametrize(("sizes", "val", "test"), SPLITS)
def test_splits_are_complete_disjoint_exact_and_stratified(sizes: tuple[int, ...], val: float, test: float) -> None:
    labels = codes(*sizes)
    found = split.stratified(labels, val, test, seed=3)
    parts = {"train": found.train, "val": found.val, "test": found.test}
    assert sorted(np.concatenate(list(parts.values())).tolist()) == list(range(len(labels)))
    assert all((np.diff(part) > 0).all() for part in parts.values())
    assert len(found.val) == int(np.floor(val * len(labels) + 0.5))
    assert len(found.test) == int(np.floor(test * len(labels) + 0.5))
    for name, ratio in (("val", val), ("test", test)):
        counts = np.bincount(labels[parts[name]], minlength=len(sizes))
        for c, size in enumerate(sizes):
            if c in found.too_small or ratio == 0:
                assert counts[c] == 0
            else:
                # Room for the one row that small classes are given, which the large ones make up for.
                assert 1 <= counts[c] < size
                assert abs(counts[c] - ratio * size) <= 2
    assert (np.bincount(labels[found.train], minlength=len(sizes)) >= 1).all()


@pytest.mark.parametrize("sizes", [(3, 3), (3, 3, 3), (4, 9, 30)])
def test_train_keeps_a_row_of_each_class_however_greedy_the_others(sizes: tuple[int, ...]) -> None:
    labels = codes(*sizes)
    found = split.stratified(labels, 0.4, 0.55, seed=0)
    assert found.too_small == ()
    for part in (found.train, found.val, found.test):
        assert set(labels[part].tolist()) == set(range(len(sizes)))


def test_small_classes_are_named_and_stay_in_train() -> None:
    labels = codes(40, 3, 2, 1)
    found = split.stratified(labels, 0.1, 0.1, seed=0)
    assert found.too_small == (2, 3)
    assert set(labels[found.val]) == set(labels[found.test]) == {0, 1}
    assert np.bincount(labels[found.train])[[2, 3]].tolist() == [2, 1]
    assert split.stratified(labels, 0.1, 0.0, seed=0).too_small == (3,)


def test_small_classes_are_named_in_the_report(tmp_path: Path) -> None:
    small = [("lonely", "ant"), ("a pair", "bee"), ("a pear", "bee")]
    found = load(write_parquet(tmp_path / "rows.parquet", GOOD + small))
    assert found.report["splits"]["too_small_to_split"] == ["ant", "bee"]


def test_a_seed_decides_a_split() -> None:
    labels = codes(60, 40)
    same = [split.stratified(labels, 0.1, 0.1, seed) for seed in (1, 1, 2)]
    assert same[0].hash == same[1].hash != same[2].hash
    assert same[0].val.tolist() == same[1].val.tolist() != same[2].val.tolist()


def test_no_text_stands_in_two_splits(tmp_path: Path) -> None:
    texts, labels = make_texts(60)
    again = [f" {text}\u200b " for text in texts]
    path = write_rows(tmp_path / "rows.parquet", [*texts, *again], [*labels, *labels])
    found = load(path, val_ratio=0.3, test_ratio=0.3)
    parts = [set(found.everything.take(rows).inputs()) for rows in (found.train, found.val, found.test)]
    assert [len(part) for part in parts] == [48, 36, 36]
    assert len(set.union(*parts)) == 120
    assert found.report["splits"] | {"seed": 0, "train": 48, "val": 36, "test": 36} == found.report["splits"]
    assert found.report["splits"]["sha256"] == found.split.hash


REMAINDERS = [
    ([1, 1], 2, [9, 9], [1, 1]),
    ([1, 1], 3, [9, 9], [2, 1]),
    ([5, 3, 2], 10, [9, 9, 9], [5, 3, 2]),
    ([47, 16, 15.8, 12, 6.1, 3.1], 10, [99] * 6, [5, 2, 1, 1, 1, 0]),  # a textbook case of Hamilton's method
    ([1, 1, 1], 4, [1, 9, 9], [1, 2, 1]),
    ([10, 1, 1], 6, [2, 9, 9], [2, 2, 2]),
    ([1, 1], 99, [3, 4], [3, 4]),
    ([1, 1], 0, [3, 4], [0, 0]),
    ([0, 0], 3, [2, 2], [2, 1]),
    ([0, 1], 3, [5, 5], [0, 3]),
]


@pytest.mark.parametrize(("weights", "total", "caps", "counts"), REMAINDERS)
def test_largest_remainder_known_answers(weights: list[float], total: int, caps: list[int], counts: list[int]) -> None:
    assert split.largest_remainder(np.array(weights, float), total, np.array(caps)).tolist() == counts


def test_largest_remainder_is_exact_and_fair_on_random_shares() -> None:
    rng = np.random.default_rng(0)
    for _ in range(300):
        caps = rng.integers(0, 50, rng.integers(1, 12))
        total = int(rng.integers(0, 200))
        weights = rng.random(len(caps))
        counts = split.largest_remainder(weights, total, caps)
        assert counts.sum() == min(total, caps.sum())
        assert (counts <= caps).all()
        assert (counts >= np.minimum(np.floor(total * weights / weights.sum()), caps)).all()


@pytest.mark.parametrize(("ratio", "rows", "each"), [(0.1, 116, {1, 2}), (0.2, 231, {3}), (0.3, 347, {4, 5})])
def test_seventy_seven_classes_of_fifteen(ratio: float, rows: int, each: set[int]) -> None:
    """Of 1155 rows a tenth is 115.5, rounded half up; every class gives its share to within a row."""
    labels = codes(*(15,) * 77)
    found = split.stratified(labels, ratio, 0.0, seed=0)
    assert len(found.val) == rows
    assert set(np.bincount(labels[found.val], minlength=77).tolist()) == each


# ---- balance

BALANCES = [
    (False, False, {0: 9, 1: 4, 2: 2}),
    (True, False, {0: 9, 1: 9, 2: 9}),
    (False, True, {0: 2, 1: 2, 2: 2}),
    (True, True, {0: 4, 1: 4, 2: 4}),
]


@pytest.mark.parametrize(("upsample", "downsample", "sizes"), BALANCES)
def test_balancing_brings_the_classes_to_one_size(upsample: bool, downsample: bool, sizes: dict[int, int]) -> None:
    labels = codes(9, 4, 2)
    rows = balance.resample(labels, upsample, downsample, seed=0)
    assert Counter(labels[rows].tolist()) == sizes
    assert (np.diff(rows) >= 0).all()
    for c, size in sizes.items():
        times = np.bincount(rows, minlength=len(labels))[labels == c]
        assert times.sum() == size
        assert times.max() - times.min() <= 1


def test_balancing_is_seeded() -> None:
    labels = codes(90, 40)
    rows = [balance.resample(labels, False, True, seed).tolist() for seed in (1, 1, 2)]
    assert rows[0] == rows[1] != rows[2]


def test_only_the_training_rows_are_balanced(tmp_path: Path) -> None:
    texts, _ = make_texts(60)
    labels = ["large" if i % 4 else "small" for i in range(120)]
    path = write_rows(tmp_path / "rows.parquet", texts, labels)
    plain, balanced = load(path), load(path, upsample=True)
    sizes = Counter(balanced.everything.labels[balanced.train].tolist())
    assert sizes[0] == sizes[1] == 72
    assert balanced.split.hash == plain.split.hash
    assert balanced.val.tolist() == plain.val.tolist()
    assert balanced.test.tolist() == plain.test.tolist()
    assert set(balanced.train.tolist()) == set(plain.train.tolist()) == set(plain.split.train.tolist())
    assert balanced.report["splits"]["train_after_balancing"] == 144
    assert balanced.report["splits"]["train"] == len(plain.train) == 96


def test_class_weights_have_mean_one_over_the_rows() -> None:
    labels = np.array([0] * 6 + [1] * 3 + [3])
    weights = balance.class_weights(labels, 4)
    assert weights.dtype == np.float32
    assert weights[labels].mean() == pytest.approx(1)
    assert weights == pytest.approx([10 / 18, 10 / 9, 0, 10 / 3])


# ---- the cache and the map of the file


def refuse_to_read(*_: object) -> None:
    pytest.fail("the file was read again")


@pytest.mark.parametrize("kind", WRITERS)
def test_a_second_load_does_not_read_the_file_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    path = WRITERS[kind](tmp_path / f"rows.{kind}", GOOD)
    first = load(path)
    monkeypatch.setattr(plugins.load("readers", kind), "read", refuse_to_read)
    again = load(path)
    assert kept(first) == kept(again)
    assert first.everything.fingerprint == again.everything.fingerprint
    assert first.report == again.report
    assert dropped(load(path.rename(tmp_path / f"moved.{kind}"))) == []


def test_a_changed_file_and_other_columns_are_read_again(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "rows.csv", GOOD)
    first = load(path)
    write_csv(path, [("another text", "cat"), *GOOD[1:]])
    changed = load(path)
    assert kept(changed)[0] == (0, "another text", "cat")
    assert changed.everything.source != first.everything.source
    with pytest.raises(InputError, match="conflict 20"):
        load(path, text_column="label", label_column="text")


def test_a_damaged_cache_is_made_anew(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "rows.parquet", GOOD)
    first = kept(load(path))
    (stored,) = (records.cache_dir() / "data").glob("*/rows.arrow")
    stored.write_bytes(stored.read_bytes()[:-40])
    assert kept(load(path)) == first
    (stored.parent / records.MANIFEST).unlink()
    assert kept(load(path)) == first


def test_the_rows_stay_on_disk(tmp_path: Path) -> None:
    """Neither Arrow nor Python allocates what a dataset of 9 MB would take, only what is asked for."""
    pairs = [(f"{i} " + "long words " * 400, i % 2) for i in range(2000)]
    path = write_parquet(tmp_path / "rows.parquet", pairs)
    load(path)
    before = pa.total_allocated_bytes()
    tracemalloc.start()
    found = load(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.everything.table.nbytes > 8_000_000
    assert peak < 1_000_000
    assert pa.total_allocated_bytes() - before < 100_000
    assert found.everything.inputs(3, 5)[0].startswith("3 long words")
    assert pa.total_allocated_bytes() - before < 100_000


def test_a_view_of_a_view(tmp_path: Path) -> None:
    everything = load(write_parquet(tmp_path / "rows.parquet", [("", "cat"), *GOOD])).everything
    part = everything.take(np.array([5, 3, 3, 0])).take(np.array([0, 1, 2]))
    assert part.ids.tolist() == [6, 4, 4]
    assert part.inputs() == ["sound text 5", "sound text 3", "sound text 3"]
    assert part.inputs(1, 2) == ["sound text 3"]
    assert part.labels.tolist() == [1, 1, 1]
    assert len(part) == 3
    assert part.fingerprint != everything.take(np.array([3, 5, 3])).fingerprint
    assert part.fingerprint == everything.take(np.array([5, 3, 3])).fingerprint


# ---- files that can't be used, as data


def broken(path: Path, kind: str) -> Path:
    """Make one kind of unusable file."""
    table = {"text": [t for t, _ in GOOD], "label": [y for _, y in GOOD]}
    good = write_parquet(path.with_suffix(".parquet"), GOOD)
    contents: dict[str, Any] = {
        "empty.parquet": b"",
        "empty.csv": b"",
        "empty.jsonl": b"",
        "header.csv": b"text,label\n",
        "words.parquet": b"these are no rows",
        "truncated.parquet": good.read_bytes()[:-20],
        "latin.csv": "text,label\ncafé,1\nthé,2\n".encode("latin-1"),
        "utf16.csv": "text,label\na,1\nb,2\n".encode("utf-16"),
        "notes.txt": b"some notes",
        "none.parquet": table | {"text": pa.nulls(20)},
        "nolabels.parquet": table | {"label": [None] * 20},
        "nans.parquet": table | {"label": [float("nan")] * 20},
        "blank.parquet": table | {"text": [" "] * 20},
        "ints.parquet": table | {"text": list(range(20))},
        "bytes.parquet": table | {"text": [t.encode() for t in table["text"]]},
        "invalid.parquet": table | {"text": pa.array([b"\xff"] * 20).cast(pa.string(), safe=False)},
        "one.parquet": table | {"label": ["cat"] * 20},
        "few.parquet": {"text": ["a", "b"], "label": [0, 1]},
        "conflicts.parquet": {"text": ["a", "a"], "label": [0, 1]},
        "column.parquet": {"txt": table["text"], "label": table["label"]},
        "column.csv": b"txt,label\na,1\n",
        "column.jsonl": b'{"txt": "a", "label": 1}\n',
        "label.parquet": {"text": table["text"], "labels": table["label"]},
        "twice.parquet": pa.table([pa.array(table["text"])] * 3, ["text", "text", "label"]),
    }
    target = path.with_name(kind)
    if kind == "folder.parquet":
        target.mkdir()
    elif kind != "missing.parquet":
        content = contents[kind]
        if isinstance(content, bytes):
            target.write_bytes(content)
        else:
            pq.write_table(content if isinstance(content, pa.Table) else pa.table(content), target)
    return target


BROKEN = {
    "missing.parquet": "no data file",
    "folder.parquet": "folder.parquet",
    "empty.parquet": "is not a Parquet file",
    "empty.csv": "has no column 'text'",
    "empty.jsonl": "the file is empty",
    "header.csv": "the file is empty",
    "words.parquet": "is not a Parquet file",
    "truncated.parquet": "is not a Parquet file",
    "latin.csv": "is not UTF-8",
    "utf16.csv": "is not UTF-8",
    "notes.txt": "no reader for '.txt' files: use one of .csv",
    "none.parquet": "no usable row among 20 (missing_text 20)",
    "nolabels.parquet": "no usable row among 20 (missing_label 20)",
    "nans.parquet": "no usable row among 20 (missing_label 20)",
    "blank.parquet": "no usable row among 20 (empty_text 20)",
    "ints.parquet": "column 'text' holds int64, not text",
    "bytes.parquet": "column 'text' holds binary, not text",
    "invalid.parquet": "is damaged",
    "one.parquet": "one class only ('cat')",
    "few.parquet": "no class has enough rows",
    "conflicts.parquet": "no usable row among 2 (conflict 2)",
    "column.parquet": "has no column 'text' (data.text_column): did you mean 'txt'?",
    "column.csv": "has no column 'text' (data.text_column): did you mean 'txt'?",
    "column.jsonl": "has no key 'text' (data.text_column): did you mean 'txt'?",
    "label.parquet": "has no column 'label' (data.label_column): did you mean 'labels'?",
    "twice.parquet": "column 'text'",
}
UNFIT_BUT_READ = {"one.parquet", "few.parquet"}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_file_that_can_not_be_used_is_refused_and_leaves_nothing(tmp_path: Path, kind: str) -> None:
    path = broken(tmp_path / "good.parquet", kind)
    with pytest.raises(InputError) as caught:
        load(path)
    message = str(caught.value)
    assert BROKEN[kind] in message
    assert kind in message
    assert len(message.splitlines()) == 1
    left = [] if kind in UNFIT_BUT_READ else list((records.cache_dir() / "data").glob("*"))
    assert left == []
    assert list(records.cache_dir().rglob(".partial*")) == []


def test_an_unknown_reader_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="unknown readers name 'parqet': did you mean 'parquet'"):
        load(write_parquet(tmp_path / "rows.parquet", GOOD), reader="parqet")


def test_a_reader_can_be_named_for_any_suffix(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "rows.txt", GOOD)
    assert [(text, label) for _, text, label in kept(load(path, reader="csv"))] == GOOD


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
