"""What a loaded model offers besides predictions: probabilities and vectors as arrays, tables in notebooks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

import tithe
from support.detector_run import finished
from support.pages import HOSTILE
from support.texts import make_texts, write_rows
from tithe.errors import InputError
from tithe.predict import Prediction, TrainedModel
from tithe.predict.prediction import PredictionList

TEXTS = ["the goal of the team", "a rocket to the moon", "goal"]


@pytest.fixture(scope="module")
def model(tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainedModel:
    folder = tmp_path_factory.mktemp("model")
    raw = {
        "out": str(folder / "run"),
        "data": {"path": str(write_rows(folder / "rows.parquet", *make_texts(20)))},
        "model": {"encoder": str(tiny_bert), "max_length": 8},
        "train": {"epochs": 1, "batch_size": 8, "learning_rate": 1e-3, "precision": "no", "device": "cpu"},
        "track": {"tensorboard": False},
    }
    return tithe.load(tithe.train(raw).home, "cpu")


def test_probabilities_are_those_of_the_predictions(model: TrainedModel) -> None:
    probs_NC = model.predict_proba(pa.table({"text": TEXTS}))
    assert probs_NC.tolist() == [list(p.probabilities.values()) for p in model.predict(TEXTS)]
    assert probs_NC.shape == (3, 2) and model.predict_proba([]).shape == (0, 2)


def test_embeddings_are_what_the_head_classifies(model: TrainedModel) -> None:
    states_ND = model.embed(iter(TEXTS))
    assert states_ND.dtype == np.float32 and states_ND.shape == (3, 32) and model.embed([]).shape == (0, 32)
    with torch.no_grad():
        logits_NC = model.model.head(torch.from_numpy(states_ND)).numpy()
    np.testing.assert_allclose(model.calibrated(logits_NC), model.predict_proba(TEXTS), atol=1e-5)


def test_explanations_are_those_of_the_predictions(model: TrainedModel) -> None:
    long = "the goal of the team was in the cup and the coach is on the moon"
    [short, cut, nothing] = model.explain(["goal", long, ""])
    assert [e.prediction.label for e in (short, cut, nothing)] == [p.label for p in model.predict(["goal", long, ""])]
    assert [long[word.start : word.end] for word in cut.words] == long.split()[:6] and nothing.words == ()


def test_a_notebook_shows_predictions_as_a_table() -> None:
    one = Prediction(HOSTILE, 0.75, {HOSTILE: 0.75, "b": 0.25}, False, True)
    shown = PredictionList([one] * 25)._repr_html_()
    assert HOSTILE not in shown and shown.count("0.7500") == 20 and shown.count("truncated") == 20
    assert "25 predictions" in shown and "5 more" in shown and "more" not in PredictionList([one])._repr_html_()


def test_images_have_no_words(tmp_path_factory: pytest.TempPathFactory) -> None:
    detector = tithe.load(finished(tmp_path_factory)[1])
    for method in (detector.explain, detector.embed):
        with pytest.raises(
            InputError, match=r"is for texts, and .* classifies images: 'tithe evaluate' draws heat maps"
        ):
            method(["a.png"])
