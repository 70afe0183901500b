"""A checkpoint directory: whole or not there at all, and nothing in it is executed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tithe import storage
from tithe.checkpoints import store
from tithe.checkpoints.state import TrainState
from tithe.errors import InputError, TitheError


def test_a_save_that_fails_midway_keeps_the_old_one(tmp_path: Path) -> None:
    state = TrainState({}, {}, {}, {}, {"step": 1})
    store.save(tmp_path / "best", state, lambda folder: None)

    def fail(folder: Path) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(TitheError, match="No space left on device"):
        store.save(tmp_path / "best", TrainState({}, {}, {}, {}, {"step": 2}), fail)
    assert store.load(tmp_path / "best").progress["step"] == 1


def test_nothing_in_a_checkpoint_is_executed(tmp_path: Path) -> None:
    import pickle

    import torch

    class Bomb:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(tmp_path / "boom"),)

    with storage.atomic_folder(tmp_path / "evil") as aside:
        torch.save({"x": Bomb()}, aside / "model.pt")
        storage.write_json(aside / "state.json", {"step": 1})
    with pytest.raises((pickle.UnpicklingError, InputError)):
        store.load(tmp_path / "evil")
    assert not (tmp_path / "boom").exists()
