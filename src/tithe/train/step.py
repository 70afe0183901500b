"""The result of one optimizer step, as yielded by the training loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tithe.checkpoints.state import TrainState


@dataclass(frozen=True)
class Step:
    """The result of one optimizer step.

    Attributes
    ----------
    epoch
        Number of the epoch, from 1.
    step, batches
        Optimizer steps and micro-batches since the start of the run, including those before a resume.
    batch_loss
        Mean loss over the rows of the step, each counted by its weight if they have weights.
    lr
        Learning rate of every parameter group in this step.
    grad_norm
        Norm of the gradient before clipping, None if clipping is off.
    parts
        Named parts of `batch_loss`, if the criterion has any: means over the rows of the step.
    rows
        Number of rows of the step.
    data_wait_seconds
        Seconds spent waiting for its examples.
    ends_epoch
        Whether it is the last step of its epoch, or of the run.
    scores
        Validation scores after the last step of an epoch, else None.
    snapshot
        Returns the state after this step; valid until the generator is advanced.
    """

    epoch: int
    step: int
    batches: int
    batch_loss: float
    lr: tuple[float, ...]
    grad_norm: float | None
    parts: Mapping[str, float]
    rows: int
    data_wait_seconds: float
    ends_epoch: bool
    scores: Mapping[str, float] | None
    snapshot: Callable[[], TrainState]
