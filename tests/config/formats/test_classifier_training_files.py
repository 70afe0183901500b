"""What a run of `classifier_training` leaves: checkpoints on disk, and what Neptune receives."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.classifier_training import Given, final, history, saved
from support.keys import shows
from tithe import metrics, pipeline, plugins, storage
from tithe.checkpoints import store, tensors
from tithe.errors import InputError
from tithe.runs.finish import Outcome

# ---- checkpoints

FILES = {"model.pt", "optimizer.pt", "scheduler.pt", "state.json"}


@shows("checkpointing.checkpoints_dir")
def test_checkpoints_dir(whole: Callable[..., Outcome], tmp_path: Path) -> None:
    """Checkpoints lie in the folder itself, in the documented form, and the matrix lies there as a picture."""
    outcome = whole(**{"checkpointing.checkpoints_dir": str(tmp_path / "my checkpoints")})
    home = tmp_path / "my checkpoints"
    assert outcome.home == home
    assert outcome.best == home / "best"
    assert saved(outcome) == ["step_00000008"]
    for folder in (home / "best", home / "step_00000008"):
        assert {path.name for path in folder.iterdir()} >= FILES
        assert storage.broken_files(folder) == []
    assert (home / "validation" / "confusion_matrix.png").read_bytes().startswith(b"\x89PNG")
    assert {"loss", "accuracy", "precision", "recall", "f1", "confusion_matrix"} <= outcome.scores["validation"].keys()
    assert storage.read_json(home / "config.json")["train"]["batch_size"] == 4


def test_an_earlier_run_in_the_folder_is_not_buried(whole: Callable[..., Outcome], given: Given) -> None:
    home = whole().home
    with pytest.raises(InputError, match="contains an earlier run: resume it"):
        pipeline.train(given(**{"checkpointing.checkpoints_dir": str(home)}))
    assert storage.broken_files(home) == []


@shows("checkpointing.save_every_n_bathces")
@pytest.mark.parametrize(
    ("every", "accumulate", "at"),
    [(None, 1, [8]), (3, 1, [3, 6, 8]), (4, 2, [2, 4]), (3, 2, [2, 3, 4])],
)
def test_save_every_n_bathces(whole: Callable[..., Outcome], every: int | None, accumulate: int, at: list[int]) -> None:
    """Counted in batches, as the document says; a folder is named by its optimizer step."""
    changes = {"checkpointing.save_every_n_bathces": every, "training.gradient_accumulation_steps": accumulate}
    outcome = whole() if every is None else whole(**changes)
    assert saved(outcome) == [f"step_{step:08d}" for step in at]


SCRIPT = [
    {"loss": 0.5, "accuracy": 0.6, "f1": 0.9},
    {"loss": 0.4, "accuracy": 0.5, "f1": 0.6},
    {"loss": 0.6, "accuracy": 0.9, "f1": 0.7},
]


@shows("checkpointing.save_best_by")
@pytest.mark.parametrize(("by", "epoch"), [("f1", 1), ("loss", 2), ("accuracy", 3)])
def test_save_best_by(whole: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch, by: str, epoch: int) -> None:
    """Three epochs whose scores are given: each of the three is the best by one of them."""
    said, real = iter(SCRIPT), metrics.summary
    monkeypatch.setattr(metrics, "summary", lambda *args: {**real(*args), **next(said, {})})
    outcome = whole(**{"checkpointing.save_best_by": by, "training.num_epochs": 3, "training.batch_size": 30})
    assert [{k: line[k] for k in SCRIPT[0]} for line in history(outcome, "val")] == SCRIPT
    expected = {"by": by, "score": SCRIPT[epoch - 1][by], "step": epoch, "epoch": epoch}
    assert outcome.scores["best"] == expected
    best = tensors.sha256_of_all(store.weights(outcome.best))
    assert best == tensors.sha256_of_all(store.weights(outcome.home / f"step_{epoch:08d}"))
    assert (best == final(outcome)) is (epoch == 3)


# ---- Neptune

SECRET = "s3cr3t-do-not-show"

NEPTUNE: dict[str, Any] = {
    "project": "team/classifier",
    "api_token": SECRET,
    "experiment_name": "first try",
    "run_id": "CLS-42",
    "tags": ["small", "bert"],
}


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The two files that the section may name."""
    folder = tmp_path_factory.mktemp("sources")
    (folder / "requirements.txt").write_text("torch==2.6\n")
    (folder / "prod.env").write_text(f"MODE=prod\nAPI_KEY={SECRET}\n")
    return {"dependencies_path": str(folder / "requirements.txt"), "env_path": str(folder / "prod.env")}


