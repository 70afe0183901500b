"""From a file of texts to splits: small classes, no text in two of them, training rows balanced alone."""

from collections import Counter
from pathlib import Path

from support.text_sets import GOOD, load, write_parquet
from support.texts import make_texts, write_rows


def test_small_classes_are_named_in_the_report(tmp_path: Path) -> None:
    small = [("lonely", "ant"), ("a pair", "bee"), ("a pear", "bee")]
    found = load(write_parquet(tmp_path / "rows.parquet", GOOD + small))
    assert found.report["splits"]["too_small_to_split"] == ["ant", "bee"]


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
