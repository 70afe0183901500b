"""The documented single-file checkpoints: one dict for the end of an epoch, that goes on without its directory."""

from __future__ import annotations

import math
import pickle
import shutil
import zipfile
from pathlib import Path
from typing import Any

import torch

from tithe import storage
from tithe.checkpoints import tensors
from tithe.checkpoints.state import TrainState
from tithe.errors import InputError

BEST, LATEST, HISTORY = "best_model.pt", "latest_model.pt", "training_history.json"
NUMBERED = "checkpoint_epoch_{}.pt"
KEYS = (
    *("epoch", "global_step", "model_state_dict", "optimizer_state_dict", "scheduler_state_dict"),
    *("scaler_state_dict", "best_val_loss", "train_history", "val_history"),
)
_DAMAGE = (RuntimeError, pickle.UnpicklingError, EOFError, OSError, zipfile.BadZipFile)
NO_BEST = {"score": None, "step": None, "epoch": None}
Records = list[dict[str, Any]]


def write(home: Path, state: TrainState, epoch_file: bool, is_best: bool, history: Records) -> None:
    """Write the state at an epoch's end as `latest_model.pt`, and under the other names that it deserves.

    Parameters
    ----------
    epoch_file
        Whether it also becomes `checkpoint_epoch_N.pt`.
    is_best
        Whether it also becomes `best_model.pt`.
    history
        The run's records so far: epochs' means of the training loss, and validation scores.
    """
    told = {"train": of_kind(history, "train"), "val": of_kind(history, "val")}
    content = {
        "epoch": state.progress["epoch"],
        "global_step": state.progress["step"],
        "model_state_dict": state.model,
        "optimizer_state_dict": state.optimizer,
        "scheduler_state_dict": {**state.scheduler, "config": state.progress["config"]["train"]},
        "scaler_state_dict": state.scaler or {},
        "best_val_loss": math.inf if state.progress["best"]["score"] is None else state.progress["best"]["score"],
        "train_history": told["train"],
        "val_history": told["val"],
    }
    latest = home / LATEST
    with tensors.disk_explained(latest), storage.atomic_file(latest) as aside, aside.open("wb") as file:
        torch.save(content, file)
    named = [NUMBERED.format(content["epoch"])] if epoch_file else []
    for name in [*named, BEST] if is_best else named:
        with tensors.disk_explained(latest), storage.atomic_file(home / name) as aside:
            shutil.copyfile(latest, aside)
    storage.write_json(home / HISTORY, told)


def read(path: Path) -> TrainState:
    """Read such a file as the state at the end of its epoch; nothing in it is executed.

    Raises
    ------
    InputError
        It is damaged, or something else.
    """
    content = read_content(path)
    scheduler = {k: v for k, v in content["scheduler_state_dict"].items() if k != "config"}
    # Scores from before a run moved to another directory stand in the history, and their weights are elsewhere.
    best = next((r for r in content["val_history"] if r["loss"] == content["best_val_loss"]), None)
    since = sum(r["epoch"] > best["epoch"] for r in content["val_history"]) if best else 0
    return TrainState(
        model=content["model_state_dict"],
        optimizer=content["optimizer_state_dict"],
        scheduler=scheduler,
        rng={},
        scaler=content["scaler_state_dict"] or None,
        progress={
            "epoch": content["epoch"],
            "step_in_epoch": 0,
            "step": content["global_step"],
            "batches": content["global_step"] * content["scheduler_state_dict"]["config"]["accumulation_steps"],
            "best": {"score": best["loss"], "step": best["step"], "epoch": best["epoch"]} if best else dict(NO_BEST),
            "waited": since,
            "seconds": 0.0,
            "made_of": {},
        },
    )


def weights(path: Path) -> dict[str, torch.Tensor]:
    """Return the network's weights in such a file."""
    found: dict[str, torch.Tensor] = read_content(path)["model_state_dict"]
    return found


def read_content(path: Path) -> dict[str, Any]:
    """Return what such a file holds.

    Raises
    ------
    InputError
        It is damaged, or something else.
    """
    content: dict[str, Any] = open_file(path)
    if missing := [key for key in KEYS if key not in content]:
        raise InputError(f"{path} lacks {', '.join(missing)}: pass a file such as {LATEST}")
    return content


def open_file(path: Path) -> Any:
    """Return what lies in a file of tensors, without a copy in memory, its bytes verified."""
    try:
        with zipfile.ZipFile(path) as archive:  # torch writes checksums, and compares them nowhere
            if broken := archive.testzip():
                raise zipfile.BadZipFile(f"{broken} has changed")
        return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except _DAMAGE as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"{path} can't be read ({reason}): pass another checkpoint") from None


def of_kind(history: Records, kind: str) -> Records:
    """An epoch's mean of the training loss is told under `total`; a step's record has none."""
    return [
        {name: value for name, value in record.items() if name != "kind"}
        for record in history
        if record["kind"] == kind and (kind == "val" or "total" in record)
    ]
