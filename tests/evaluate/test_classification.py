"""Evaluation's numbers and pictures from known probabilities."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from tithe import metrics
from tithe.data import LabelMap
from tithe.evaluate import classification
from tithe.report import classification_figures

HOSTILE = "<script>alert(1)</script>"
SIX = np.array([0, 0, 0, 1, 1, 1])
SIX_PROBS = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.4, 0.6], [0.2, 0.8], [0.6, 0.4]])


@dataclass(frozen=True)
class Rows:
    """Labelled rows of a data file of which every other row was used."""

    labels: np.ndarray

    @property
    def ids(self) -> np.ndarray:
        return np.arange(0, 2 * len(self.labels), 2)


def drawn(classes: int, rows: int = 200, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Labels and probabilities that are right more often than not."""
    rng = np.random.default_rng(seed)
    y_N = rng.integers(0, classes, rows)
    logits_NC = rng.normal(size=(rows, classes))
    logits_NC[np.arange(rows), y_N] += 2
    return y_N, np.exp(logits_NC) / np.exp(logits_NC).sum(axis=1, keepdims=True)


def labels(classes: int) -> LabelMap:
    return LabelMap(tuple(f"class {i:02}" for i in range(classes)))


def read_table(folder: Path) -> list[dict[str, str]]:
    with (folder / "per_class.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


# ---- numbers


def test_written_numbers_are_the_known_ones(tmp_path: Path) -> None:
    result = classification.write(tmp_path, Rows(SIX), SIX_PROBS, LabelMap(("no", "yes")), seed=0)
    assert json.loads((tmp_path / "metrics.json").read_text()) == result
    assert result["rows"] == 6
    assert result["confusion_matrix"] == [[2, 1], [1, 2]]
    rows = pq.read_table(tmp_path / "predictions.parquet").to_pylist()
    assert [row["row"] for row in rows] == [0, 2, 4, 6, 8, 10]
    assert rows[2] == {
        **{"row": 4, "label": "no", "predicted": "yes"},
        **{"probability": pytest.approx(0.7), "probability_of_label": pytest.approx(0.3)},
        **{"p_no": pytest.approx(0.3), "p_yes": pytest.approx(0.7)},
    }
    for name in ("accuracy", "f1", "f1_weighted", "precision", "recall"):
        assert result[name] == pytest.approx(2 / 3)
    assert result["auc_roc"] == pytest.approx(7 / 9)  # of nine pairs two are in the wrong order
    assert result["loss"] == pytest.approx(-np.log([0.9, 0.8, 0.3, 0.6, 0.8, 0.4]).mean())
    assert result["interval_95"]["accuracy"][0] < 2 / 3 < result["interval_95"]["accuracy"][1]


@pytest.mark.parametrize("classes", [2, 12])
def test_written_numbers_equal_the_metrics(tmp_path: Path, classes: int) -> None:
    y_N, probs_NC = drawn(classes)
    result = classification.write(tmp_path, Rows(y_N), probs_NC, labels(classes), seed=3)
    expected = {
        **metrics.summary(y_N, probs_NC),
        **metrics.one_vs_rest(y_N, probs_NC).means(),
        "calibration_error": metrics.calibration_error(y_N, probs_NC),
        "interval_95": metrics.bootstrap(y_N, probs_NC, 3),
    }
    assert {name: result[name] for name in expected} == expected
    assert classification.write(tmp_path, Rows(y_N), probs_NC, labels(classes), seed=3) == result


def test_predictions_are_the_same_in_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    y_N, probs_NC = drawn(3)
    file, calibrated = tmp_path / "predictions.parquet", classification.Calibrated(2.0, probs_NC[:, ::-1])
    classification.write(tmp_path, Rows(y_N), probs_NC, labels(3), 0, calibrated)
    whole, group = pq.read_table(file), len(y_N) // 3 + 1
    monkeypatch.setattr(classification, "_GROUP", group)
    classification.write(tmp_path, Rows(y_N), probs_NC, labels(3), 0, calibrated)
    assert pq.ParquetFile(file).num_row_groups == 3 and pq.read_table(file).equals(whole)
    assert whole["label"].to_pylist() == [labels(3).names[y] for y in y_N]


def test_the_table_has_a_line_for_every_class(tmp_path: Path) -> None:
    classification.write(tmp_path, Rows(SIX), SIX_PROBS, LabelMap(("а, б", 'say "yes"')), seed=0)
    table = read_table(tmp_path)
    assert [row["class"] for row in table] == ["а, б", 'say "yes"']
    assert [int(row["rows"]) for row in table] == [3, 3]
    assert [float(row["recall"]) for row in table] == pytest.approx([2 / 3, 2 / 3])


@pytest.mark.parametrize("only", [[0, 1, 2], [0, 0, 0], [1]])
def test_classes_without_rows_are_no_obstacle(tmp_path: Path, only: list[int]) -> None:
    y_N, probs_NC = np.array(only), drawn(4, rows=len(only))[1]
    result = classification.write(tmp_path, Rows(y_N), probs_NC, labels(4), seed=0)
    assert [row["rows"] for row in result["per_class"]] == [only.count(c) for c in range(4)]
    assert (result["auc_roc"] is None) == (len(set(only)) == 1)
    assert json.loads((tmp_path / "metrics.json").read_text())["auc_roc"] == result["auc_roc"]


# ---- pictures


@pytest.mark.usefixtures("drawn")
@pytest.mark.parametrize("classes", [2, 12, 53, 400])
def test_pictures_are_images_of_a_sensible_size(tmp_path: Path, classes: int) -> None:
    y_N, probs_NC = drawn(classes)
    classification.write(tmp_path, Rows(y_N), probs_NC, labels(classes), seed=0)
    assert {p.stem for p in tmp_path.glob("*.png")} == set(classification_figures.PICTURES)
    for name in classification_figures.PICTURES:
        with Image.open(tmp_path / f"{name}.png") as image:
            image.load()
            assert image.format == "PNG"
            assert all(400 <= side <= 3000 for side in image.size)
            assert len(image.convert("RGB").getcolors(1 << 20) or ()) > 10, "nothing is drawn"
    assert len(read_table(tmp_path)) == classes


@pytest.mark.usefixtures("drawn")
def test_normalising_changes_the_picture_of_unequal_classes(tmp_path: Path) -> None:
    y_N, probs_NC = drawn(3)
    classification.write(tmp_path, Rows(y_N[y_N != 1]), probs_NC[y_N != 1], labels(3), seed=0)
    plain, normalised = (tmp_path / f"confusion_matrix{end}.png" for end in ("", "_normalized"))
    assert plain.read_bytes() != normalised.read_bytes()


@pytest.mark.usefixtures("drawn")
@pytest.mark.parametrize("name", [HOSTILE, "кухня", "$\\frac$", "_hidden", "x" * 300, "猫"])
def test_any_text_can_name_a_class(tmp_path: Path, name: str) -> None:
    y_N, probs_NC = drawn(3)
    result = classification.write(tmp_path, Rows(y_N), probs_NC, LabelMap(("a", "b", name)), seed=0)
    assert result["per_class"][2]["class"] == read_table(tmp_path)[2]["class"] == name
    for picture in classification_figures.PICTURES:
        with Image.open(tmp_path / f"{picture}.png") as image:
            assert all(400 <= side <= 3000 for side in image.size)
