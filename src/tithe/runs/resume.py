"""Whether a run may continue, and where."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tithe import config, storage
from tithe.checkpoints import locate, store
from tithe.checkpoints.epoch_files import NO_BEST, EpochFile, Records
from tithe.checkpoints.state import TrainState
from tithe.data import LabelMap
from tithe.errors import InputError
from tithe.models.network import Network
from tithe.select import selection
from tithe.storage import run_files
from tithe.tasks import Task

logger = logging.getLogger("tithe")

_CURES = {
    "labels": "use the data it was trained on, or start a new run without resume",
    "model": "use the model settings it was trained with, or start a new run without resume",
    "data": "use the rows and seed it was trained with, or start a new run without resume",
    "select": "use the selection it was trained with, or start a new run without resume",
    "order": "keep batch_size, accumulation_steps, group_by_length and seed, or start a new run",
    "encoder": "use the frozen encoder it was trained with, or start a new run",
}


@dataclass(frozen=True)
class ResumePoint:
    """Where a run continues: a checkpoint directory or an epoch file.

    Attributes
    ----------
    path
        The directory or the file.
    epoch_file
        The opened file; None for a directory.
    """

    path: Path
    epoch_file: EpochFile | None = None

    @property
    def config(self) -> dict[str, Any]:
        """The resolved config of the run that saved it; empty for a file, which has only the `train` section."""
        return {} if self.epoch_file else dict(store.progress(self.path)["config"])

    def check(self, fingerprint: Mapping[str, Any]) -> None:
        """Compare the fingerprint in a checkpoint directory with that of the current run.

        Raises
        ------
        InputError
            Labels, model, data, selection, order of rows or encoder differ; the message names the difference.
        """
        if self.epoch_file:
            return
        saved = store.progress(self.path)["made_of"]
        for key, cure in _CURES.items():
            if key in fingerprint and saved.get(key) != fingerprint[key]:
                difference = _difference(saved.get(key), fingerprint[key])
                raise InputError(f"checkpoint {self.path} has different {key} ({difference}): {cure}")

    def state(self, network: Network, best: Path, patience: int) -> TrainState:
        """Return the state to continue from, in the form that the trainable part of the network needs.

        Parameters
        ----------
        best
            Path of the run's best checkpoint.
        patience
            Epochs without improvement after which the run stops early; 0 disables early stopping.

        Raises
        ------
        InputError
            It is incomplete, or belongs to another network.
        """
        if self.epoch_file is None:
            return network.adapt_state(store.load(self.path))
        return network.adapt_state(_state_of_file(self.epoch_file, network, best, patience))

    def history(self, home: Path) -> Records | None:
        """Return the history that a run in `home` takes over from elsewhere; None if it has its own."""
        if self.epoch_file:
            return self.epoch_file.history()
        for folder in (self.path.parent, self.path.parent.parent):
            file = folder / run_files.HISTORY
            if file.exists() and not (home / run_files.HISTORY).exists():
                return storage.read_lines(file)
        return None


def _state_of_file(file: EpochFile, network: Network, best: Path, patience: int) -> TrainState:
    """Return the state of an epoch file for a run that continues from it.

    Its best score is kept only if the run has the weights that reached it. Exhausted patience is reset, because
    resuming from a file asks for more epochs.
    """
    state, expected = file.state(), network.trainable.state_dict()
    if {n: value.shape for n, value in state.model.items()} != {n: value.shape for n, value in expected.items()}:
        raise InputError(f"{file.path} contains another network: use the model settings that it was trained with")
    progress = state.progress
    if not locate.is_checkpoint(best) or store.progress(best)["best"] != progress["best"]:
        progress = {**progress, "best": dict(NO_BEST), "waited": 0}
    if progress["waited"] >= patience:
        progress = {**progress, "waited": 0}
    return dataclasses.replace(state, progress=progress)


def named_epoch_file(run: config.Run) -> EpochFile | None:
    """Open the epoch file that a config resumes from; None if it resumes from anything else.

    Raises
    ------
    InputError
        It is damaged.
    """
    resume = run.checkpoint.resume
    return locate.find_epoch_file(Path(resume)) if resume else None


def find_start(run: config.Run, home: Path, epoch_file: EpochFile | None) -> ResumePoint | None:
    """Return where a run in `home` continues; None if it starts from the beginning.

    Raises
    ------
    InputError
        The checkpoint to resume from does not exist.
    """
    if epoch_file:
        return ResumePoint(epoch_file.path, epoch_file)
    resume = run.checkpoint.resume
    if resume is None:
        return None
    if resume != "auto":
        return ResumePoint(locate.find(Path(resume)))
    storage.recover(home / run.checkpoint.dir)
    newest = locate.newest_intact(home / run.checkpoint.dir)
    return ResumePoint(newest) if newest else None


def fingerprint(task: Task, labels: LabelMap, data: str) -> dict[str, Any]:
    """Return what must not change between a checkpoint and the run that continues from it.

    Parameters
    ----------
    data
        Fingerprint of the rows as they were split.
    """
    run, t = task.run, task.run.train
    return {
        "labels": {"classes": len(labels), "sha256": labels.hash},
        "model": task.fingerprint(),
        "data": data,
        "select": selection.fingerprint(run.select) if run.select else None,
        "order": {
            "seed": run.seed,
            "batch_size": t.batch_size,
            "accumulation_steps": t.accumulation_steps,
            "group_by_length": t.group_by_length,
        },
    }


def _difference(saved: Any, now: Any) -> str:
    if isinstance(saved, dict) and isinstance(now, dict):
        key = next(k for k in {**saved, **now} if saved.get(k) != now.get(k))
        return f"{key}: {_short(saved.get(key))} in the checkpoint, {_short(now.get(key))} now"
    return f"{_short(saved)} in the checkpoint, {_short(now)} now"


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


def apply_epoch_file(run: config.Run, file: EpochFile | None) -> config.Run:
    """Return the config of a run that continues from an epoch file: its epochs are *additional* epochs.

    Learning rate and schedule, including its end, are those of the file's run unless the config resets them. Without a
    file the config is returned unchanged.

    Raises
    ------
    InputError
        A reset is configured without a file.
    """
    if file is None:
        if run.checkpoint.reset_lr or run.checkpoint.reset_schedule:
            raise InputError(f"nothing to reset: resume from a single file such as {run_files.LATEST}")
        return run
    before, done = file.train_settings, file.epoch
    changes: dict[str, Any] = {"epochs": done + run.train.epochs}
    if not run.checkpoint.reset_lr:
        changes |= {key: before[key] for key in ("learning_rate", "encoder_learning_rate")}
    if run.checkpoint.reset_schedule:
        changes |= {"schedule_from": done}
    else:
        changes |= _schedule(before, done, run.checkpoint.reset_lr)
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
