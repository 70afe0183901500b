"""`TitheClassifier` is a scikit-learn estimator whose `fit` is a run of tithe."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, TunedThresholdClassifierCV, cross_val_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

import tithe
from support.texts import make_texts
from tithe.errors import InputError

TEXTS, NAMES = make_texts(30)
CPU = {"train": {"device": "cpu", "precision": "no"}}
Build = Callable[..., tithe.TitheClassifier]

READ = """
import pickle, sys
classifier = pickle.load(open(sys.argv[1], "rb"))
sys.stdout.buffer.write(classifier.predict_proba(["goal team", "rocket orbit moon"]).tobytes())
"""


@pytest.fixture(scope="module")
def build(tiny_bert: Path) -> Build:
    def build(**settings: Any) -> tithe.TitheClassifier:
        fast: dict[str, Any] = {"epochs": 12, "batch_size": 8, "max_length": 16, "learning_rate": 0.05, "config": CPU}
        return tithe.TitheClassifier(str(tiny_bert), **{**fast, **settings})

    return build


@pytest.fixture(scope="module")
def fitted(build: Build) -> tithe.TitheClassifier:
    return build().fit(TEXTS, NAMES)


def test_it_learns_and_keeps_no_directory(fitted: tithe.TitheClassifier) -> None:
    assert fitted.classes_.tolist() == ["space", "sport"] and fitted.score(TEXTS, NAMES) > 0.8
    probs_NC = fitted.predict_proba(TEXTS)
    np.testing.assert_allclose(probs_NC.sum(axis=1), 1)
    assert fitted.predict(pd.Series(TEXTS)).tolist() == fitted.classes_[probs_NC.argmax(axis=1)].tolist()
    assert fitted.predict_proba([]).shape == (0, 2)
    [explained] = fitted.model_.explain(["goal"])
    assert explained.prediction.label == "sport" and explained.words[0].weight > 0
    assert not fitted.model_.folder.exists()


@pytest.mark.parametrize(
    ("names", "kind"),
    [([3, -1], list), ([True, False], np.array), ([0.0, 1.0], np.array), (["1", "spam"], pd.Series)],
    ids=["integers", "booleans", "floats", "strings, one a number"],
)
def test_labels_of_any_kind_come_back(names: list[Any], kind: Callable[[Any], Any], build: Build) -> None:
    labels = kind([names[name == "sport"] for name in NAMES])
    classifier = build().fit(np.array(TEXTS, dtype=object), labels)
    predicted = classifier.predict(TEXTS)
    assert classifier.classes_.tolist() == sorted(names) and predicted.dtype == classifier.classes_.dtype
    assert np.mean(predicted == np.asarray(labels)) > 0.8


def test_a_class_without_a_usable_text_is_never_predicted(build: Build) -> None:
    classifier = build(epochs=1).fit([*TEXTS, "", " "], [*NAMES, "a", "a"])
    assert classifier.classes_.tolist() == ["a", "space", "sport"]
    probs_NC = classifier.predict_proba(TEXTS[:2])
    assert (probs_NC[:, 0] == 0).all() and probs_NC.sum(axis=1) == pytest.approx(1)


def test_weights_decide_whose_rows_count(build: Build) -> None:
    """Each text is of both classes, once in capitals: the ones without weight are not learnt."""
    texts, labels = [*TEXTS, *map(str.upper, TEXTS)], [*NAMES, *({"sport": "space"}.get(n, "sport") for n in NAMES)]
    weights = np.repeat([1.0, 0.0], len(TEXTS))
    scores = [build().fit(texts, labels, sample_weight=each).score(TEXTS, NAMES) for each in (weights, weights[::-1])]
    assert scores[0] > 0.8 and scores[1] < 0.4, scores


def test_a_tenth_is_selected_and_the_run_is_kept(build: Build, tmp_path: Path) -> None:
    select = {"strategy": "k_center", "budget": 0.25}
    classifier = build(select=select, run_dir=str(tmp_path / "run"), random_state=7).fit(TEXTS, NAMES)
    chosen = json.loads((tmp_path / "run/selection.json").read_text())
    settings = json.loads((tmp_path / "run/config.json").read_text())
    assert (chosen["strategy"], chosen["rows"]) == ("k_center", 14) and settings["seed"] == 7
    probs = [list(p.probabilities.values()) for p in tithe.predict(tmp_path / "run", TEXTS)]
    np.testing.assert_array_equal(classifier.predict_proba(TEXTS), probs)
    with pytest.raises(InputError, match="contains an earlier run"):
        classifier.fit(TEXTS, NAMES)


def test_it_is_searched_in_a_pipeline(build: Build) -> None:
    steps = [("lower", FunctionTransformer(lambda texts: [text.lower() for text in texts])), ("classify", build())]
    grid = {"classify__learning_rate": [1e-9, 0.05], "classify__max_length": np.array([32])}  # numbers of NumPy
    search = GridSearchCV(Pipeline(steps), grid, cv=2, error_score="raise")
    search.fit([text.upper() for text in TEXTS], NAMES)
    assert search.best_params_ == {"classify__learning_rate": 0.05, "classify__max_length": 32}
    assert search.score(TEXTS, NAMES) > 0.8


def test_it_is_cross_validated_calibrated_and_given_a_threshold(build: Build) -> None:
    scores = cross_val_score(build(), np.array(TEXTS), NAMES, cv=2)
    assert scores.mean() > 0.6, scores
    calibrated = CalibratedClassifierCV(build(), cv=2, method="sigmoid").fit(TEXTS, NAMES)
    assert calibrated.score(TEXTS, NAMES) > 0.6 and len(calibrated.calibrated_classifiers_) == 2
    tuned = TunedThresholdClassifierCV(build(), scoring="accuracy", cv=0.5, random_state=0).fit(TEXTS, NAMES)
    is_sport = tuned.estimator_.predict_proba(TEXTS)[:, 1] >= tuned.best_threshold_
    assert tuned.predict(TEXTS).tolist() == np.where(is_sport, "sport", "space").tolist()


def test_a_clone_has_the_settings_alone(fitted: tithe.TitheClassifier) -> None:
    copied = clone(fitted)
    assert copied.get_params() == fitted.get_params() and not hasattr(copied, "classes_")
    with pytest.raises(NotFittedError):
        copied.predict(TEXTS)
    assert not hasattr(clone(tithe.TitheClassifier()), "model_")


def test_a_pickle_predicts_the_same_bytes_in_another_process(fitted: tithe.TitheClassifier, tmp_path: Path) -> None:
    (tmp_path / "classifier.pkl").write_bytes(pickle.dumps(fitted))
    command = [sys.executable, "-W", "error", "-c", READ, str(tmp_path / "classifier.pkl")]
    read = subprocess.run(command, capture_output=True, check=True).stdout
    assert read == fitted.predict_proba(["goal team", "rocket orbit moon"]).tobytes()


def test_skops_needs_no_trust_but_in_its_class(fitted: tithe.TitheClassifier) -> None:
    data = skops.io.dumps(fitted)
    assert skops.io.get_untrusted_types(data=data) == ["tithe.estimator.TitheClassifier"]
    read = skops.io.loads(data, trusted=["tithe.estimator.TitheClassifier"])
    assert read.predict_proba(TEXTS).tobytes() == fitted.predict_proba(TEXTS).tobytes()


def test_a_file_that_leads_out_of_the_checkpoint_is_refused(fitted: tithe.TitheClassifier, tmp_path: Path) -> None:
    read = pickle.loads(pickle.dumps(fitted))
    read.checkpoint_ = {**read.checkpoint_, str(tmp_path / "planted"): b""}
    with pytest.raises(InputError, match="planted of the estimator is outside its checkpoint"):
        read.predict(TEXTS)
    assert not (tmp_path / "planted").exists()


WRONG: list[tuple[dict[str, Any], tuple[Any, ...], str]] = [
    ({}, (["a", None], ["x", "y"]), "input 1 is None"),
    ({}, (TEXTS, NAMES[1:]), "60 texts and 59 labels"),
    ({}, (TEXTS, NAMES, [1.0]), "60 texts and 1 weights"),
    ({}, (["a", "b"], ["x", None]), "label 1 is missing"),
    ({}, (["a", "b"], np.array(["x", 1], dtype=object)), "labels are of several types"),
    ({}, (["a", "b"], ["x", " x"]), "the labels ' x' and 'x' mean the same"),
    ({}, (["a", "b"], ["x", ""]), "the label '' is empty"),
    ({}, (["a", "b", "c"], ["x", "y", "y"], [1, -1, 1]), r"^the rows of fit, row 1: weight '-1'.*\(sample_weight\)$"),
    ({}, (["a", "b", "c"], ["x", "x", "x"]), r"^the rows of fit: one class only \('x'\)"),
    ({}, ([], []), "no texts to fit"),
    ({"random_state": None}, (TEXTS, NAMES), "random_state is None: pass an integer"),
    ({"epochs": 0}, (TEXTS, NAMES), "train.epochs"),
    ({"select": "k_centre"}, (TEXTS, NAMES), "k_center"),
    ({"config": {"data": {"path": "rows.csv"}}}, (TEXTS, NAMES), "config sets data.path, which fit decides"),
    ({"config": {"trian": {}}}, (TEXTS, NAMES), "did you mean 'train'"),
]


@pytest.mark.parametrize(("settings", "data", "says"), WRONG, ids=[says for *_, says in WRONG])
def test_a_mistake_is_one_line(settings: dict[str, Any], data: tuple[Any, ...], says: str, build: Build) -> None:
    with pytest.raises(InputError, match=says) as refused:
        build(**settings).fit(*data)
    assert "\n" not in str(refused.value)
