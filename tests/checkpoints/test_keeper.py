"""Periodic checkpoints rotate; the best, and what a run did not write, stay."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from support.runs import run, with_out
from tithe import storage
from tithe.checkpoints import locate, store
from tithe.checkpoints.keeper import Keeper
from tithe.checkpoints.state import TrainState

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


def test_what_a_deletion_that_was_cut_short_has_left_goes_when_a_run_continues_after_it(tmp_path: Path) -> None:
    for name, step in (("step_00000001", 1), ("step_00000002", 2), ("step_00000003", 3), ("step_00000004", 4)):
        store.save(tmp_path / name, TrainState({}, {}, {}, {}, {"step": step}), lambda folder: None)
    (tmp_path / "step_00000001/rng.pt").unlink()
    (tmp_path / "step_00000001/state.json").unlink()
    (tmp_path / "step_00000004/rng.pt").unlink()  # after the one to resume from: trained again
    (tmp_path / "step_00000000").mkdir()
    storage.write_text(tmp_path / "step_00000002/model.pt", "damaged, but all there")
    storage.write_text(tmp_path / "step_a/notes.txt", "somebody's")
    keeper = Keeper(tmp_path, 2, lambda folder: None)
    keeper.clear_remnants(tmp_path / "step_00000003")
    left = ["step_00000002", "step_00000003", "step_00000004", "step_a"]
    assert sorted(path.name for path in tmp_path.iterdir()) == left
    assert [path.name for path in keeper.own] == left[:2]
    assert locate.remnants(tmp_path) == [tmp_path / "step_00000004"]