@pytest.fixture(scope="module")
def recorded(
    whole: Callable[..., Outcome], sources: dict[str, str]
) -> tuple[Path, dict[str, Any], dict[str, list[Any]]]:
    """Run with every documented key of Neptune; return the run's folder, what its tracker was given, what it got."""
    given: dict[str, Any] = {}
    got: dict[str, list[Any]] = {name: [] for name in ("params", "scalars", "figure", "artifact", "close")}

    class Mirror:
        def __getattr__(self, name: str) -> Callable[..., None]:
            return lambda *args: got[name].append(args)

    def open_mirror(home: Path, settings: dict[str, Any], name: str) -> Mirror:
        given.update(settings, home=home, name=name)
        return Mirror()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plugins, "installed", lambda module: True)
        patch.setattr(plugins.load("trackers", "neptune"), "open", open_mirror)
        outcome = whole(**{f"neptune.{key}": value for key, value in {**NEPTUNE, **sources}.items()})
    return outcome.home, given, got


@shows(*(f"neptune.{key}" for key in (*NEPTUNE, "dependencies_path", "env_path")))
@pytest.mark.parametrize("key", [*NEPTUNE, "dependencies_path", "env_path"])
def test_what_neptune_is_given(recorded: tuple[Path, dict[str, Any], Any], sources: dict[str, str], key: str) -> None:
    expected = {**NEPTUNE, **sources, "tags": ("small", "bert")}
    assert recorded[1][key] == expected[key]


def test_what_neptune_receives(recorded: tuple[Path, dict[str, Any], dict[str, list[Any]]]) -> None:
    home, given, got = recorded
    assert given["home"] == home
    (params,) = got["params"]
    assert params[0]["train"]["batch_size"] == 4
    names = {name for values, _ in got["scalars"] for name in values}
    assert {"train/batch_loss", "val/loss", "val/accuracy", "val/precision", "val/recall", "val/f1"} <= names
    assert ("validation/confusion_matrix", home / "validation" / "confusion_matrix.png") in got["figure"]
    assert got["close"] == [("finished",)]


def test_the_token_is_in_no_file(recorded: tuple[Path, dict[str, Any], dict[str, list[Any]]]) -> None:
    home, _, got = recorded
    assert SECRET not in str(got)
    files = [path for path in home.rglob("*") if path.is_file()]
    assert len(files) > 20
    assert [path for path in files if SECRET.encode() in path.read_bytes()] == []


def test_the_offline_record_holds_what_neptune_was_given(
    whole: Callable[..., Outcome], sources: dict[str, str]
) -> None:
    pytest.importorskip("neptune.exceptions", reason="the extra tithe[neptune] is not installed")
    outcome = whole(again=1, **{f"neptune.{key}": value for key, value in {**NEPTUNE, **sources}.items()})
    record = b"".join(p.read_bytes() for p in (outcome.home / ".neptune" / "offline").rglob("*") if p.is_file())
    for part in ("team/classifier", "first try", "CLS-42", "small", "bert", "torch==2.6", "MODE=prod"):
        assert part.encode() in record, part
    assert [p for p in outcome.home.rglob("*") if p.is_file() and SECRET.encode() in p.read_bytes()] == []


@pytest.mark.parametrize("key", ["dependencies_path", "env_path"])
def test_a_file_that_neptune_misses_is_refused_before_anything_is_written(
    given: Given, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setattr(plugins, "installed", lambda module: True)
    with pytest.raises(InputError, match=f"{key}: no file 'nowhere'"):
        pipeline.train(given(**{f"neptune.{key}": "nowhere"}))
    assert not (tmp_path / "checkpoints").exists()


@pytest.mark.parametrize("section", [None, {}, {"project": "", "api_token": None, "tags": []}, {"api_token": ""}])
def test_an_empty_section_means_no_neptune(given: Given, section: dict[str, Any] | None) -> None:
    assert given(neptune=section).track.neptune is None


def test_tags_may_be_one_string(given: Given) -> None:
    section = given(neptune={"tags": "small, bert,"}).track.neptune
    assert section is not None
    assert section.tags == ("small", "bert")
