"""The config of a run that continues from an epoch file: which settings are those of the file's run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tithe import config
from tithe.checkpoints import locate
from tithe.checkpoints.epoch_files import EpochFile
from tithe.errors import InputError
from tithe.storage import run_files


def named_epoch_file(run: config.Run) -> EpochFile | None:
    """Open the epoch file that a config resumes from; None if it resumes from anything else.

    Raises
    ------
    InputError
        It is damaged.
    """
    resume = run.checkpoint.resume
    return locate.find_epoch_file(Path(resume)) if resume else None


def apply_epoch_file(run: config.Run, file: EpochFile | None) -> config.Run:
    """Return the config of a run that continues from an epoch file: its epochs are *additional* epochs.

    Learning rate and schedule, including its end, are those of the file's run unless the config resets them. Without a
    file the config is returned unchanged.

    Raises
    ------
    InputError
        A reset is configured without a file, or `train.steps_of` with one; or its best epoch is one by another score.
    """
    if file is None:
        if run.checkpoint.reset_lr or run.checkpoint.reset_schedule:
            raise InputError(f"nothing to reset: resume from a single file such as {run_files.LATEST}")
        return run
    if run.select and run.train.steps_of == "all":
        raise InputError("train.steps_of all does not count in whole passes, as an epoch file does: set it to selected")
    if file.best_by not in (None, run.checkpoint.best_by):
        raise InputError(
            f"the best epoch of {file.path} is one by {file.best_by}: set checkpoint.best_by to {file.best_by}, or "
            "start a new run without resume"
        )
    before, done = file.train_settings, file.epoch
    changes: dict[str, Any] = {"epochs": done + run.train.epochs}
    if not run.checkpoint.reset_lr:
        changes |= {key: before[key] for key in ("learning_rate", "encoder_learning_rate")}
    is_reset = run.checkpoint.reset_schedule
    changes |= {"schedule_from": done} if is_reset else _schedule(before, done, run.checkpoint.reset_lr)
    return run.model_copy(update={"train": run.train.model_copy(update=changes)})


def _schedule(before: Mapping[str, Any], done: int, new_rate: bool) -> dict[str, Any]:
    """Return the schedule that a run continues with.

    It is the schedule of the file's run. If that has ended and the learning rate is new, it restarts here; otherwise
    the new rate would have no effect.
    """
    kept = ("schedule", "schedule_from", "schedule_steps", "warmup_steps", "warmup_epochs", "min_learning_rate")
    end = before["schedule_epochs"] or before["epochs"] - before["schedule_from"]
    changes = {**{key: before[key] for key in kept}, "schedule_epochs": end}
    if new_rate and not before["schedule_steps"] and done >= before["schedule_from"] + end:
        changes |= {"schedule_from": done, "schedule_epochs": None, "warmup_steps": 0, "warmup_epochs": 0}
    return changes
