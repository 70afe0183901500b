"""The training loop of one run: it drives the trainer, logs, saves, and stops on a signal."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate.utils import gather_object
from torch import nn

from tithe import config, data, storage
from tithe.arrays import Array
from tithe.checkpoints import store
from tithe.checkpoints.state import TrainState
from tithe.errors import Interrupted
from tithe.interrupts import StopRequest, deferred
from tithe.models import inference
from tithe.models.examples import Examples
from tithe.progress import Tick, bar
from tithe.runs import step_log
from tithe.runs.resolved import resolve
from tithe.runs.resume import ResumePoint
from tithe.runs.saving import Saver
from tithe.storage import run_files
from tithe.track.tracks import RunTracker, mirror_settings
from tithe.train import optimizer, trainer
from tithe.train.setup import Setup
from tithe.train.step import Step
from tithe.train.trainer import FitOptions

logger = logging.getLogger("tithe")


class Session:
    """A run in progress.

    Attributes
    ----------
    setup
        Its task, data and network.
    home
        Run directory.
    saver
        Saves its checkpoints.
    train_examples, val_examples, test_examples
        The rows of each part.
    preparation_seconds
        Seconds from the start of the command to the first step.
    """

    def __init__(self, setup: Setup, home: Path, point: ResumePoint | None, started: float) -> None:
        splits = setup.splits
        self.setup, self.home, self._point, self._started = setup, home, point, started
        self.train_examples = setup.train_examples
        self.val_examples, self.test_examples = (setup.examples.take(rows) for rows in (splits.val, splits.test))
        # Planned here, because too few rows and a wrong schedule must be refused before anything is written.
        self._plan = trainer.plan(self.train_examples, setup.run.train, setup.run.seed)
        per_epoch = setup.steps_per_epoch(setup.run.train.steps_of)
        self._warnings = optimizer.check_schedule(setup.run.train, per_epoch * setup.run.train.epochs, per_epoch)
        self.saver = Saver(setup, home, point)
        self.preparation_seconds = 0.0

    @property
    def run(self) -> config.Run:
        """The config."""
        return self.setup.run

    @property
    def model(self) -> nn.Module:
        """The trainable part of the network."""
        return self.setup.network.trainable

    @property
    def is_main(self) -> bool:
        """Whether this process writes the run directory."""
        return bool(self.setup.accelerator.is_main_process)

    @property
    def _start(self) -> TrainState | None:
        return self.saver.start

    @cached_property
    def _resolved(self) -> dict[str, Any]:
        return config.dump(resolve(self.setup, self._point))

    def create_home(self) -> None:
        """Create the run directory and write the files that are available before training."""
        if not self.is_main:
            return
        home, splits = self.home, self.setup.splits
        home.mkdir(parents=True, exist_ok=True)
        (home / run_files.MANIFEST).unlink(missing_ok=True)  # it marks a finished run
        if self._point:  # what was written after the checkpoint will be written again
            self.saver.keeper.clear_remnants(self._point.path)
            storage.write_lines(home / run_files.HISTORY, self._point.history(home))
            self.saver.leave_branch(self._point)
            if self._point.best and self._point.best != self.saver.best_path:
                store.copy(self._point.best, self.saver.best_path)
        storage.write_json(home / run_files.CONFIG, self._resolved)
        environment = {**storage.describe_environment(), "threads": torch.get_num_threads()}
        storage.write_json(home / run_files.ENVIRONMENT, environment)
        storage.write_json(home / run_files.DATA_REPORT, splits.report)
        storage.copy_file(splits.dropped, home / run_files.DROPPED)
        splits.labels.save(home / run_files.LABELS)
        with storage.atomic_folder(home / run_files.ASSETS) as folder:
            self.setup.task.save(folder)

    def tracker(self) -> RunTracker:
        """Open history and trackers, and send them the config."""
        settings = mirror_settings(self.run.track) if self.is_main else {}
        step = self._start.progress["step"] if self._start else 0
        tracker = RunTracker(settings, self.home if self.is_main else None, self.run.name, step)
        tracker.params(self._resolved)
        return tracker

    def train(self, tracker: RunTracker) -> float:
        """Train to the end; return the training time in seconds, including the time before a resume.

        Raises
        ------
        Diverged
            See `trainer.fit`; the message names the last good checkpoint.
        Interrupted
            A signal requested a stop; the state was saved.
        """
        started = time.monotonic()
        self.preparation_seconds = started - self._started
        self.saver.step_log.follow(tracker)
        if self.is_main:
            self.saver.adopt_epoch_file()
        first, before = 0, 0.0
        if self._start:
            first, before = self._start.progress["step"], self._start.progress["seconds"]
        steps, total = self._fit()
        self._log_start(total)
        with deferred() as stop, bar("training", total, "steps") as progress:
            progress(first)
            try:
                for step in steps:
                    progress(1)
                    progress.show(step_log.brief(step))
                    seconds = before + time.monotonic() - started
                    self.saver.step_log.log(step)
                    self.saver.save(step, seconds, last=step.step == total)
                    self._stop_if_requested(stop, step, seconds)
                    if self.saver.out_of_patience:
                        by, epochs = self.run.checkpoint.best_by, self.saver.epochs_without_improvement
                        logger.info("%s has not improved for %d epochs: stopping early", by, epochs)
                        break
            except trainer.Diverged as error:
                newest = self.saver.keeper.newest()
                raise trainer.Diverged(f"{error}; last good checkpoint: {newest or 'none yet'}") from None
        seconds = before + time.monotonic() - started
        self.saver.step_log.warn_about_waiting(seconds)
        return seconds

    def _fit(self) -> tuple[Iterator[Step], int]:
        """Return the training loop, and the total number of steps."""
        run, task, classes = self.run, self.setup.task, len(self.setup.splits.labels)
        settings, per_epoch = run.train, self.setup.steps_per_epoch(run.train.steps_of)
        if self._start and self.saver.out_of_patience:
            # It had already stopped early when it was interrupted: only restore its weights.
            settings = settings.model_copy(update={"epochs": self._start.progress["epoch"]})
            per_epoch = self._plan.steps_per_epoch
        weights, own = None, self.setup.splits.weights
        if run.data.class_weights:
            weights = data.class_weights(self.train_examples.labels, classes, own)
        criterion = task.criterion(settings.label_smoothing, weights)
        options = FitOptions(settings, run.seed, self.setup.accelerator, run.data.num_workers, per_epoch)
        steps = trainer.fit(self.model, criterion, self.train_examples, options, self._validate, self._start)
        return steps, per_epoch * settings.epochs

    def _log_start(self, total: int) -> None:
        rows, point = len(self.train_examples), self._point
        logger.info("training on %s: %d rows, %d steps", self.setup.accelerator.device, rows, total)
        is_new = not (point and point.epoch_file)  # another checkpoint is of this very run
        for warning in (*self._warnings, *self.setup.task.warnings(self._rates(total), is_new)):
            logger.warning("%s", warning)
        if self._start and point:
            done, epochs = self._start.progress["epoch"], self.setup.passes
            logger.info("resuming after step %d of %d, from %s", self._start.progress["step"], total, point.path)
            before, now = len(self._start.rng.get("processes", ())), self.setup.accelerator.num_processes
            if before not in (0, now):  # a single file has none
                logger.warning(
                    "the checkpoint is of %d processes, and this run has %d: rows keep their order and steps; dropout "
                    "draws other numbers, and sums are rounded otherwise", before, now
                )  # fmt: skip
            if done > epochs:
                logger.warning("%d epochs are done and %d are configured: nothing to train", done, epochs)
            self.saver.complete_epoch_files()

    def _rates(self, total: int) -> list[float]:
        """Return the learning rate of every step of the run; after an epoch file, of every step to come."""
        settings, per_epoch = self.run.train, self.setup.steps_per_epoch(self.run.train.steps_of)
        factor = optimizer.schedule(settings, total, per_epoch)
        first, done = 0, 0
        if self._start and self._point and self._point.epoch_file:
            first = self._start.progress["step"]  # those of batches of another size count as well
            done = self._start.progress["epoch"] * self._plan.steps_per_epoch
        return [settings.learning_rate * factor(first + step) for step in range(total - done)]

    def _stop_if_requested(self, stop: StopRequest, step: Step, seconds: float) -> None:
        """Stop all processes at the same step when one of them has received a signal."""
        signum = stop.signum
        if self.setup.accelerator.num_processes > 1:
            signum = int(max(gather_object([signum])))
        if signum:
            path = self.saver.save_periodic(step, seconds)
            raise Interrupted(signum, f"stopped after step {step.step}: resume from {path}")

    def _validate(self, model: nn.Module) -> Mapping[str, float]:
        return self.setup.task.scores(self.val_examples.labels, self.predict(model, self.val_examples))

    def predict(self, model: nn.Module, examples: Examples, tick: Tick = lambda rows: None) -> Array:
        """Return the network's outputs for every row, shape (N, …); several processes share the batches."""
        accelerator, at_once = self.setup.accelerator, self.setup.task.rows_at_once
        rank, world = accelerator.process_index, accelerator.num_processes
        own = inference.batches(examples, at_once)[rank::world]
        outputs = inference.forward(model, model, examples, own, accelerator.autocast, tick)
        if world > 1:
            parts = gather_object([(rows, outputs[rows]) for rows in own])
            outputs = np.empty((len(examples), *parts[0][1].shape[1:]), np.float32)
            for rows, values in parts:
                outputs[rows] = values
        return outputs
