"""The image task: its loss, its scores, its detectors, and what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from support.image_examples import pixels, task_of
from support.photographs import SMALL, train, twins
from tithe import config
from tithe.data import Dataset
from tithe.errors import InputError
from tithe.models.forensics import losses
from tithe.tasks import image


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return twins(tmp_path_factory.mktemp("photographs") / "set")


def test_generators_held_out_are_only_tested_on(root: Path, tmp_path: Path) -> None:
    task = task_of(root, hold_out=["squares"])
    splits = task.load()
    rows = task.encode(splits.rows)
    assert set(rows.take(splits.train).generators) == {"smooth"} == set(rows.take(splits.val).generators)
    assert set(rows.take(splits.test).generators) == {"squares"}


def test_another_data_set_is_read_whole_and_as_it_is(root: Path, tmp_path: Path) -> None:
    other = twins(tmp_path / "other", 3)
    task = task_of(root, hold_out=["squares"]).with_data(other / "labels.csv")
    dataset, labels, dropped = task.load_labelled()
    assert isinstance(dataset, Dataset) and len(dataset) == 6 and labels.names == ("fake", "real")
    assert not any(dropped.values())
    assert pixels(task.encode(dataset), np.arange(2)).shape == (2, 3, 32, 32)


OUTPUTS = torch.tensor([[2.0, -1.0, 1.0], [-2.0, 0.5, 0.0], [0.0, 0.0, 0.0], [1.0, 3.0, -3.0]])
LABELS = torch.tensor([1, 0, 1, 0])


def weighted(**weights: float) -> image.Image:
    named = {f"{name}_weight": value for name, value in weights.items()}
    return image.Image(config.parse({**SMALL, "data_root": "unused", **named}))


def test_the_loss_is_the_weighted_sum_worked_by_hand() -> None:
    score = 1 / (1 + np.exp(-OUTPUTS[:, 0].double().numpy()))
    classes = OUTPUTS[:, 1:].double().numpy()
    regression = float(((score - LABELS.numpy()) ** 2).mean())
    chosen = classes[np.arange(4), LABELS.numpy()]
    classification = float((np.log(np.exp(classes).sum(1)) - chosen).mean())
    ranking = float(np.mean([max(0.0, 0.2 - (r - f)) for r in score[[0, 2]] for f in score[[1, 3]]]))
    loss, parts = weighted().criterion()(OUTPUTS, {"labels": LABELS})
    expected = {"regression": regression, "classification": classification, "ranking": ranking, "pairs": 4.0}
    assert {name: float(part) for name, part in parts.items()} == pytest.approx(
        {name: 4 * part for name, part in expected.items()}  # sums over the rows
    )
    assert float(loss) == pytest.approx(4 * (regression + 0.3 * classification + 0.2 * ranking))
    other, _ = weighted(regression=2.0, classification=0.0, ranking=1.0).criterion()(OUTPUTS, {"labels": LABELS})
    assert float(other) == pytest.approx(4 * (2 * regression + ranking))


def test_a_batch_of_one_class_has_no_pairs_and_a_gradient() -> None:
    outputs = OUTPUTS.clone().requires_grad_()
    loss, parts = weighted().criterion()(outputs, {"labels": torch.ones(4, dtype=torch.int64)})
    loss.backward()  # type: ignore[no-untyped-call]
    assert float(parts["pairs"]) == float(parts["ranking"].detach()) == 0
    assert outputs.grad is not None and bool(outputs.grad.isfinite().all()) and float(outputs.grad.abs().sum()) > 0


def test_scores_of_validation_are_those_of_the_whole_set() -> None:
    task, labels = weighted(), LABELS.numpy()
    found = task.scores(labels, OUTPUTS.numpy())
    parts = losses.parts(OUTPUTS, LABELS)
    assert found["pairs"] == 4 and found["ranking"] == pytest.approx(float(parts["ranking"]))
    total = float(losses.total(parts, {"regression": 1.0, "classification": 0.3, "ranking": 0.2}))
    assert found["total"] == found["loss"] == pytest.approx(total)
    # Scores .88 .12 .5 .73 of real fake real fake: the last is wrong, and the third lies on the threshold.
    assert found["accuracy"] == pytest.approx(0.5) and found["auc"] == pytest.approx(0.75)
    assert all(isinstance(value, float) for value in found.values())
    assert "auc" not in task.scores(np.ones(4, dtype=np.int64), OUTPUTS.numpy())  # of one class there is none


def test_probabilities_are_those_of_the_score() -> None:
    outputs = np.array([[0.0, 5, -5], [200, 0, 0], [-200, 0, 0], [1.0, 0, 9]], dtype=np.float32)
    probs = weighted().probabilities(outputs)
    assert probs.dtype == np.float64 and (probs.sum(1) == 1).all() and np.isfinite(probs).all()
    assert probs[:, 1].tolist() == pytest.approx([0.5, 1.0, 0.0, 1 / (1 + np.exp(-1))])


@pytest.mark.parametrize(("flags", "mode", "millions"), [({}, "fast", 2.5), ({"full_mode": True}, "full", 5.0)])
def test_detectors_are_of_the_documented_sizes_and_seeded(flags: dict[str, Any], mode: str, millions: float) -> None:
    task = image.Image(config.parse({**SMALL, "data_root": "unused", **flags}))
    before = torch.get_rng_state()
    first, second, third = (task.build(2, seed).state_dict() for seed in (1, 1, 2))
    assert sum(value.numel() for value in first.values()) == pytest.approx(millions * 1e6, rel=0.05)
    assert task.fingerprint() == {"detector": mode} and torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert any(not torch.equal(first[name], third[name]) for name in first)


REMARKS = [
    (
        320,
        0.0000125,
        "320 steps at a learning rate of 1.25e-05 are too few to train a new detector: set the rate to 0.0002, ",
    ),
    (10, 0.001, "10 steps at a learning rate of 0.001 are too few to train a new detector: train longer"),
    (100, 0.0002, None),
    (1600, 0.0000125, None),
]


@pytest.mark.parametrize(("steps", "rate", "says"), REMARKS)
def test_a_way_too_short_to_get_anywhere_is_remarked(steps: int, rate: float, says: str | None) -> None:
    task = image.Image(config.parse({**SMALL, "data_root": "unused", "lr": rate}))
    found = task.warnings([rate / 2, *[rate] * (steps - 1)], is_new=True)
    assert [line.startswith(says or "") for line in found] == ([True] if says else [])


def test_a_detector_that_was_trained_is_not_called_new() -> None:
    task = image.Image(config.parse({**SMALL, "data_root": "unused"}))
    (line,) = task.warnings([1e-6] * 60, is_new=False)
    assert line.startswith("60 steps at a learning rate of 1e-06 hardly change a trained detector: restart")
    (line,) = task.warnings([1e-3] * 6, is_new=False)
    assert line.endswith("hardly change a trained detector: train longer")
    assert task.warnings([1e-3] * 60, is_new=False) == task.warnings([], is_new=False) == []


FOR_TEXTS = [
    ("data.class_weights=true", "data.class_weights is for texts: set data.upsample to balance images"),
    ("select.strategy=random", "select is for texts: leave it out of a config for images"),
    ("model.freeze=all", "model.freeze is for texts: leave it out of a config for images"),
    ("model.lora={}", "model.lora is for texts: set images.lora for the encoder of images.mode foundation"),
    ("train.label_smoothing=0.1", "train.label_smoothing is for texts: leave it out of a config for images"),
    ("model.dropout=0.5", "model.dropout is for texts: leave it out of a config for images"),
    ("data.label_column=stars", "data.label_column is for texts: leave it out of a config for images"),
    ("data.label_mapping=m.json", "data.label_mapping is for texts: leave it out of a config for images"),
    ("tune={dropout: [0.2, 0.3]}", "tune.dropout is for texts: leave it out of a config for images"),
    (
        "images={regression_weight: 0, classification_weight: 0, ranking_weight: 0}",
        "images: the three weights of the loss are 0: raise one, such as images.regression_weight",
    ),
]


@pytest.mark.parametrize(("setting", "says"), FOR_TEXTS)
def test_what_only_texts_have_is_refused(root: Path, tmp_path: Path, setting: str, says: str) -> None:
    with pytest.raises(InputError) as caught:
        train(root, tmp_path / "out", setting)
    assert str(caught.value) == says and not (tmp_path / "out").exists()
