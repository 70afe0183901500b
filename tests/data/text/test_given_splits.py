"""Splits that the data have: files of their own, a column, or names of files; training rows give way to them."""

import logging
from pathlib import Path
from typing import Any

import pytest

from support.text_sets import GOOD, Pairs, account_adds_up, dropped, kept, load, write_csv, write_parquet
from tithe import config, data, storage
from tithe.data.splits import Splits
from tithe.errors import InputError

VALIDATION: Pairs = [(f"checked text {i}", ["cat", "dog"][i % 2]) for i in range(6)]
TEST: Pairs = [(f"judged text {i}", ["cat", "dog"][i % 2]) for i in range(8)]
ALL = {"train": GOOD, "validation": VALIDATION, "test": TEST}


def given(folder: Path, kind: str, parts: dict[str, Pairs] | None = None) -> Splits:
    """Rows with their splits in files, in a column of one file, or in files of a folder."""
    parts = parts or ALL
    if kind == "files":
        paths = {name: str(write_parquet(folder / f"{name}.parquet", pairs)) for name, pairs in parts.items()}
        return load(Path(paths.pop("train")), **paths)
    if kind == "column":
        lines = [f"{text},{label},{name}" for name, pairs in parts.items() for text, label in pairs]
        (folder / "rows.csv").write_text("\n".join(["text,label,part", *lines]))
        return load(folder / "rows.csv", split_column="part")
    for name, pairs in parts.items():
        write_csv(folder / f"{name}.csv", pairs)
    return load(folder)


def texts(splits: Splits) -> dict[str, list[str]]:
    rows = {"train": splits.split.train, "validation": splits.val, "test": splits.test}
    return {name: splits.rows.take(part).inputs() for name, part in rows.items()}


KINDS = ["files", "column", "folder"]


@pytest.mark.parametrize("kind", KINDS)
def test_given_splits_are_used_as_they_are(tmp_path: Path, kind: str) -> None:
    found = given(tmp_path, kind)
    assert texts(found) == {name: [text for text, _ in pairs] for name, pairs in ALL.items()}
    assert found.report["splits"]["given"] == {
        "train": {"rows": 20, "repeated": 0},
        "validation": {"rows": 6, "repeated": 0},
        "test": {"rows": 8, "repeated": 0},
    }
    assert account_adds_up(found) and kept(found)[:20] == [(row, *pair) for row, pair in enumerate(GOOD)]
    other_seed = data.load(config.Data(path=str(tmp_path)), 7) if kind == "folder" else found
    assert other_seed.split.hash == found.split.hash


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("missing", ["validation", "test"])
def test_a_missing_split_is_a_share_of_the_training_rows(tmp_path: Path, kind: str, missing: str) -> None:
    found = given(tmp_path, kind, {name: pairs for name, pairs in ALL.items() if name != missing})
    parts = texts(found)
    other = {"validation": "test", "test": "validation"}[missing]
    assert parts[other] == [text for text, _ in ALL[other]]
    assert len(parts[missing]) == 2 and sorted(parts[missing] + parts["train"]) == sorted(text for text, _ in GOOD)


COPIES: dict[str, Pairs] = {
    "train": [*GOOD, ("both", "cat"), ("in test", "cat"), ("in test", "dog"), ("twice", "cat"), ("twice", "cat")],
    "validation": [*VALIDATION, ("both", "dog"), ("checked  text 0", "cat"), ("judged text 0", "cat")],
    "test": [*TEST, ("both", "cat"), ("in test", "cat"), ("judged text 1", "dog"), ("judged text 1", "cat")],
}


@pytest.mark.parametrize("kind", KINDS)
def test_no_text_is_in_two_splits_and_the_test_keeps_its_rows(tmp_path: Path, kind: str) -> None:
    found = given(tmp_path, kind, COPIES)
    parts = texts(found)
    assert parts["test"] == [text for text, _ in COPIES["test"]]
    assert parts["validation"] == [*(text for text, _ in VALIDATION), "checked text 0"]
    assert parts["train"] == [*(text for text, _ in GOOD), "twice"]
    assert not set(parts["train"]) & {*parts["validation"], *parts["test"]}
    assert dropped(found) == [
        (20, "in_test"),
        (21, "in_test"),
        (22, "in_test"),
        (24, "duplicate"),
        (31, "in_test"),
        (33, "in_test"),
    ]
    assert account_adds_up(found)
    assert found.report["splits"]["given"]["test"] == {"rows": 12, "repeated": 2}
    assert found.report["splits"]["given"]["validation"] == {"rows": 7, "repeated": 1}


def test_a_training_text_of_the_validation_split_is_dropped_whatever_its_label(tmp_path: Path) -> None:
    found = given(tmp_path, "files", {**ALL, "train": [*GOOD, ("checked text 1", "cat"), ("Checked text 1", "dog")]})
    assert dropped(found) == [(20, "in_validation")]
    assert storage.read_lines(found.dropped)[0]["file"] == "train.parquet"
    assert found.report["splits"]["near_copies_in_train"] == {"val": 1, "test": 0}


