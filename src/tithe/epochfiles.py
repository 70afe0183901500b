"""The documented single-file checkpoints: one dict for the end of an epoch, that goes on without its directory."""

from __future__ import annotations

import dataclasses
import math
import pickle
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from tithe import checkpoint, config, records, tensors, tracking
from tithe.checkpoint import TrainState
from tithe.errors import InputError

BEST, LATEST, HISTORY = "best_model.pt", "latest_model.pt", "training_history.json"
NUMBERED = "checkpoint_epoch_{}.pt"
_KEYS = (
    *("epoch", "global_step", "model_state_dict", "optimizer_state_dict", "scheduler_state_dict"),
    *("scaler_state_dict", "best_val_loss", "train_history", "val_history"),
)
_DAMAGE = (RuntimeError, pickle.UnpicklingError, EOFError, OSError, zipfile.BadZipFile)
_NONE = {"score": None, "step": None, "epoch": None}
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
        "best_val_loss": math.inf if state.progress["best"]["score"] is None else state.progress["best"]["score"],
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
    """Say whether a path is such a file; the other `.pt` files hold named tensors and nothing else.

    Raises
    ------
    InputError
        It is damaged; those of a checkpoint directory are verified with it.
    """
    if not path.is_file() or path.suffix != ".pt" or checkpoint.is_checkpoint(path.parent):
        return False
    content = _opened(path)
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
            "best": {"score": best["loss"], "step": best["step"], "epoch": best["epoch"]} if best else dict(_NONE),
            "waited": since,
            "seconds": 0.0,
            "made_of": {},
        },
    )


def fitted(state: TrainState, path: Path, weights: Mapping[str, torch.Tensor], best: Path, patience: int) -> TrainState:
    """Return the state of such a file for a run that goes on from it.

    Its best score counts where the run has the weights that it belongs to. Patience that had run out begins anew: who
    names a file asks for more epochs.

    Parameters
    ----------
    weights
        Those of the network of the run.
    best
        Where the run keeps its best checkpoint.

    Raises
    ------
    InputError
        The file holds another network.
    """
    if {n: value.shape for n, value in state.model.items()} != {n: value.shape for n, value in weights.items()}:
        raise InputError(f"{path} holds another network: use the model settings that it was trained with")
    progress = state.progress
    if not checkpoint.is_checkpoint(best) or checkpoint.progress(best)["best"] != progress["best"]:
        progress = {**progress, "best": dict(_NONE), "waited": 0}
    if progress["waited"] >= patience:
        progress = {**progress, "waited": 0}
    return dataclasses.replace(state, progress=progress)


def history(path: Path) -> Records:
    """Return the records of the run up to such a file: of every step where they lie beside it, else of its epochs."""
    content = _content(path)
    beside = [r for r in records.read_lines(path.parent / tracking.HISTORY) if r["step"] <= content["global_step"]]
    if all(_of(beside, kind) == content[f"{kind}_history"] for kind in ("train", "val")):
        return beside
    told = [{"kind": kind, **record} for kind in ("train", "val") for record in content[f"{kind}_history"]]
    return sorted(told, key=lambda record: int(record["step"]))


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
        changes |= _schedule(before, done, run.checkpoint.reset_lr)
    return run.model_copy(update={"train": run.train.model_copy(update=changes)})


def _schedule(before: Mapping[str, Any], done: int, other_rate: bool) -> dict[str, Any]:
    """Return the schedule that a run goes on with.

    It is that of the file's run; but another rate would be lost on one that has come to its end: it falls from there.
    """
    kept = ("schedule", "schedule_from", "schedule_steps", "warmup_steps", "warmup_epochs", "min_learning_rate")
    end = before["schedule_epochs"] or before["epochs"] - before["schedule_from"]
    changes = {**{key: before[key] for key in kept}, "schedule_epochs": end}
    if other_rate and not before["schedule_steps"] and done >= before["schedule_from"] + end:
        changes |= {"schedule_from": done, "schedule_epochs": None, "warmup_steps": 0, "warmup_epochs": 0}
    return changes


def weights(path: Path) -> dict[str, torch.Tensor]:
    """Return the network's weights in such a file."""
    found: dict[str, torch.Tensor] = _content(path)["model_state_dict"]
    return found


def _content(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = _opened(path)
    if missing := [key for key in _KEYS if key not in content]:
        raise InputError(f"{path} lacks {', '.join(missing)}: pass a file such as {LATEST}")
    return content


def _opened(path: Path) -> Any:
    """Return what lies in a file of tensors, without a copy in memory, its bytes verified."""
    try:
        with zipfile.ZipFile(path) as archive:  # torch writes checksums, and compares them nowhere
            if broken := archive.testzip():
                raise zipfile.BadZipFile(f"{broken} has changed")
        return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except _DAMAGE as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"{path} can't be read ({reason}): pass another checkpoint") from None


def _of(history: Records, kind: str) -> Records:
    """An epoch's mean of the training loss is told under `total`; a step's record has none."""
    return [
        {name: value for name, value in record.items() if name != "kind"}
        for record in history
        if record["kind"] == kind and (kind == "val" or "total" in record)
    ]
