"""`tithe evaluate --target`: what is chosen, saved, and then used by predictions."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

import tithe
from support.finished_runs import Finished
from support.texts import make_texts
from tithe import storage
from tithe.checkpoints import store
from tithe.errors import InputError, TitheError
from tithe.runs.verify import verify_run
from tithe.storage.run_files import ABSTENTION

TEXTS = make_texts(20, seed=3)[0]
BEST = "checkpoints/best"


@pytest.fixture
def home(finished: Finished, tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A copy of one of the finished runs, by its kind."""
    return Path(shutil.copytree(finished.homes[getattr(request, "param", "plain")], tmp_path / "run"))


def saved(home: Path) -> dict[str, object]:
    return storage.read_json(home / BEST / ABSTENTION / "thresholds.json")


@pytest.mark.parametrize("home", ["plain", "frozen", "layers"], indirect=True)
def test_answers_below_the_threshold_of_their_class_are_withheld(home: Path, tmp_path: Path) -> None:
    before = tithe.load(home, "cpu").predict(TEXTS)
    files = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}
    result = tithe.evaluate(home, out=tmp_path / "out", target={"precision": 0.9, "far": 0.2})
    assert all(path.read_bytes() == content for path, content in files.items()), "nothing that was there has changed"
    assert store.damaged_files(home / BEST) == [] and verify_run(home)

    model = tithe.load(home, "cpu")
    rule, after = model.abstention, model.predict(TEXTS)
    assert (
        rule
        and rule.distance
        and [line["class"] for line in result.scores["abstention"]["classes"]] == [*model.labels.names]
    )
    levels = dict(zip(model.labels.names, rule.thresholds_C, strict=True))
    outputs, embeddings_ND = model.outputs_and_embeddings(model.task.examples(TEXTS))
    assert (outputs == model.outputs(model.task.examples(TEXTS))).all(), "to the last bit"
    far_N = rule.distance.to(embeddings_ND) > rule.limit
    for old, new, far in zip(before, after, far_N, strict=True):
        assert new.abstained == (new.probability < levels[new.label] or far) and not old.abstained
        assert new._replace(abstained=False) == old
    again = tithe.evaluate(home, out=tmp_path / "again")
    for part in ("validation", "test"):
        assert again.scores[part] == result.scores[part]
        assert storage.read_json(tmp_path / "again" / part / "metrics.json")["abstained"] > 0


def test_the_far_texts_are_that_share_of_the_validation_rows(home: Path, tmp_path: Path) -> None:
    result = tithe.evaluate(home, out=tmp_path / "out", target={"far": 0.25})
    assert result.scores["validation"]["abstained"] == pytest.approx(0.25, abs=0.1)
    assert result.scores["abstention"]["classes"] == [] and saved(home)["thresholds"] == [0, 0]


def test_a_later_target_replaces_an_earlier_one(home: Path, tmp_path: Path) -> None:
    for target in ({"far": 0.2}, {"recall": 0.5}):
        tithe.evaluate(home, out=tmp_path / "out", target=target)
    assert saved(home)["target"] == {"recall": 0.5} and saved(home)["limit"] is None
    assert {path.name for path in (home / BEST / ABSTENTION).iterdir()} == {"thresholds.json", "manifest.json"}
    shutil.rmtree(home / BEST / ABSTENTION)
    assert not any(answer.abstained for answer in tithe.predict(home, TEXTS))


def test_a_damaged_rule_or_that_of_another_checkpoint_is_refused(
    home: Path, finished: Finished, tmp_path: Path
) -> None:
    tithe.evaluate(home, out=tmp_path / "out", target={"recall": 0.5})
    other = shutil.copytree(finished.homes["frozen"], tmp_path / "other")
    shutil.copytree(home / BEST / ABSTENTION, other / BEST / ABSTENTION)
    with pytest.raises(InputError, match=r"abstention is that of another checkpoint: remove the folder abstention"):
        tithe.predict(other, "goal")
    (home / BEST / ABSTENTION / "thresholds.json").write_text("{}")
    with pytest.raises(InputError, match=r"abstention is damaged \(thresholds\.json\): remove the folder abstention"):
        tithe.predict(home, "goal")
    with pytest.raises(TitheError, match=r"checkpoints/best/abstention/thresholds\.json"):
        verify_run(home)
    tithe.evaluate(home, out=tmp_path / "out", target={"recall": 0.5})  # writes it again
    assert tithe.predict(home, "goal") and verify_run(home)


@pytest.mark.parametrize("home", ["single"], indirect=True)
def test_a_rule_and_a_temperature_are_those_of_the_weights_alone(home: Path, tmp_path: Path) -> None:
    tithe.evaluate(home, out=tmp_path / "out", target={"precision": 0.9})
    model = tithe.load(home, "cpu")
    assert model.weights_file == home / "best_model.pt" and model.abstention and model.temperature
    weights = torch.load(home / "final_model.pt")
    other = {name: value + 1 if name.startswith("head.") else value for name, value in weights.items()}
    torch.save(other, home / BEST / ".." / ".." / "other.pt")
    changed = tithe.load(home / "other.pt", "cpu")
    assert changed.abstention is None and changed.temperature is None
    with pytest.raises(InputError, match=r"other\.pt has other weights than .*best: thresholds are saved in a check"):
        tithe.evaluate(home / "other.pt", out=tmp_path / "out", target={"precision": 0.9})


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ({}, "set precision, recall or far"),
        ({"precision": 0.9, "recall": 0.9}, "set precision or recall, not both"),
        ({"precision": 1.5}, "1.5"),
        ({"far": 0.0}, "0.0"),
        ({"f1": 0.9}, "f1"),
    ],
)
def test_a_wrong_target_is_refused_before_anything_is_written(
    target: dict[str, float], says: str, home: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=says):
        tithe.evaluate(home, out=tmp_path / "out", target=target)
    assert not (home / BEST / ABSTENTION).exists() and not (tmp_path / "out").exists()


def test_predictions_of_a_run_are_calibrated_and_its_metrics_are_not(finished: Finished) -> None:
    import pyarrow.parquet as pq

    home = finished.homes["plain"]
    scores = storage.read_json(home / "metrics.json")["validation"]
    table = pq.read_table(home / "validation/predictions.parquet")
    own, calibrated = (table.column(f"{name}probability_of_label").to_numpy() for name in ("uncalibrated_", ""))
    assert scores["loss"] == pytest.approx(-np.log(own).mean())
    assert scores["loss_calibrated"] == pytest.approx(-np.log(calibrated).mean()) != scores["loss"]
    best = [record for record in storage.read_lines(home / "history.jsonl") if record["kind"] == "val"]
    assert any(scores["loss"] == pytest.approx(record["loss"], abs=1e-9) for record in best), "that of the training"
    recorded = {"temperature": scores["temperature"], "rows": scores["rows"]}
    assert (
        storage.read_json(home / "calibration.json") == storage.read_json(home / BEST / "calibration.json") == recorded
    )
