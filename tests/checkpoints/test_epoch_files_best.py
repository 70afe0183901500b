"""Epoch files of runs whose best epoch is not the one with the lowest loss."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.epoch_files import opened, same
from support.photographs import history
from support.runs import run
from tithe.checkpoints import epoch_files, locate, store
from tithe.errors import InputError
from tithe.predict import load

Settings = Callable[..., dict[str, Any]]
_RESET = {"reset_lr": True, "reset_schedule": True}


def by(raw: dict[str, Any], score: str, **checkpoint: Any) -> dict[str, Any]:
    return {**raw, "checkpoint": {"epoch_files": 1, "best_by": score, **checkpoint}}


def test_the_best_epoch_by_another_score_survives_more_epochs(settings: Settings, tmp_path: Path) -> None:
    # Its F1 stays from the third epoch on, while the loss falls: a fifth epoch does not improve it.
    first = run(by(settings(train={"epochs": 4, "learning_rate": 2e-4}), "f1"))
    checks = {line["epoch"]: line for line in history(first.home, "val")}
    best = first.scores["best"]
    assert best["epoch"] < 4 and checks[4]["loss"] < checks[best["epoch"]]["loss"]
    latest = first.home / "latest_model.pt"
    assert opened(latest)["best_val_loss"] == checks[best["epoch"]]["loss"]
    assert [opened(first.home / f"checkpoint_epoch_{epoch}.pt")["best_val_loss"] for epoch in (1, 4)] == [
        checks[1]["loss"],
        checks[best["epoch"]]["loss"],
    ]
    weights = store.weights(first.home / "checkpoints/best")
    more = run(by(settings(train={"epochs": 1, "learning_rate": 1e-9}), "f1", resume=str(latest), **_RESET))
    assert more.scores["best"] == best and more.home == first.home
    assert all(value.equal(weights[name]) for name, value in store.weights(more.best).items())


def test_another_score_than_the_one_that_decided_is_one_line(settings: Settings, tmp_path: Path) -> None:
    first = run(by(settings(train={"epochs": 1}), "f1"))
    with pytest.raises(InputError, match=r"is one by f1: set checkpoint\.best_by to f1") as caught:
        run(by(settings(), "loss", resume=str(first.home / "latest_model.pt"), **_RESET))
    assert len(str(caught.value).splitlines()) == 1


def test_the_rate_of_the_encoder_can_not_come_or_go(settings: Settings, tmp_path: Path) -> None:
    first = run(by(settings(train={"epochs": 1}), "f1"))
    raw = settings(train={"encoder_learning_rate": 1e-4})
    with pytest.raises(InputError, match="with no learning rate of its own for the encoder"):
        run(by(raw, "f1", resume=str(first.home / "latest_model.pt"), **_RESET))


def test_averaged_weights_are_those_that_a_file_predicts_with_and_goes_on_from(
    settings: Settings, tmp_path: Path
) -> None:
    train = {"epochs": 3, "learning_rate": 2e-4, "ema_decay": 0.9}
    whole = run(by({**settings(train=train), "out": str(tmp_path / "whole")}, "loss"))
    best, file = store.weights(whole.best), whole.home / "best_model.pt"
    found = locate.load_single_file(file)
    assert found.keys() == best.keys() and all(value.equal(best[name]) for name, value in found.items())
    model = load(file, device="cpu")
    rows = model.task.encode((splits := model.task.load()).rows.take(splits.val))
    assert model.task.scores(rows.labels, model.outputs(rows))["loss"] == pytest.approx(opened(file)["best_val_loss"])
    newest = locate.newest_intact(whole.home / "checkpoints", exclude=whole.best)
    assert newest and same(epoch_files.read(whole.home / "latest_model.pt").state().ema, store.load(newest).ema)
    first = str(whole.home / "checkpoint_epoch_1.pt")
    raw = {**settings(train={**train, "epochs": 2, "ema_decay": 0.9999999}), "out": str(tmp_path / "again")}
    again = run(by(raw, "loss", resume=first))  # an average that stays where it was, and does not begin again
    losses = [line["loss"] for line in history(again.home, "val")]
    assert losses[1:] == pytest.approx([losses[0]] * 2, rel=1e-4)
