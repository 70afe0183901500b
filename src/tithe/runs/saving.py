"""Saving a run: periodic checkpoints, the best one, and epoch files."""

from __future__ import annotations

import dataclasses
import functools
import logging
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, TypeVar

from tithe import config, metrics, storage
from tithe.checkpoints import epoch_files, locate
from tithe.checkpoints.keeper import Keeper
from tithe.checkpoints.state import CONFIGURATION, TOKENIZER, TrainState
from tithe.errors import TitheError
from tithe.runs.resume import ResumePoint, fingerprint
from tithe.runs.step_log import StepLog
from tithe.storage import run_files
from tithe.train.setup import Setup
from tithe.train.step import Step

logger = logging.getLogger("tithe")

Saved = TypeVar("Saved")


class Saver:
    """Saves one run and tracks its best score for early stopping.

    Attributes
    ----------
    keeper
        Its checkpoint directories.
    start
        The state that the run continues from; None for a new run.
    best
        `score`, `step` and `epoch` of the best validation so far.
    epochs_without_improvement
        Validations since the best one.
    step_log
        The step log, whose state is saved as well.
    """

    def __init__(self, setup: Setup, home: Path, point: ResumePoint | None) -> None:
        run = setup.run
        self._setup, self._home, self._point = setup, home, point
        self._fingerprint = {
            **fingerprint(setup.task, setup.splits.labels, setup.data_fingerprint),
            **setup.network.fingerprint,
            **({"weights": sha256} if (sha256 := setup.splits.weights_sha256) else {}),
        }
        self.keeper = Keeper(home / run.checkpoint.dir, run.checkpoint.keep, self._write_assets)
        self.start = point.state(setup.network, self.best_path, run.train) if point else None
        initial: dict[str, Any] = {"best": dict(epoch_files.NO_BEST), "waited": 0}
        progress = self.start.progress if self.start else initial
        self.best: dict[str, Any] = progress["best"]
        self.epochs_without_improvement = int(progress["waited"])
        self._batches = int(progress.get("batches", 0))
        self.step_log = StepLog(setup, progress)
        if point:
            self.keeper.adopt(point.path)

    @property
    def best_path(self) -> Path:
        """Path of the best checkpoint, whether or not it exists yet."""
        return self.keeper.folder / locate.BEST

    @property
    def out_of_patience(self) -> bool:
        """Whether the run must stop early."""
        return 0 < self._setup.run.train.patience <= self.epochs_without_improvement

    def adopt_epoch_file(self) -> None:
        """Save the state of an epoch file as a checkpoint; delete later checkpoints of the run before it."""
        if not (self.start and self._point and self._point.epoch_file):
            return
        kept = [self.keeper.periodic(self._with_progress(self.start, self.start.progress["seconds"]))]
        kept += [self.best_path] if self.best["step"] else []
        for path in locate.all_in(self.keeper.folder):
            if path not in kept:
                storage.remove(path)

    def leave_branch(self, point: ResumePoint) -> None:
        """Take what was saved after the point that the run continues from out of its way.

        Epochs that are trained again differ from those before, where the settings do: a checkpoint of theirs must not
        be taken for one of this branch, neither by a user nor by a resume after another kill. A killed run that
        continues from its newest checkpoint leaves none: it takes the same steps again.
        """
        assert self.start is not None
        if not (self.keeper.leave_branch(point.path) or point.epoch_file):
            return
        if left := epoch_files.abandon(self._home, int(self.start.progress["epoch"])):
            renamed = run_files.ABANDONED.format("N")
            logger.warning("%s: of later epochs than the run continues from, renamed %s", ", ".join(left), renamed)

    def complete_epoch_files(self) -> None:
        """Write the files of the epoch to continue after: the run may have been killed before writing them."""
        if self.start and self._point and not self._point.epoch_file:
            self._write_epoch_files(self._with_progress(self.start, self.start.progress["seconds"]))

    def save(self, step: Step, seconds: float, last: bool) -> None:
        """Save what is due after a step.

        Parameters
        ----------
        seconds
            Training time so far, including the time before a resume.
        last
            Whether it is the run's last step.
        """
        # One state for all that is due: with adapters it computes every sum of them and of the encoder's weights.
        step = dataclasses.replace(step, snapshot=functools.cache(step.snapshot))
        if step.scores:
            self._update_best(step, seconds)
        every = self._setup.run.checkpoint.every_batches
        due = step.ends_epoch if every is None else step.batches // every > self._batches // every
        self._batches = step.batches
        if due or last or self.out_of_patience:
            self.save_periodic(step, seconds)
        if step.ends_epoch and self._setup.run.checkpoint.epoch_files:
            self._write_epoch_files(self._with_progress(step.snapshot(), seconds))

    def save_periodic(self, step: Step, seconds: float) -> Path | None:
        """Save a periodic checkpoint; return its path in the main process."""
        return self._on_main(self.keeper.periodic, self._with_progress(step.snapshot(), seconds))

    def _update_best(self, step: Step, seconds: float) -> None:
        """Save the state if its score is the best so far; otherwise count an epoch without improvement."""
        by = self._setup.run.checkpoint.best_by
        score = (step.scores or {})[by]
        if not metrics.better(by, score, self.best["score"]):
            self.epochs_without_improvement += 1
            return
        self.best, self.epochs_without_improvement = {"score": score, "step": step.step, "epoch": step.epoch}, 0
        self._on_main(self.keeper.best, self._with_progress(step.snapshot(), seconds))

    def _write_epoch_files(self, state: TrainState) -> None:
        """Write the epoch files, if the config asks for them and the epoch is complete."""
        run = self._setup.run
        epoch, every = int(state.progress["epoch"]), run.checkpoint.epoch_files
        if not every or state.progress["step_in_epoch"]:
            return
        numbered = epoch % every == 0 or epoch == run.train.epochs or self.out_of_patience
        is_best = self.best["step"] == state.progress["step"]
        history = self.step_log.records()
        self._on_main(lambda state: epoch_files.write(self._home, state, numbered, is_best, history), state)

    def _on_main(self, save: Callable[[TrainState], Saved], state: TrainState) -> Saved | None:
        accelerator = self._setup.accelerator
        saved = save(state) if accelerator.is_main_process else None
        accelerator.wait_for_everyone()
        return saved

    def _with_progress(self, state: TrainState, seconds: float) -> TrainState:
        """Add the progress of the run to a state."""
        progress = {
            "best": self.best,
            "waited": self.epochs_without_improvement,
            "seconds": round(seconds, 3),
            "idle": round(self.step_log.data_wait_seconds, 3),
            "made_of": self._fingerprint,
            "config": config.dump(self._setup.run),
            **({"on_features": True} if self._setup.network.on_features else {}),
            **({"sums": sums} if (sums := self.step_log.sums) else {}),
            **({"history": extent._asdict()} if (extent := self.step_log.extent) else {}),
            **({"files": files} if (files := self._files_to_keep()) else {}),
        }
        return dataclasses.replace(state, progress={**state.progress, **progress})

    def _files_to_keep(self) -> dict[str, str]:
        """Return the hashes of the files that a continued run lists in its manifest and does not write again."""
        hashes, kept = storage.recorded(self._home), (run_files.TUNING, run_files.NUMBERED, run_files.ABANDONED)
        return {name: hashes[name] for name in hashes if any(fnmatch(name, one.format("*")) for one in kept)}

    def _write_assets(self, folder: Path) -> None:
        assets = self._home / run_files.ASSETS
        if storage.read_manifest(assets) != {} and (bad := storage.broken_files(assets)):
            raise TitheError(f"{assets} has changed since it was written: {', '.join(bad)}: resume the run")
        self._setup.splits.labels.save(folder / run_files.LABELS)
        for part in (CONFIGURATION, TOKENIZER):
            storage.link_tree(assets / part, folder / part)
