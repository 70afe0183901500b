"""Whether a run may continue, and where."""

from __future__ import annotations

import dataclasses
import itertools
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tithe import config, storage
from tithe.checkpoints import locate, store
from tithe.checkpoints.epoch_files import NO_BEST, EpochFile, Records
from tithe.checkpoints.state import TrainState
from tithe.config import Train
from tithe.data import LabelMap
from tithe.errors import InputError
from tithe.models.network import Network
from tithe.select import settings
from tithe.storage import run_files
from tithe.tasks import Task
from tithe.train import optimizer

logger = logging.getLogger("tithe")

_CURES = {
    "labels": "use the data it was trained on, or start a new run without resume",
    "model": "use the model settings it was trained with, or start a new run without resume",
    "data": "use the rows and seed it was trained with, or start a new run without resume",
    "select": "use the selection it was trained with, or start a new run without resume",
    "weights": "use the machine and libraries it was started with, or start a new run without resume",
    "order": "keep batch_size, accumulation_steps, group_by_length and seed, or start a new run",
    "encoder": "use the frozen encoder it was trained with, or start a new run",
}
# Settings with which a saved position, or a saved best score, would mean something else.
_KEPT = (("train", "drop_last"), ("checkpoint", "best_by"))


@dataclass(frozen=True)
class ResumePoint:
    """Where a run continues: a checkpoint directory or an epoch file.

    Attributes
    ----------
    path
        The directory or the file.
    epoch_file
        The opened file; None for a directory.
    best
        The checkpoint with the best weights at that point, if there is one.
    """

    path: Path
    epoch_file: EpochFile | None = None
    best: Path | None = None

    @property
    def config(self) -> dict[str, Any]:
        """The resolved config of the run that saved it; empty for a file, which has only the `train` section."""
        return {} if self.epoch_file else dict(store.progress(self.path)["config"])

    def files(self, home: Path) -> dict[str, str]:
        """Return the hashes of files in a run directory, taken before this point: not all will be written again."""
        finished = storage.read_manifest(home) or {}
        own = {name: sha256 for name, sha256 in finished.items() if "/" not in name}
        return own if self.epoch_file else {**own, **store.progress(self.path).get("files", {})}

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

    def state(self, network: Network, best: Path, settings: Train) -> TrainState:
        """Return the state to continue from, in the form that the trainable part of the network needs.

        Parameters
        ----------
        best
            Path of the run's best checkpoint.
        settings
            The config's `train` section.

        Raises
        ------
        InputError
            It is incomplete, or belongs to another network or to other groups of parameters.
        """
        file = self.epoch_file
        state = _state_of_file(file, network, best, settings.patience) if file else store.load(self.path)
        if not file and self.best is None:  # a later one replaced it, and is searched again
            state = dataclasses.replace(state, progress={**state.progress, "best": dict(NO_BEST)})
        state = network.adapt_state(state)
        _check_groups(state, network, settings)
        return state

    def history(self, home: Path) -> Records:
        """Return the records of the run's history up to this point.

        Raises
        ------
        InputError
            The history is not the one that was there when the checkpoint was saved.
        """
        if self.epoch_file:
            return self.epoch_file.history()
        file, extent = self._history_file(home), self._history_extent
        if file is None:
            logger.warning("checkpoint %s has no %s beside it: a new one begins", self.path, run_files.HISTORY)
            return []
        if extent:
            return storage.read_lines(file, extent.bytes)
        step = store.progress(self.path)["step"]  # of an earlier version, which saved no extent
        return [record for record in storage.read_lines(file) if int(record["step"]) <= step]

    @property
    def _history_extent(self) -> storage.Extent | None:
        saved = store.progress(self.path).get("history")
        return storage.Extent(**saved) if saved else None

    def _history_file(self, home: Path) -> Path | None:
        """Return the history that the checkpoint belongs to: in the run directory, or where the checkpoint is."""
        own = locate.home_of(self.path, self.config.get("checkpoint", {}).get("dir", run_files.CHECKPOINTS))
        folders = dict.fromkeys([home, self.path.parent, own])
        files = [folder / run_files.HISTORY for folder in folders]
        there, extent = [file for file in files if file.exists()], self._history_extent
        belonging = [file for file in there if extent is None or storage.begins_with(file, extent)]
        if belonging:
            return belonging[0]
        if there or (extent and extent.bytes and self.path.resolve().is_relative_to(home.resolve())):
            raise InputError(
                f"{(there or files)[0]} is not the history that checkpoint {self.path} was saved with (it was edited, "
                "cut or deleted): restore it, resume from an earlier checkpoint, or start a new run without resume"
            )
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
    if locate.is_checkpoint(best) and (bad := store.damaged_files(best)):
        raise InputError(f"checkpoint {best} is damaged ({', '.join(bad)}): restore it, or delete it to do without")
    if not locate.is_checkpoint(best) or store.progress(best)["best"] != progress["best"]:
        progress = {**progress, "best": dict(NO_BEST), "waited": 0}
    if progress["waited"] >= patience:
        progress = {**progress, "waited": 0}
    return dataclasses.replace(state, progress=progress)


