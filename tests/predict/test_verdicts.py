"""Verdicts on images: what is far from the training images, or is turned round by harmless processing, is unsure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from support import vision
from support.photographs import photograph, twins, without_pictures
from tithe.arrays import Array
from tithe.metrics.calibration import Calibration
from tithe.metrics.distance import ClassDistance
from tithe.predict import TrainedModel, load, verdicts
from tithe.predict.abstention import Abstention
from tithe.storage import run_files

Tithe = Callable[..., tuple[Any, str, list[str]]]
SURE = Calibration(1.0, 0.0, 0.5, 0.5, 0.05)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("verdicts")
    with pytest.MonkeyPatch.context() as patch:
        without_pictures(patch)
        return vision.train(twins(folder / "set"), vision.folder(folder / "encoder"), folder / "run").home


@pytest.fixture
def model(home: Path) -> TrainedModel:
    return load(home, device="cpu")


def pictures() -> list[Array]:
    return [photograph(number, 64, 80) for number in range(6)]


def with_rule(model: TrainedModel, limit: float) -> TrainedModel:
    assert model.abstention and model.abstention.distance
    judged = replace(model)
    judged.__dict__["abstention"] = Abstention(np.zeros(2), model.abstention.distance, limit)
    return judged


def test_a_run_saves_how_far_its_validation_images_are(home: Path, model: TrainedModel) -> None:
    rule = model.abstention
    assert (home / "checkpoints/best" / run_files.ABSTENTION).is_dir()
    assert rule and isinstance(rule.distance, ClassDistance) and np.isfinite(rule.limit)
    assert not rule.thresholds_C.any()
    states_ND = model.outputs_and_embeddings(model.task.examples([str(next(home.parent.glob("set/real/*")))]))[1]
    assert rule.distance.whitening_DD.shape == (32, 32) and states_ND.shape == (1, 64), "of pooled states alone"


def test_far_images_are_unsure_and_near_ones_keep_their_verdict(model: TrainedModel) -> None:
    near = verdicts.judge(with_rule(model, np.inf), SURE, pictures())
    far = verdicts.judge(with_rule(model, 0.0), SURE, pictures())
    assert {(each.verdict, each.why) for each in far} == {("unsure", verdicts.FAR)}
    assert [each.score for each in near] == pytest.approx([each.score for each in far], abs=1e-6)
    assert verdicts.FAR not in {each.why for each in near}
    for each in near:
        expected = "real" if each.score > 0.5 else "fake"
        assert each.verdict == (expected if each.why is None else "unsure")


@pytest.mark.parametrize(("turned", "expected"), [(0.1, "turned by harmless processing"), (0.8, None), (0.5, None)])
def test_a_verdict_that_harmless_processing_turns_is_unsure(
    turned: float, expected: str | None, model: TrainedModel
) -> None:
    class Told(TrainedModel):
        def batch_answers(self, batch):  # type: ignore[no-untyped-def]  # 0.9 is real
            return np.tile([0.1, 0.9], (len(batch["images"]), 1)), np.zeros((len(batch["images"]), 32))

        def batch_probabilities(self, batch):  # type: ignore[no-untyped-def]
            return np.tile([1 - turned, turned], (len(batch["images"]), 1))

    told = Told(**{name: getattr(model, name) for name in model.__dataclass_fields__})
    told.__dict__["abstention"] = None
    found = verdicts.judge(told, SURE, pictures())
    assert {each.why for each in found} == {expected}
    assert {each.verdict for each in found} == {"unsure" if expected else "real"}


def test_what_is_not_fake_has_no_trace_of_known_generators(
    home: Path, tmp_path: Path, tithe: Tithe, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, image in enumerate(pictures()):
        assert cv2.imwrite(str(tmp_path / f"{number}.png"), image)
    monkeypatch.setattr(TrainedModel, "calibration", Calibration(1.0, 0.0, 0.0, 0.0, 0.05))
    monkeypatch.setattr(TrainedModel, "abstention", None)
    code, out, _ = tithe("predict", home, tmp_path)
    assert code == 0
    assert {line.split("\t")[0] for line in out.splitlines()} == {"no trace of the generators known to this model"}
