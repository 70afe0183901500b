"""One forward pass over examples: logits or embeddings, in the order of the examples, off the device per batch."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import torch
from torch import nn

from tithe.batches import Batch, Examples

Array = np.ndarray[Any, np.dtype[np.float32]]
_PER_BATCH = 64


def logits(model: nn.Module, examples: Examples, batch_size: int = _PER_BATCH, **how: Any) -> Array:
    """Return logits, shape (N, C), float32; see `forward` for `how`."""
    return forward(model, model, examples, batch_size, **how)


def embeddings(model: nn.Module, examples: Examples, batch_size: int = _PER_BATCH, **how: Any) -> Array:
    """Return pooled encoder states, shape (N, D), float32; see `forward` for `how`."""
    return forward(model, model.embed, examples, batch_size, **how)  # type: ignore[arg-type]


def forward(
    model: nn.Module,
    function: Callable[[Batch], torch.Tensor],
    examples: Examples,
    batch_size: int,
    autocast: Callable[[], AbstractContextManager[Any]] = nullcontext,
    tick: Callable[[int], object] = lambda rows: None,
) -> Array:
    """Apply a function of the model to every row, longest rows first, in evaluation mode.

    The model's mode is put back afterwards. `tick` is told the number of rows done with each batch.
    """
    device = next(model.parameters()).device
    lengths = examples.lengths
    # Longest first: memory runs out at once or never.
    order = np.arange(len(examples)) if lengths is None else np.argsort(-lengths, kind="stable")
    modes = {module: module.training for module in model.modules()}
    model.eval()
    out: Array | None = None
    try:
        with torch.inference_mode():
            for start in range(0, len(order), batch_size):
                rows = order[start : start + batch_size]
                batch = {name: tensor.to(device) for name, tensor in examples.collate(rows).items()}
                with autocast():
                    values = function(batch).float().cpu().numpy()
                if out is None:
                    out = np.empty((len(order), values.shape[1]), dtype=np.float32)
                out[rows] = values
                tick(len(rows))
    finally:
        for module, mode in modes.items():
            module.training = mode
    return out if out is not None else np.empty((0, 0), dtype=np.float32)


def softmax(logits_NC: np.ndarray[Any, Any]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return probabilities in float64, shape (N, C)."""
    shifted = logits_NC.astype(np.float64) - logits_NC.max(axis=1, keepdims=True)
    exp = np.exp(shifted)
    probs: np.ndarray[Any, np.dtype[np.float64]] = exp / exp.sum(axis=1, keepdims=True)
    return probs
