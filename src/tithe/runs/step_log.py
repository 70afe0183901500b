"""The log of optimizer steps: history records, lines of the log file, time spent waiting for data."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import torch

from tithe import metrics, storage
from tithe.runs.log import step_logger
from tithe.track.tracks import RunTracker
from tithe.train import optimizer
from tithe.train.setup import Setup
from tithe.train.step import Step

logger = logging.getLogger("tithe")

# Warn when waiting for data exceeds both limits: seconds, and share of the training time.
_LONG_WAIT, _LARGE_SHARE = 10.0, 0.2


def brief(step: Step) -> str:
    """Return what is shown beside a progress bar."""
    return f"loss {step.batch_loss:.4f} lr {_rates(step)}"


def _rates(step: Step) -> str:
    return ",".join(f"{lr:.3g}" for lr in dict.fromkeys(step.lr))


class StepLog:
    """The log of one run's steps.

    Attributes
    ----------
    data_wait_seconds
        Seconds that training waited for examples, including the time before a resume.
    """

    def __init__(self, setup: Setup, progress: Mapping[str, Any]) -> None:
        self._settings, self._workers, self._epochs = setup.run.train, setup.run.data.num_workers, setup.passes
        self._groups = tuple(optimizer.named_groups(setup.network.trainable, setup.run.train))
        self._on_gpu = setup.accelerator.device.type == "cuda"
        self.data_wait_seconds = float(progress.get("idle", 0.0))  # single files don't contain it
        self._sums: dict[str, float] = dict(progress.get("sums", {}))
        self._tracker: RunTracker | None = None

    @property
    def sums(self) -> dict[str, float]:
        """Sums of the epoch so far, which a checkpoint saves, so that a resumed run logs the same means."""
        return dict(self._sums)

    def follow(self, tracker: RunTracker) -> None:
        """Log to a tracker from now on."""
        self._tracker = tracker

    @property
    def extent(self) -> storage.Extent | None:
        """Length and hash of the history so far, which a checkpoint saves; None in a process that writes none."""
        return self._tracker.extent() if self._tracker else None

    def records(self) -> list[dict[str, Any]]:
        """Return the records of the history so far; see `RunTracker.records`."""
        return self._tracker.records() if self._tracker else []

    def log(self, step: Step) -> None:
        """Log a step."""
        assert self._tracker is not None
        tracker = self._tracker
        self.data_wait_seconds += step.data_wait_seconds
        means = self._epoch_means(step)
        if step.step % self._settings.log_every_steps == 0 or step.ends_epoch:
            self._log_training(tracker, step, means)
        if step.scores:
            tracker.log("val", step.step, epoch=step.epoch, **step.scores)
            scores = ", ".join(f"{name} {step.scores[name]:.4f}" for name in metrics.DIRECTION)
            logger.info("epoch %d of %d: validation %s", step.epoch, self._epochs, scores)

    def _log_training(self, tracker: RunTracker, step: Step, means: Mapping[str, float]) -> None:
        lrs = {f"lr_{i}": lr for i, lr in enumerate(step.lr)}
        norm = {} if step.grad_norm is None else {"grad_norm": step.grad_norm}
        tracker.log("train", step.step, epoch=step.epoch, batch_loss=step.batch_loss, **lrs, **norm, **means)
        tracker.mirror("learning_rate", step.step, **dict(zip(self._groups, step.lr, strict=True)))
        memory = f" gpu_mem {torch.cuda.max_memory_allocated() / 2**20:.0f}MB" if self._on_gpu else ""
        step_logger.info(
            "epoch %d step %d batch_loss %.4f lr %s opt_steps %d%s",
            *(step.epoch, step.batches, step.batch_loss, _rates(step), step.step, memory),
        )

    def _epoch_means(self, step: Step) -> dict[str, float]:
        """Return the epoch's mean loss and its parts at the end of an epoch, if the criterion reports parts."""
        if not step.parts:
            return {}
        for name, value in {"total": step.batch_loss, **step.parts, "rows": 1.0}.items():
            self._sums[name] = self._sums.get(name, 0.0) + value * step.rows
        if not step.ends_epoch:
            return {}
        sums, self._sums = self._sums, {}
        rows = sums.pop("rows")
        return {"learning_rate": step.lr[0], **{name: value / rows for name, value in sums.items()}}

    def warn_about_waiting(self, seconds: float) -> None:
        """Warn if a large share of the training time, in seconds, was spent waiting for data."""
        if self.data_wait_seconds > max(_LONG_WAIT, _LARGE_SHARE * seconds):
            message = "%.0f of %.0f seconds were spent waiting for data: raise data.num_workers (now %d)"
            logger.warning(message, self.data_wait_seconds, seconds, self._workers)
