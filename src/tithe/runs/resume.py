"""Whether a run may continue, and where."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from tithe import config, storage
from tithe.checkpoints import locate, store
from tithe.checkpoints.epoch_files import LATEST, NO_BEST, Records, of_kind, read_content
from tithe.checkpoints.locate import is_epoch_file
from tithe.checkpoints.state import TrainState
from tithe.data.splits import Splits
from tithe.errors import InputError
from tithe.storage import run_files


def fingerprint(run: config.Run, task: Any, splits: Splits) -> dict[str, Any]:
    """What must not change between a checkpoint and the run that goes on from it."""
    t = run.train
    return {
        "labels": {"classes": len(splits.labels), "sha256": splits.labels.hash},
        "model": task.identity(),
        "data": splits.fingerprint,
        "select": run.select.model_dump(mode="json") if run.select else None,
        "order": {
            "seed": run.seed,
            "batch_size": t.batch_size,
            "accumulation_steps": t.accumulation_steps,
            "group_by_length": t.group_by_length,
        },
    }


def check_same(saved: Mapping[str, Any], now: Mapping[str, Any], path: Path) -> None:
    """Compare what a checkpoint was made of with what the run is made of now.

    Raises
    ------
    InputError
        Labels, model, data or order of rows differ; the message says which and how.
    """
    cures = {
        "labels": "use the data it was trained on, or start anew without resume",
        "model": "use the model settings it was trained with, or start anew without resume",
        "data": "use the rows and seed it was trained with, or start anew without resume",
        "select": "use the selection it was trained with, or start anew without resume",
        "order": "keep batch_size, accumulation_steps, group_by_length and seed, or start anew",
        "encoder": "use the frozen encoder it was trained with, or start anew",
    }
    for key, cure in cures.items():
        if key in now and saved.get(key) != now[key]:
            raise InputError(f"checkpoint {path} has other {key} ({_differs(saved.get(key), now[key])}): {cure}")


def _differs(saved: Any, now: Any) -> str:
    if isinstance(saved, dict) and isinstance(now, dict):
        key = next(k for k in {**saved, **now} if saved.get(k) != now.get(k))
        return f"{key}: {_short(saved.get(key))} there, {_short(now.get(key))} here"
    return f"{_short(saved)} there, {_short(now)} here"


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


def adapt_state(
    state: TrainState, path: Path, weights: Mapping[str, torch.Tensor], best: Path, patience: int
) -> TrainState:
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
    if not locate.is_checkpoint(best) or store.progress(best)["best"] != progress["best"]:
        progress = {**progress, "best": dict(NO_BEST), "waited": 0}
    if progress["waited"] >= patience:
        progress = {**progress, "waited": 0}
    return dataclasses.replace(state, progress=progress)


def epoch_file_history(path: Path) -> Records:
    """Return the records of the run up to such a file: of every step where they lie beside it, else of its epochs."""
    content = read_content(path)
    beside = [r for r in storage.read_lines(path.parent / run_files.HISTORY) if r["step"] <= content["global_step"]]
    if all(of_kind(beside, kind) == content[f"{kind}_history"] for kind in ("train", "val")):
        return beside
    told = [{"kind": kind, **record} for kind in ("train", "val") for record in content[f"{kind}_history"]]
    return sorted(told, key=lambda record: int(record["step"]))


def apply_epoch_file(run: config.Run) -> config.Run:
    """Return the config of a run that goes on from such a file: its epochs are *more* epochs, as documented.

    Learning rate and schedule are those of the file's run, its end included, unless the config resets them. Other
    configs come back as they are.

    Raises
    ------
    InputError
        The file is damaged, or a reset was asked for without such a file.
    """
    asked = run.checkpoint.resume
    if not asked or not is_epoch_file(Path(asked)):
        if run.checkpoint.reset_lr or run.checkpoint.reset_schedule:
            raise InputError(f"nothing to reset: resume from a single file such as {LATEST}")
        return run
    content = read_content(Path(asked))
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


def start_of(run: config.Run, home: Path) -> Path | None:
    """Return the checkpoint that a run goes on from, a directory or a single file; None where it begins."""
    asked = run.checkpoint.resume
    if asked and locate.is_epoch_file(Path(asked)):
        return Path(asked)
    if asked != "auto":
        return locate.find(Path(asked)) if asked else None
    storage.recover(home / run.checkpoint.dir)
    return locate.newest_whole(home / run.checkpoint.dir)
