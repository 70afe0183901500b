"""A detector evaluated: generators, changes, pictures, and other data sets."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from support.detector_run import finished
from support.photographs import train, twins, with_little_detector, without_pictures
from tithe.evaluate import robustness
from tithe.imaging import degradations
from tithe.metrics import authenticity
from tithe.predict import TrainedModel, load
from tithe.report import authenticity_figures

pytestmark = pytest.mark.usefixtures("real_figures")

Tithe = Callable[..., tuple[Any, str, list[str]]]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return finished(tmp_path_factory)[0]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of a real detector."""
    return finished(tmp_path_factory)[1]


@pytest.fixture(scope="module")
def model(home: Path) -> TrainedModel:
    return load(home / "best_model.pt", device="cpu")


@pytest.fixture(scope="module")
def evaluated(home: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The test rows of the run, evaluated with everything that belongs to it."""
    from tithe.evaluate.checkpoint import Evaluation, evaluate_checkpoint

    out = tmp_path_factory.mktemp("evaluated")
    asked = Evaluation(checkpoint_path=str(home / "best_model.pt"), splits=("test",))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TITHE_CACHE", str(home.parent / "cache"))
        return out / "test", evaluate_checkpoint(load(home / "best_model.pt", "cpu"), asked, out)["test"]


def test_an_evaluation_tells_of_every_generator(evaluated: tuple[Path, dict[str, Any]], home: Path) -> None:
    out, result = evaluated
    found = json.loads((out / "authenticity.json").read_text())
    told_before = json.loads((home / "test/authenticity.json").read_text())
    assert found["auc"] == pytest.approx(told_before["auc"]) and found["reals"] + found["fakes"] == found["rows"]
    assert found["brier"] == pytest.approx(told_before["brier"], rel=1e-5)
    with (out / "per_generator.csv").open(encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    assert [line["generator"] for line in table] == ["smooth", "squares", authenticity.MACRO]
    assert sum(int(line["fakes"]) for line in table[:2]) == found["fakes"]
    said = [sum(counts.values()) for counts in found["verdicts"].values()]
    assert said == [found["fakes"], found["reals"]] and result["authenticity"]["auc"] == found["auc"]


def test_the_sweep_has_a_line_for_every_change(evaluated: tuple[Path, dict[str, Any]]) -> None:
    out, result = evaluated
    with (out / "robustness.csv").open(encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    assert [line["change"] for line in table] == [robustness.AS_IT_IS, *degradations.NAMES]
    assert all(0 <= float(line[key]) <= 1 for line in table for key in ("auc", "fpr"))
    assert json.loads((out / "robustness.json").read_text()) == result["authenticity"]["robustness"]


def test_every_picture_of_an_evaluation_is_one(evaluated: tuple[Path, dict[str, Any]]) -> None:
    names = {"scores", "roc_by_generator", "calibration", "robustness", "most_wrong"}
    names |= {f"heat_{place}" for place in (1, 2)}
    found = {path.stem: path for path in evaluated[0].glob("*.png")}
    assert names <= found.keys()
    for path in found.values():
        with Image.open(path) as picture:
            assert picture.format == "PNG" and all(150 <= side <= 3000 for side in picture.size), path


def test_what_is_shown_as_wrong_was_judged_wrongly_as_it_is(
    model: TrainedModel, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_pictures(monkeypatch)
    monkeypatch.setattr(robustness, "_SWEEP_IMAGES", 4)  # the sweep sees fewer images than there are
    sheets: list[tuple[Any, ...]] = []
    monkeypatch.setattr(authenticity_figures, "contact_sheet", lambda *arguments: sheets.append(arguments))
    task = model.task.with_data(root / "labels.csv")
    dataset = task.load_labelled()[0]
    examples = task.encode(dataset)
    scores = np.where(examples.labels == 1, 0.9, 0.1)
    scores[[3, 20, 7]] = [0.8, 0.3, 0.95] if examples.labels[20] else [0.8, 0.6, 0.95]
    lines = robustness.write(tmp_path, model, examples, scores)
    _, images, labels, shown, names, title = sheets[0]
    rows = authenticity.most_wrong(examples.labels, scores, 24)
    assert shown.tolist() == scores[rows].tolist() and labels.tolist() == examples.labels[rows].tolist()
    assert names == [Path(examples.paths[row]).name for row in rows] and title == "Worst mistakes"
    assert all((image == examples.whole(int(row))).all() for image, row in zip(images, rows, strict=True))
    # By hand: the four images of the sweep, each its centre.
    drawn = robustness._sample_rows(examples.labels, np.random.default_rng(model.run.seed))
    assert len(drawn) == 4 and examples.labels[drawn].sum() == 2 and lines[0]["change"] == "as it is"
    centres = np.stack([examples.centre(int(row)) for row in drawn]).transpose(0, 3, 1, 2)
    probs = model.batch_probabilities({"images": torch.from_numpy(centres)})[:, 1]
    assert lines[0]["auc"] == authenticity.summary(examples.labels[drawn], probs)["auc"]


def test_another_data_set_of_one_class_has_no_area(
    tithe: Tithe, home: Path, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_pictures(monkeypatch)
    shutil.copytree(root / "real", tmp_path / "other/real")
    lines = ["path,label", *(f"real/{path.name},1" for path in sorted((tmp_path / "other/real").iterdir()))]
    (tmp_path / "other/labels.csv").write_text("\n".join(lines) + "\n")
    out = tmp_path / "found"
    code, shown, err = tithe(
        *("evaluate", "-c", home / "best_model.pt", "--data", tmp_path / "other/labels.csv", "--out", out, "--json")
    )
    assert code == 0, err
    found = json.loads((out / "data/authenticity.json").read_text())
    assert found["auc"] is None and found["eer"] is None and found["rows"] == found["reals"] == 16
    assert 0 <= found["fpr"] <= 1 and found["per_generator"] == [] and not (out / "data/per_generator.csv").exists()
    assert found["verdicts"]["fake"] == {"fake": 0, "unsure": 0, "real": 0}
    assert sum(found["verdicts"]["real"].values()) == 16  # judged by the calibration of the run
    assert json.loads(shown)["data"]["authenticity"]["robustness"][0]["auc"] is None
    assert (out / "data/robustness.png").exists() and (out / "metrics.csv").exists()


def test_an_evaluation_of_other_images_than_those_trained_on_is_refused(
    tithe: Tithe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_pictures(monkeypatch)
    with_little_detector(monkeypatch)
    root = twins(tmp_path / "set", 8)
    home = train(root, tmp_path / "run", epochs=1, batch_size=4).home
    (root / "fake/002.png").unlink()
    code, _, err = tithe("evaluate", "-c", home / "best_model.pt", "--out", tmp_path / "found")
    assert code == 2 and err[-1].endswith("has changed since training: pass a labelled file with --data")
    assert not (tmp_path / "found").exists()
