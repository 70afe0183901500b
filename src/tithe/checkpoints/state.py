"""The content of a checkpoint, and its file names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

STATE, MODEL, EMA = "state.json", "model.pt", "ema.pt"
CONFIGURATION, TOKENIZER = "encoder", "tokenizer"  # folders of a text task
ENCODER = "encoder.pt"  # added to a checkpoint of a head alone when its run has finished


@dataclass(frozen=True)
class TrainState:
    """The complete state of a run after an optimizer step: a resumed run gives the same result as an uninterrupted one.

    Attributes
    ----------
    model, optimizer, scheduler, rng
        State dicts of tensors and plain values, loadable with `weights_only=True`.
    progress
        Plain values for `state.json`: the position in training, the best score, the patience, the fingerprint.
    scaler, ema
        State of the gradient scaler and the averaged weights, if the run uses them.
    adapters
        What low-rank adapters need to continue; the weights of the model have them added.
    """

    model: dict[str, Any]
    optimizer: dict[str, Any]
    scheduler: dict[str, Any]
    rng: dict[str, Any]
    progress: dict[str, Any]
    scaler: dict[str, Any] | None = None
    ema: dict[str, Any] | None = None
    adapters: dict[str, Any] | None = None


TENSORS = ("model", "optimizer", "scheduler", "rng", "scaler", "ema", "adapters")
