"""`tithe.load` opens every task: what is asked of it is the same, whatever the inputs are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import tithe
from support.detector_run import finished
from tithe import config, pipeline, plugins
from tithe.errors import InputError

Settings = Callable[..., dict[str, Any]]


@pytest.fixture
def text(settings: Settings) -> tuple[Path, list[str]]:
    outcome = pipeline.train(config.parse(settings(train={"epochs": 1})))
    return outcome.home, ["the goal of the team", "a rocket to the moon", "goal"]


@pytest.fixture
def image(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    photographs, home = finished(tmp_path_factory)
    return home, sorted(str(path) for path in photographs.rglob("*.png"))[:3]


@pytest.mark.parametrize("task", plugins.names("tasks"))
def test_a_run_of_every_task_is_opened_and_predicts(task: str, request: pytest.FixtureRequest) -> None:
    home, inputs = request.getfixturevalue(task)
    model = tithe.load(home)
    predictions = model.predict(inputs)
    assert len(predictions) == len(inputs) and model.predict([]) == []
    for prediction in predictions:
        assert prediction.probabilities.keys() == {str(name) for name in model.labels.names}
        assert sum(prediction.probabilities.values()) == pytest.approx(1)
        assert prediction.probability == max(prediction.probabilities.values())
        assert prediction.probabilities[str(prediction.label)] == prediction.probability
    assert not any(prediction.abstained or prediction.truncated for prediction in predictions)
    alone = model.predict(inputs[:1])[0]
    assert alone.probability == pytest.approx(predictions[0].probability, abs=1e-5), "of its own, not of its batch"


def test_the_door_for_images_agrees_with_the_command(image: tuple[Path, list[str]]) -> None:
    from tithe.predict.images import score_images

    home, paths = image
    model = tithe.load(home)
    scores = [line.score for line in score_images(model, [Path(path) for path in paths], 8)]
    assert [p.probabilities["real"] for p in model.predict(paths)] == pytest.approx(scores)


def test_what_the_command_does_not_score_is_not_predicted(image: tuple[Path, list[str]], tmp_path: Path) -> None:
    from PIL import Image

    small = tmp_path / "small.png"
    Image.new("RGB", (7, 80)).save(small)
    with pytest.raises(
        InputError, match=r"^\S+small\.png can't be read \(a side of the image has fewer than 8 pixels\):"
    ):
        tithe.load(image[0]).predict([str(small)])


def test_an_image_that_is_not_there_is_one_line(image: tuple[Path, list[str]], tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.png can't be read") as caught:
        tithe.load(image[0]).predict([str(tmp_path / "nowhere.png")])
    assert "\n" not in str(caught.value)
