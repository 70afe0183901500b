"""A column of weights: read from every format, for training rows alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from support.text_sets import GOOD, load, write_csv
from tithe import config, tasks
from tithe.data.splits import Splits
from tithe.errors import InputError

WEIGHTS = [0.25 * (row % 5) for row in range(len(GOOD))]


def written(folder: Path, kind: str, weights: list[Any]) -> Path:
    """A file of 20 good rows, with a column w; the first row is there twice, the second time with another weight."""
    path, rows = folder / f"rows.{kind}", [*GOOD, GOOD[0]]
    weights = [*weights, 99.0]
    if kind == "csv":
        lines = [f"{text},{label},{weight}" for (text, label), weight in zip(rows, weights, strict=True)]
        path.write_text("\n".join(["text,label,w", *lines]))
    elif kind == "jsonl":
        lines = [json.dumps({"text": t, "label": y, "w": w}) for (t, y), w in zip(rows, weights, strict=True)]
        path.write_text("\n".join(lines))
    else:
        columns = {"text": [text for text, _ in rows], "label": [label for _, label in rows]}
        pq.write_table(pa.table({**columns, "w": pa.array(weights, pa.float32())}), path)
    return path


def by_id(splits: Splits) -> dict[int, float]:
    taken = splits.rows.take(splits.split.train)
    assert taken.weights is not None
    return dict(zip(taken.ids.tolist(), taken.weights.tolist(), strict=True))


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_weights_stay_with_their_rows(tmp_path: Path, kind: str) -> None:
    splits = load(written(tmp_path, kind, WEIGHTS), weight_column="w", upsample=True)
    own = by_id(splits)
    assert own == {row: WEIGHTS[row] for row in own} and splits.report["dropped"] == {"duplicate": 1}
    ratios = np.array([WEIGHTS[row] for row in splits.rows.take(splits.train).ids])
    assert splits.weights is not None
    np.testing.assert_allclose(splits.weights, ratios / ratios.mean(), rtol=1e-6)
    values = list(own.values())
    assert splits.report["weights"] == {
        **{"column": "w", "rows": len(own), "zero": values.count(0.0), "smallest": min(values), "largest": max(values)},
        "mean": pytest.approx(np.mean(values)),
    }


def test_weights_multiply_with_those_of_a_selection(tmp_path: Path) -> None:
    own = [1 + weight for weight in WEIGHTS]
    splits = load(written(tmp_path, "csv", own), weight_column="w")
    two_and_one = [np.flatnonzero(splits.pool_labels == label)[-count:] for label, count in ((0, 2), (1, 1))]
    rows, factors = np.concatenate(two_and_one), np.array([2.0, 1.0, 0.5])
    chosen = splits.with_train_rows(rows, config.Data(path="rows.csv", upsample=True), 0, factors)
    ids = splits.rows.take(splits.split.train[rows]).ids.tolist()
    wanted = np.array([own[id_] * factors[ids.index(id_)] for id_ in chosen.rows.take(chosen.train).ids])
    assert chosen.weights is not None and len(chosen.train) == 4, "a row of the smaller class is repeated"
    np.testing.assert_allclose(chosen.weights, wanted / wanted.mean(), rtol=1e-6)


def test_without_a_column_there_are_no_weights(tmp_path: Path) -> None:
    plain = load(written(tmp_path, "csv", WEIGHTS))
    weighted = load(written(tmp_path, "csv", WEIGHTS), weight_column="w")
    assert plain.weights is None and plain.weights_sha256 is None and "weights" not in plain.report
    assert (plain.train == weighted.train).all() and plain.fingerprint != weighted.fingerprint
    assert load(written(tmp_path, "csv", [3.0] * 20), weight_column="w").weights is None


@pytest.mark.parametrize("kind", ["files", "column"])
def test_validation_and_test_rows_need_no_weights(tmp_path: Path, kind: str) -> None:
    weights = [1.0 + row for row in range(20)]
    others = {part: [(f"{part} text {i}", ["cat", "dog"][i % 2]) for i in range(4)] for part in ("val", "test")}
    if kind == "column":
        lines = [f"{text},{label},{weight},train" for (text, label), weight in zip(GOOD, weights, strict=True)]
        lines += [f"{text},{label},,{part}" for part, pairs in others.items() for text, label in pairs]
        (tmp_path / "rows.csv").write_text("\n".join(["text,label,w,part", *lines]))
        splits = load(tmp_path / "rows.csv", split_column="part", weight_column="w")
    else:
        paths = {part: str(write_csv(tmp_path / f"{part}.csv", pairs)) for part, pairs in others.items()}
        train = written(tmp_path, "csv", weights).rename(tmp_path / "train.csv")
        splits = load(train, validation=paths["val"], test=paths["test"], weight_column="w")
    assert by_id(splits) == dict(enumerate(weights)) and len(splits.val) == len(splits.test) == 4


WRONG: list[tuple[int, Any, str]] = [
    (7, -0.5, "row 7: weight '-0.5': each training row needs a finite number of at least 0 (data.weight_column)"),
    (3, "heavy", "row 3: weight 'heavy': each training row needs"),
    (0, "nan", "row 0: weight 'nan': each training row needs"),
    (19, "", "row 19: no weight: each training row needs"),
]


@pytest.mark.parametrize(("row", "value", "says"), WRONG)
def test_the_first_wrong_weight_is_named(tmp_path: Path, row: int, value: Any, says: str) -> None:
    path = written(tmp_path, "csv", [*WEIGHTS[:row], value, *WEIGHTS[row + 1 :]])
    with pytest.raises(InputError) as caught:
        load(path, weight_column="w")
    assert says in str(caught.value) and str(path) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_a_missing_column_is_named(tmp_path: Path, kind: str) -> None:
    with pytest.raises(InputError, match="weight_column") as caught:
        load(written(tmp_path, kind, WEIGHTS), weight_column="ww")
    assert "label_column" not in str(caught.value)


def test_weights_that_are_all_zero_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="training rows are 0"):
        load(written(tmp_path, "csv", [0.0] * 20), weight_column="w")


def test_images_have_no_column_of_weights(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("path,label\na.png,real\n")
    run = config.parse({"task": "image", "data": {"path": str(tmp_path / "list.csv"), "weight_column": "w"}})
    with pytest.raises(InputError, match="weight_column is for texts"):
        tasks.open_checked(run)
