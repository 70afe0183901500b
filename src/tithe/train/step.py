"""What one optimizer step did: what the training loop yields."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tithe.checkpoints.state import TrainState


@dataclass(frozen=True)
class Step:
    """What one optimizer step did.

    Attributes
    ----------
    epoch
        From 1.
    step, batches
        Optimizer steps and micro-batches done since the run began, resumed parts included.
    batch_loss
        Mean loss over the rows of the step.
    lr
        Learning rate of every parameter group in this step.
    grad_norm
        Norm of the gradient before clipping, None when clipping is off.
    parts
        What `batch_loss` is made of, where the criterion says so: means over the rows of the step.
    rows
        Rows of the step.
    waited
        Seconds until its examples were there.
    ends_epoch
        Whether it was the last step of its epoch.
    scores
        Validation scores after the last step of an epoch, None elsewhere.
    snapshot
        Returns the state as of this step; valid until the generator goes on.
    """

    epoch: int
    step: int
    batches: int
    batch_loss: float
    lr: tuple[float, ...]
    grad_norm: float | None
    parts: Mapping[str, float]
    rows: int
    waited: float
    ends_epoch: bool
    scores: Mapping[str, float] | None
    snapshot: Callable[[], TrainState]