def _check_groups(state: TrainState, network: Network, settings: Train) -> None:
    saved = [len(group["params"]) for group in state.optimizer["param_groups"]]
    now = optimizer.group_sizes(network.trainable, settings)
    if saved != now:
        had, cure = ("no", "leave it out") if settings.encoder_learning_rate else ("a", "set it")
        raise InputError(
            f"the checkpoint was trained with {had} learning rate of its own for the encoder: {cure} "
            "(train.encoder_learning_rate), or start a new run without resume"
        )


def find_start(run: config.Run, home: Path, epoch_file: EpochFile | None) -> ResumePoint | None:
    """Return where a run in `home` continues; None if it starts from the beginning.

    Raises
    ------
    InputError
        The checkpoint to resume from does not exist, its run's best weights are lost, its history was edited, or it
        was trained with other settings.
    """
    if epoch_file:
        point: ResumePoint | None = ResumePoint(epoch_file.path, epoch_file)
    else:
        point = _find_checkpoint(run, home)
    if point:
        _check_settings(run, point)
        point.history(home)
    return point


def _check_settings(run: config.Run, point: ResumePoint) -> None:
    """Compare the settings that a checkpoint directory depends on with those of the current run."""
    for part, name in _KEPT:
        saved, now = point.config.get(part, {}).get(name), getattr(getattr(run, part), name)
        if saved not in (None, now):
            was, is_ = (str(value).lower() for value in (saved, now))
            raise InputError(
                f"checkpoint {point.path} was trained with {part}.{name} {was}, and this run has {is_}: set it to "
                f"{was}, or start a new run without resume"
            )


def _find_checkpoint(run: config.Run, home: Path) -> ResumePoint | None:
    resume = run.checkpoint.resume
    if resume is None:
        return None
    folder = home / run.checkpoint.dir
    storage.recover(folder)
    if resume == "auto":
        return _newest_complete(locate.all_intact(folder), folder)
    start = locate.find(Path(resume))
    others = locate.all_intact(start.parent, exclude=start)
    earlier = (path for path in others if locate.step_of(path) < locate.step_of(start))
    return _newest_complete(itertools.chain([start], earlier), folder)


def _newest_complete(paths: Iterator[Path], folder: Path) -> ResumePoint | None:
    """Return the first of some checkpoints that a run can continue from with the best weights that it had then.

    Raises
    ------
    InputError
        There are checkpoints, but the best weights of each are lost.
    """
    first = None
    for path in paths:
        best, found = locate.best_so_far(path, folder)
        if found:
            return ResumePoint(path, best=best)
        first = first or path
        logger.warning("the best weights of checkpoint %s are missing or damaged in %s: skipped", path, folder)
    if first:
        raise InputError(
            f"{folder / locate.BEST} is missing or damaged, and no checkpoint in {first.parent} does without it: "
            "restore it, or start a new run without resume"
        )
    return None


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
        "select": settings.fingerprint(run.select, run.data) if run.select else None,
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
