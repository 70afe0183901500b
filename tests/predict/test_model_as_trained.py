"""A run, `tithe evaluate` and `tithe.load` give the same rows the same predictions, bit for bit."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from support.features import HIT, predicted, stored
from support.photographs import train, twins, without_pictures
from support.texts import make_texts, write_rows
from tithe import config, pipeline, storage
from tithe.evaluate.checkpoint import Evaluation, evaluate_checkpoint
from tithe.predict import Answering, TextInput, load, predict_stream
from tithe.predict.images import score_images
from tithe.storage import cache
from tithe.train import devices

Settings = Callable[..., dict[str, Any]]

PARTS = ("validation", "test")
TEXTS, LABELS = make_texts(100, classes=3)
# 90 rows each for validation and test: two batches, and texts of many lengths in each.
DATA = {"val_ratio": 0.3, "test_ratio": 0.3}
ON_FEATURES: dict[str, dict[str, Any]] = {
    "linear head": {"model": {"freeze": "all"}},
    "two layers": {"model": {"freeze": "all", "head": "mlp", "hidden_dim": 24}, "train": {"ema_decay": 0.5}},
    "single files": {"model": {"freeze": "all"}, "checkpoint": {"single_files": True}},
}
ON_TEXTS: dict[str, dict[str, Any]] = {
    "all trained": {},
    "averaged weights": {"train": {"ema_decay": 0.5}},
    "frozen, no cache": {"model": {"freeze": "all"}, "train": {"cache_features": False}},
    "first layer frozen": {"model": {"freeze": 1}},
}
each_precision = pytest.mark.parametrize("precision", ["no", "bf16"])


@pytest.fixture
def trained(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Train on 300 texts; return the run directory."""
    monkeypatch.setattr(devices, "bf16_is_native", lambda device: True)  # where it is not, it is emulated

    def run(precision: str, sections: dict[str, Any]) -> Path:
        path = write_rows(tmp_path / "texts.parquet", TEXTS, LABELS)
        own = {"epochs": 1, "learning_rate": 1e-2, "precision": precision, **sections.get("train", {})}
        raw = settings(**{**sections, "data": {"path": str(path), **DATA}, "train": own})
        outcome = pipeline.train(config.parse(raw))
        assert outcome.scores["training"]["precision"] == precision
        return outcome.home

    return run


def evaluated(home: Path, out: Path, **asked: Any) -> Path:
    evaluate_checkpoint(load(home, "cpu"), Evaluation(checkpoint_path=str(home), **asked), out)
    return out


def assert_same(found: Path, home: Path) -> None:
    """Every row of both parts has the same prediction and probability, and so do all metrics."""
    for part in PARTS:
        assert len(predicted(home, part)) == 90 and predicted(found, part).equals(predicted(home, part))
        metrics = [storage.read_json(folder / part / "metrics.json") for folder in (found, home)]
        assert metrics[0] == metrics[1]


def probabilities(home: Path, texts: list[str]) -> list[float]:
    return [prediction.probability for prediction in load(home, "cpu").predict(texts)]


@each_precision
@pytest.mark.parametrize("kind", ON_TEXTS)
def test_the_same_texts_have_the_same_predictions(
    kind: str, precision: str, trained: Callable[..., Path], tmp_path: Path
) -> None:
    home = trained(precision, ON_TEXTS[kind])
    assert_same(evaluated(home, tmp_path / "found"), home)
    for part in PARTS:
        own = predicted(home, part)
        rows = own["row"].to_pylist()
        texts, labels = [TEXTS[row] for row in rows], [LABELS[row] for row in rows]
        assert probabilities(home, texts) == own["probability"].to_pylist()
        path = write_rows(tmp_path / f"{part}.parquet", texts, labels)
        other = predicted(evaluated(home, tmp_path / "other", dataset_path=str(path)), "data")
        assert other.drop_columns("row").equals(own.drop_columns("row"))
        stream = predict_stream(load(home, "cpu"), None, TextInput(path), Answering()).rows
        assert [row["probability"] for row in stream] == own["probability"].to_pylist()


@each_precision
@pytest.mark.parametrize("kind", ON_FEATURES)
def test_a_head_on_features_is_evaluated_on_the_features_that_it_was_trained_on_and_on_any_file(
    kind: str,
    precision: str,
    trained: Callable[..., Path],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    home = trained(precision, ON_FEATURES[kind])
    caplog.set_level(logging.INFO, "tithe")
    assert_same(evaluated(home, tmp_path / "found"), home)
    assert HIT in caplog.text
    cache.clear()
    assert_same(evaluated(home, tmp_path / "again"), home)
    texts, labels = make_texts(30, classes=3, seed=1)
    path = write_rows(tmp_path / "other.parquet", texts, labels)
    # With labels and without.
    found = predicted(evaluated(home, tmp_path / "other", dataset_path=str(path)), "data")["probability"].to_pylist()
    assert probabilities(home, texts) == found
    stream = predict_stream(load(home, "cpu"), None, TextInput(path), Answering()).rows
    assert [row["probability"] for row in stream] == found


@each_precision
def test_the_texts_of_a_run_have_its_features(precision: str, trained: Callable[..., Path]) -> None:
    model = load(trained(precision, ON_FEATURES["linear head"]), "cpu")
    features = model.inputs(model.task.encode(model.task.load().rows))
    found = model.outputs(model.task.examples(TEXTS))
    assert np.array_equal(found, model.outputs(features))


def test_a_run_without_room_for_features_is_evaluated_without_them(
    trained: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("TITHE_CACHE_GB", "1e-6")
        home = trained("bf16", ON_FEATURES["linear head"])
    assert_same(evaluated(home, tmp_path / "found"), home)
    assert stored() == []


def test_features_without_room_in_the_cache_are_computed_in_memory(
    trained: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = trained("bf16", ON_FEATURES["linear head"])
    cache.clear()
    monkeypatch.setenv("TITHE_CACHE_GB", "1e-6")
    assert_same(evaluated(home, tmp_path / "found"), home)
    assert stored() == []


@pytest.mark.parametrize(("crops", "precision"), [(1, "no"), (4, "bf16")])
def test_the_same_images_have_the_same_predictions(
    crops: int, precision: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "bf16_is_native", lambda device: True)
    without_pictures(monkeypatch)
    root, flags = twins(tmp_path / "set"), {"epochs": 1, "crops": crops, "test_ratio": 0.25, "val_ratio": 0.4}
    home = train(root, tmp_path / "run", f"train.precision={precision}", **flags).home
    found = evaluated(home, tmp_path / "found")
    model = load(home, "cpu")
    splits = model.task.load()
    for part, rows in zip(PARTS, (splits.val, splits.test), strict=True):
        own = predicted(home, part)
        assert len(own) >= 8 and predicted(found, part).equals(own)
        paths = [root / path for path in splits.rows.take(rows).inputs()]
        assert probabilities(home, [str(path) for path in paths]) == own["probability"].to_pylist()
        scores = [score.score for score in score_images(model, paths, model.rows_at_once)]
        assert [max(score, 1 - score) for score in scores if score is not None] == own["probability"].to_pylist()
