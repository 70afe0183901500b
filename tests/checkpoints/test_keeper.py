"""Periodic checkpoints rotate; the best, and what a run did not write, stay."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from support.runs import run, with_out
from tithe.checkpoints import store

Settings = Callable[..., dict[str, Any]]


def test_periodic_checkpoints_rotate_and_the_best_stays(settings: Settings, tmp_path: Path) -> None:
    outcome = run(with_out(settings(), tmp_path / "run", keep=2))
    names = sorted(p.name for p in (tmp_path / "run/checkpoints").iterdir())
    assert names == ["best", "step_00000020", "step_00000024"]
    saved = store.load(outcome.best)
    assert saved.progress["best"]["step"] in (12, 24)
    assert {p.name for p in outcome.best.glob("*.pt")} == {"model.pt", "optimizer.pt", "scheduler.pt", "rng.pt"}


def test_rotation_leaves_what_the_run_did_not_write(settings: Settings, tmp_path: Path) -> None:
    run(with_out(settings(train={"epochs": 1}), tmp_path / "run"))
    stranger = tmp_path / "run/checkpoints/step_00000099"
    stranger.mkdir()
    (stranger / "model.pt").write_bytes(b"somebody's")
    run(with_out(settings(), tmp_path / "run", keep=1, resume="auto"))
    assert (stranger / "model.pt").read_bytes() == b"somebody's"
    assert sorted(p.name for p in stranger.parent.glob("step_*")) == ["step_00000024", "step_00000099"]
