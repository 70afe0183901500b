"""What a checkpoint holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

STATE = "state.json"


@dataclass(frozen=True)
class TrainState:
    """Everything a run needs to go on as if it had never stopped, at an optimizer step's end.

    Attributes
    ----------
    model, optimizer, scheduler, rng
        State dicts of tensors and plain values, loadable with `weights_only=True`.
    progress
        Plain values for `state.json`: where the run is, its best score, its patience, what it was made of.
    scaler, ema
        State of the gradient scaler and the averaged weights, where the run has them.
    """

    model: dict[str, Any]
    optimizer: dict[str, Any]
    scheduler: dict[str, Any]
    rng: dict[str, Any]
    progress: dict[str, Any]
    scaler: dict[str, Any] | None = None
    ema: dict[str, Any] | None = None


TENSORS = ("model", "optimizer", "scheduler", "rng", "scaler", "ema")
