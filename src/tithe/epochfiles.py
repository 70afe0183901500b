"""The documented single-file checkpoints: one dict for the end of an epoch, that goes on without its directory."""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from tithe import config, records, tensors
from tithe.checkpoint import TrainState
from tithe.errors import InputError

BEST, LATEST, HISTORY = "best_model.pt", "latest_model.pt", "training_history.json"
NUMBERED = "checkpoint_epoch_{}.pt"
_KEYS = (
    *("epoch", "global_step", "model_state_dict", "optimizer_state_dict", "scheduler_state_dict"),
    *("scaler_state_dict", "best_val_loss", "train_history", "val_history"),
)
_DAMAGE = (RuntimeError, pickle.UnpicklingError, EOFError, OSError)
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
    told = {"train": _of(history, "train"), "val": _of(history, "val")}
    content = {
        "epoch": state.progress["epoch"],
        "global_step": state.progress["step"],
        "model_state_dict": state.model,
        "optimizer_state_dict": state.optimizer,
        "scheduler_state_dict": {**state.scheduler, "config": state.progress["config"]["train"]},
        "scaler_state_dict": state.scaler or {},
        "best_val_loss": state.progress["best"]["score"],
        "train_history": told["train"],
        "val_history": told["val"],
    }
    latest = home / LATEST
    with tensors.disk_explained(latest), records.atomic_file(latest) as aside, aside.open("wb") as file:
        torch.save(content, file)
    named = [NUMBERED.format(content["epoch"])] if epoch_file else []
    for name in [*named, BEST] if is_best else named:
        with tensors.disk_explained(latest), records.atomic_file(home / name) as aside:
            shutil.copyfile(latest, aside)
    records.write_json(home / HISTORY, told)


def is_one(path: Path) -> bool:
    """Say whether a path is such a file; the other `.pt` files hold named tensors and nothing else."""
    if not path.is_file() or path.suffix != ".pt":
        return False
    try:
        content = _load(path)
    except _DAMAGE:
        return False
    return isinstance(content, Mapping) and set(_KEYS) <= set(content)


def read(path: Path) -> TrainState:
    """Read such a file as the state at the end of its epoch; nothing in it is executed.

    Raises
    ------
    InputError
        It is damaged, or something else.
    """
    content = _content(path)
    scheduler = {k: v for k, v in content["scheduler_state_dict"].items() if k != "config"}
    validated = content["val_history"]
    best: dict[str, Any] = min(validated, key=lambda r: float(r["loss"]), default={"step": None, "epoch": None})
    since = sum(r["epoch"] > best["epoch"] for r in validated)
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
            "best": {"score": content["best_val_loss"], "step": best["step"], "epoch": best["epoch"]},
            "waited": since,
            "seconds": 0.0,
            "made_of": {},
        },
    )


def continued(run: config.Run) -> config.Run:
    """Return the config of a run that goes on from such a file: its epochs are *more* epochs, as documented.

    Learning rate and schedule are those of the file's run, its end included, unless the config resets them. Other
    configs come back as they are.

    Raises
    ------
    InputError
        The file is damaged, or a reset was asked for without such a file.
    """
    asked = run.checkpoint.resume
    if not asked or not is_one(Path(asked)):
        if run.checkpoint.reset_lr or run.checkpoint.reset_schedule:
            raise InputError(f"nothing to reset: resume from a single file such as {LATEST}")
        return run
    content = _content(Path(asked))
    before, done = content["scheduler_state_dict"]["config"], int(content["epoch"])
    changes: dict[str, Any] = {"epochs": done + run.train.epochs}
    if not run.checkpoint.reset_lr:
        changes |= {key: before[key] for key in ("learning_rate", "encoder_learning_rate")}
    if run.checkpoint.reset_schedule:
        changes |= {"schedule_from": done}
    else:
        kept = ("schedule", "schedule_from", "schedule_steps", "warmup_steps", "warmup_epochs", "min_learning_rate")
        end = before["schedule_epochs"] or before["epochs"] - before["schedule_from"]
        changes |= {**{key: before[key] for key in kept}, "schedule_epochs": end}
    return run.model_copy(update={"train": run.train.model_copy(update=changes)})


def weights(path: Path) -> dict[str, torch.Tensor]:
    """Return the network's weights in such a file."""
    found: dict[str, torch.Tensor] = _content(path)["model_state_dict"]
    return found


def _content(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = _load(path)
    except _DAMAGE as error:
        raise InputError(f"{path} can't be read ({str(error).splitlines()[0]}): pass another checkpoint") from None
    if missing := [key for key in _KEYS if key not in content]:
        raise InputError(f"{path} lacks {', '.join(missing)}: pass a file such as {LATEST}")
    return content


def _load(path: Path) -> Any:
    return torch.load(path, map_location="cpu", weights_only=True, mmap=True)


def _of(history: Records, kind: str) -> Records:
    """An epoch's mean of the training loss is told under `total`; a step's record has none."""
    return [
        {name: value for name, value in record.items() if name != "kind"}
        for record in history
        if record["kind"] == kind and (kind == "val" or "total" in record)
    ]
