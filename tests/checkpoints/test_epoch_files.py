"""The documented files of an epoch's end: what is in them, which is which, and what a kill leaves."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from support.epoch_files import EPOCHS, KEYS, Train, at_call, at_step, factors, killed, opened, rates, same
from support.photographs import STEPS, documented, final, history
from tithe import pipeline, storage
from tithe.checkpoints import epoch_files, store
from tithe.checkpoints.keeper import Keeper
from tithe.predict import load
from tithe.storage.run_files import CALIBRATION
from tithe.train import optimizer

pytestmark = pytest.mark.usefixtures("one_thread", "small")


# ---- what is in them


def test_a_file_holds_the_documented_keys_and_plain_types(whole: Path) -> None:
    for name in ("checkpoint_epoch_1.pt", "latest_model.pt", "best_model.pt"):
        content = opened(whole / name)
        assert {key: isinstance(content[key], kind) for key, kind in KEYS.items()} == dict.fromkeys(KEYS, True)
        assert content.keys() == KEYS.keys() and content["global_step"] == STEPS * content["epoch"]
        for kind, per_epoch in (("train", "total"), ("val", "val_loss")):
            written = content[f"{kind}_history"]
            assert [line["epoch"] for line in written] == list(range(1, content["epoch"] + 1)) and per_epoch
            assert all(type(value) in (int, float) for line in written for value in line.values())
    written = opened(whole / "latest_model.pt")
    assert {"total", "regression", "classification", "ranking", "learning_rate"} <= written["train_history"][0].keys()
    documented = {f"val_{name}" for name in ("loss", "regression", "classification", "accuracy", "ranking", "auc")}
    assert {"step", "epoch", *documented} <= written["val_history"][0].keys()
    assert "loss" not in written["val_history"][0]


def test_names_are_the_documented_ones(whole: Path) -> None:
    files = sorted(path.name for path in whole.glob("*.pt"))
    assert files == ["best_model.pt", *(f"checkpoint_epoch_{i}.pt" for i in range(1, 5)), "latest_model.pt"]
    assert [opened(whole / f"checkpoint_epoch_{i}.pt")["epoch"] for i in range(1, 5)] == [1, 2, 3, 4]
    assert (whole / "latest_model.pt").read_bytes() == (whole / "checkpoint_epoch_4.pt").read_bytes()
    assert [path.name for path in whole.glob("step_*")] == ["step_00000012"]  # tithe's own, of which one is kept
    manifest = storage.read_json(whole / storage.MANIFEST)
    assert {*files, "training_history.json"} <= manifest.keys()


def test_the_history_is_that_of_the_files(whole: Path) -> None:
    written, last = storage.read_json(whole / "training_history.json"), opened(whole / "latest_model.pt")
    assert written == {"train": last["train_history"], "val": last["val_history"]}
    assert [line["val_loss"] for line in written["val"]] == [line["loss"] for line in history(whole, "val")]


def test_the_best_file_has_the_lowest_validation_loss(whole: Path) -> None:
    losses = {line["epoch"]: line["loss"] for line in history(whole, "val")}
    best = min(losses, key=lambda epoch: losses[epoch])
    assert (whole / "best_model.pt").read_bytes() == (whole / f"checkpoint_epoch_{best}.pt").read_bytes()
    content = opened(whole / "best_model.pt")
    assert content["best_val_loss"] == losses[best] == min(losses.values())
    lowest = [min(list(losses.values())[:epoch]) for epoch in range(1, 5)]
    assert [opened(whole / f"checkpoint_epoch_{i}.pt")["best_val_loss"] for i in range(1, 5)] == lowest
    assert same(dict(content["model_state_dict"]), store.weights(whole / "best"))


def test_the_best_file_scores_what_its_epoch_scored(whole: Path) -> None:
    model = load(whole / "best_model.pt", device="cpu")
    splits = model.task.load()
    rows = model.task.encode(splits.rows.take(splits.val))
    scores = model.task.scores(rows.labels, model.outputs(rows))
    assert scores["loss"] == pytest.approx(opened(whole / "best_model.pt")["best_val_loss"], rel=1e-5)
    assert model.folder == whole / "best" and (model.folder / CALIBRATION).exists()


def test_an_epochs_means_are_those_of_its_rows(go: Train) -> None:
    home = go("train.drop_last=false", epochs=2, batch_size=7)  # 24 rows: the last step has 3
    lines = history(home, "train")
    for epoch in (1, 2):
        steps = [line for line in lines if line["epoch"] == epoch]
        assert ["total" in line for line in steps] == [False] * 3 + [True]
        mean = sum(line["batch_loss"] * rows for line, rows in zip(steps, (7, 7, 7, 3), strict=True)) / 24
        assert steps[-1]["total"] == pytest.approx(mean, rel=1e-12)
        parts = steps[-1]["regression"] + 0.3 * steps[-1]["classification"] + 0.2 * steps[-1]["ranking"]
        assert parts == pytest.approx(mean, rel=1e-5) and steps[-1]["learning_rate"] == steps[-1]["lr_0"]


def test_the_learning_rate_is_the_documented_curve(whole: Path) -> None:
    factor = factors(warmup=STEPS, total=STEPS * EPOCHS, least=0.0001 / 0.003)
    assert rates(whole) == pytest.approx([0.003 * factor(step) for step in range(12)])
    run = documented(whole, whole, lr=0.0000125, epochs=50, warmup_epochs=5, min_lr=0.000001)
    curve = optimizer.schedule(run.train, 500, 10)
    assert [curve(step) * 0.0000125 for step in (0, 49, 50, 275, 500, 900)] == pytest.approx(
        [0.0000125 / 51, 0.0000125 * 50 / 51, 0.0000125, 0.00000675, 0.000001, 0.000001]
    )


@pytest.mark.parametrize(("interval", "epochs", "named"), [(2, 3, [2, 3]), (5, 2, [2])])
def test_epochs_between_two_numbered_files(go: Train, interval: int, epochs: int, named: list[int]) -> None:
    home = go(save_interval=interval, epochs=epochs)
    assert sorted(home.glob("checkpoint_epoch_*.pt")) == [home / f"checkpoint_epoch_{i}.pt" for i in named]
    assert opened(home / "latest_model.pt")["epoch"] == epochs


def test_before_a_first_validation_there_is_no_best(go: Train) -> None:
    home = go(validate_interval=2, epochs=3)
    first = opened(home / "checkpoint_epoch_1.pt")
    assert first["best_val_loss"] == math.inf and first["val_history"] == []
    assert [line["epoch"] for line in opened(home / "latest_model.pt")["val_history"]] == [2, 3]
    again = go(out="again", validate_interval=2, epochs=2, resume=str(home / "checkpoint_epoch_1.pt"))
    assert final(again) == final(home)


# ---- killed, and gone on with to the same bits


KILLS = {
    "after the first step": at_step(1),
    "within an epoch": at_step(8),
    "between two epochs": at_step(6),
    "after the best and before the newest": at_call(Keeper, "periodic", 2),
    "before an epoch's files": at_call(epoch_files, "write", 2),
    "among an epoch's files": at_call(shutil, "copyfile", 5),
    "before the end is recorded": at_call(pipeline, "finish", 1),
}


@pytest.mark.parametrize("arrange", KILLS.values(), ids=KILLS)
def test_killed_anywhere_and_gone_on_with_it_ends_in_the_same_bits(
    arrange: Callable[[pytest.MonkeyPatch], None], go: Train, whole: Path
) -> None:
    killed(lambda: go("checkpoint.every_batches=2"), arrange)
    home = go("checkpoint.every_batches=2", resume="auto")
    assert final(home) == final(whole)
    for name in ("history.jsonl", "training_history.json"):
        assert (home / name).read_bytes() == (whole / name).read_bytes()
    assert {path.name for path in home.iterdir()} == {path.name for path in whole.iterdir()}
    for path in whole.glob("*.pt"):
        one, other = opened(path), opened(home / path.name)
        assert same({**one, "scheduler_state_dict": 0}, {**other, "scheduler_state_dict": 0}), path.name


def test_a_run_that_has_more_epochs_than_are_asked_for_says_so(
    go: Train, whole: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copytree(whole, tmp_path / "run")
    home = go(epochs=2, resume="auto")
    assert "4 epochs are done and 2 are configured: nothing to train" in caplog.text
    assert final(home) == final(whole)
    caplog.clear()
    go(resume="auto")
    assert "nothing to train" not in caplog.text
