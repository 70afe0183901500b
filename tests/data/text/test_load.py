"""From a file of texts to splits: small classes, no text in two of them, training rows balanced alone."""

import logging
from collections import Counter
from pathlib import Path

import pytest

from support.text_sets import GOOD, load, write_csv, write_parquet
from support.texts import make_texts, write_rows
from tithe import config, data
from tithe.errors import InputError


def test_small_classes_are_named_in_the_report(tmp_path: Path) -> None:
    small = [("lonely", "ant"), ("a pair", "bee"), ("a pear", "bee")]
    found = load(write_parquet(tmp_path / "rows.parquet", GOOD + small))
    assert found.report["splits"]["too_small_to_split"] == ["ant", "bee"]


def test_a_copy_of_a_file_is_reported_by_its_own_name(tmp_path: Path) -> None:
    """The cache knows both by their content, which was read once."""
    first = write_parquet(tmp_path / "first.parquet", GOOD)
    assert load(first).report["file"] == "first.parquet"
    second = first.rename(tmp_path / "second.parquet")
    assert load(second).report["file"] == "second.parquet"
    assert data.load_unsplit(config.Data(path=str(second))).report["file"] == "second.parquet"


def test_no_text_stands_in_two_splits(tmp_path: Path) -> None:
    texts, labels = make_texts(60)
    again = [f" {text}\u200b " for text in texts]
    path = write_rows(tmp_path / "rows.parquet", [*texts, *again], [*labels, *labels])
    found = load(path, val_ratio=0.3, test_ratio=0.3)
    parts = [set(found.rows.take(rows).inputs()) for rows in (found.train, found.val, found.test)]
    assert [len(part) for part in parts] == [48, 36, 36]
    assert len(set.union(*parts)) == 120
    assert found.report["splits"] | {"seed": 0, "train": 48, "val": 36, "test": 36} == found.report["splits"]
    assert found.report["splits"]["sha256"] == found.split.hash


def test_only_the_training_rows_are_balanced(tmp_path: Path) -> None:
    texts, _ = make_texts(60)
    labels = ["large" if i % 4 else "small" for i in range(120)]
    path = write_rows(tmp_path / "rows.parquet", texts, labels)
    plain, balanced = load(path), load(path, upsample=True)
    sizes = Counter(balanced.rows.labels[balanced.train].tolist())
    assert sizes[0] == sizes[1] == 72
    assert balanced.split.hash == plain.split.hash
    assert balanced.val.tolist() == plain.val.tolist()
    assert balanced.test.tolist() == plain.test.tolist()
    assert set(balanced.train.tolist()) == set(plain.train.tolist()) == set(plain.split.train.tolist())
    assert balanced.report["splits"]["train_after_balancing"] == 144
    assert balanced.report["splits"]["train"] == len(plain.train) == 96


# ---- scores for labels: (rows, values that take turns, whether they are taken for scores)

SCORES = {
    "60 rows, each with its own": (60, [f"{i / 60:.4f}" for i in range(60)], True),
    "two digits, as text": (200, [f"{i / 20:.2f}" for i in range(20)], False),
    "two digits, few rows": (100, [f"{i / 20:.2f}" for i in range(20)], True),
    "small numbers": (40, [f"{i + 1}e-05" for i in range(20)], True),
    "ratings of 0.5 to 5.0": (40, [str(i / 2) for i in range(1, 11)], False),
    "quarters, with many rows": (210, [str(i / 4) for i in range(21)], False),
    "quarters, with few rows": (209, [str(i / 4) for i in range(21)], True),
    "whole numbers": (40, [str(i) for i in range(20)], False),
    "names among them": (40, [*(str(i / 4) for i in range(19)), "n/a"], False),
    "versions": (40, [f"1.{i}.0" for i in range(20)], False),
}


@pytest.mark.parametrize("name", SCORES)
def test_scores_are_no_classes(tmp_path: Path, name: str) -> None:
    rows, values, refused = SCORES[name]
    path = write_csv(tmp_path / "rows.csv", [(f"sound text {i}", values[i % len(values)]) for i in range(rows)])
    settings = config.Data(path=str(path))
    assert len(data.ingest(settings)[1]) == len(values)  # rows to evaluate may be few
    if not refused:
        assert len(data.load_unsplit(settings).labels) == len(values)
        return
    for loaded in (data.load_unsplit, lambda settings: data.load(settings, 0)):
        with pytest.raises(
            InputError, match=rf"rows\.csv: the labels of {rows} rows are \d\d different frac"
        ) as caught:
            loaded(settings)
        assert "these look like scores, not classes: divide them" in str(caught.value)


def test_many_fractional_numbers_are_doubted_however_many_their_rows(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for classes in (50, 51):
        pairs = [(f"sound text {i}", i % classes + 0.5) for i in range(10 * classes)]
        load(write_parquet(tmp_path / "rows.parquet", pairs))
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING] == [
        "the classes are 51 different fractional numbers (0.5, 1.5, 2.5, …): "
        "if they are scores, divide them into a few classes"
    ]


def test_classes_that_look_alike_are_reported_with_their_rows(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pairs = [(text, "CAT" if i == 4 else label) for i, (text, label) in enumerate(GOOD)]
    path = write_parquet(tmp_path / "rows.parquet", pairs)
    for loaded in (load(path), load(path), data.load_unsplit(config.Data(path=str(path)))):
        assert loaded.labels.names == ("CAT", "cat", "dog")
        assert loaded.report["alike_classes"] == [{"CAT": 1, "cat": 9}]
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING] == [
        "classes that look alike: 'CAT' (1 row), 'cat' (9 rows): if they are the same, give them one spelling"
    ] * 3
    assert load(write_parquet(path, GOOD)).report["alike_classes"] == []