def test_rows_of_an_unknown_split_are_counted(tmp_path: Path) -> None:
    lines = [*(f"{text},{label},Train" for text, label in GOOD), "x,cat,unsupervised", "y,dog,", "z,cat, TEST "]
    (tmp_path / "rows.csv").write_text("\n".join(["text,label,split", *lines]))
    found = load(tmp_path / "rows.csv", split_column="split")
    assert dropped(found) == [(20, "unknown_split"), (21, "unknown_split")]
    assert texts(found)["test"] == ["z"]


def test_classes_are_those_of_all_splits(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    found = given(tmp_path, "files", {**ALL, "test": [*TEST, ("a bird", "owl")]})
    assert found.labels.names == ("cat", "dog", "owl")
    assert found.report["splits"]["not_in_training"] == ["owl"]
    assert "classes without training rows, which no model can learn: owl" in caplog.messages


def test_only_training_rows_are_selected_from_and_balanced(tmp_path: Path) -> None:
    given(tmp_path, "column", {**ALL, "train": GOOD[:-1]})
    settings = config.Data(path=str(tmp_path / "rows.csv"), split_column="part", upsample=True)
    assert data.load_unsplit(settings).split.train.tolist() == list(range(19))
    assert len(data.load(settings, 0).train) == 20


def test_a_share_that_has_no_effect_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    given(tmp_path, "column")
    caplog.clear()
    load(tmp_path / "rows.csv", split_column="part", val_ratio=0.3)
    assert f"data.val_ratio 0.3 has no effect: {tmp_path / 'rows.csv'} has its own splits" in caplog.messages


@pytest.mark.parametrize("write", [write_csv, write_parquet])
def test_a_column_called_split_that_nothing_reads_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, write: Any
) -> None:
    path = write(tmp_path / f"rows.{write.__name__.removeprefix('write_')}", GOOD, "text", "split")
    with caplog.at_level(logging.INFO, "tithe"):
        load(path, label_column="split")
        assert not [line for line in caplog.messages if "split_column" in line]
        write(path, [(text, label) for text, label in GOOD], "split", "label")
        load(path, text_column="split")
    assert not [line for line in caplog.messages if "split_column" in line]
    (tmp_path / "rows.csv").write_text("text,label,split\n" + "".join(f"{t},{y},train\n" for t, y in GOOD))
    with caplog.at_level(logging.INFO, "tithe"):
        load(tmp_path / "rows.csv")
    assert [line for line in caplog.messages if "has a column 'split': set data.split_column=split" in line]


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no such column": ({"split_column": "pat"}, "has no column 'pat' (data.split_column): did you mean 'part'?"),
    "no training rows": ({"split_column": "label"}, "no usable row among 34 (unknown_split 34)"),
    "no such file": ({"test": "nowhere.csv"}, "no data file nowhere.csv"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_splits_are_refused_in_one_line(tmp_path: Path, name: str) -> None:
    settings, says = WRONG[name]
    given(tmp_path, "column")
    with pytest.raises(InputError) as caught:
        load(tmp_path / "rows.csv", **settings)
    assert says in str(caught.value) and "\n" not in str(caught.value)


def test_training_rows_of_one_class_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"the training rows have one class only \('cat'\): a classifier"):
        given(tmp_path, "files", {**ALL, "train": GOOD[::2]})


@pytest.mark.parametrize("kind", KINDS)
def test_whether_the_data_give_the_test_split(tmp_path: Path, kind: str) -> None:
    given(tmp_path, kind)
    paths = {name: str(tmp_path / f"{name}.parquet") for name in ("validation", "test")}
    settings, others = {
        "files": ({"path": str(tmp_path / "train.parquet"), **paths}, {"test": None}),
        "column": ({"path": str(tmp_path / "rows.csv"), "split_column": "part"}, {"split_column": None}),
        "folder": ({"path": str(tmp_path)}, {"path": str(tmp_path / "t[!e]*.csv")}),
    }[kind]
    assert data.gives_test(config.Data(**settings))
    assert not data.gives_test(config.Data(**(settings | others)))


def test_test_rows_alone_are_not_enough(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no training rows among the given splits: name theirs train"):
        given(tmp_path, "column", {"validation": VALIDATION, "test": TEST})


TWICE = {
    "data: {path: a.csv, test: a.csv}": "data.test 'a.csv' is used for another split too",
    "data: {path: a.csv, validation: b.csv, test: b.csv}": "data.test 'b.csv' is used for another split too",
    "data: {path: a.csv, test: b.csv, split_column: split}": "data.split_column and data.test both give splits",
}


@pytest.mark.parametrize("text", TWICE)
def test_splits_that_are_given_twice_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.yaml").write_text(text)
    with pytest.raises(InputError, match=TWICE[text]):
        config.load(tmp_path / "run.yaml")
