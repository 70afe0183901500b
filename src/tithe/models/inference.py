"""One forward pass over examples: logits or embeddings as NumPy arrays, in the order of the examples.

The last bits of a row's values depend on the rows in its batch: on their number and on the padding. Where the values
of two passes must be equal, both take their batches from `batches`, with the same rows and sizes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import numpy as np
import torch
from torch import nn

from tithe.arrays import Array, Rows
from tithe.errors import TitheError
from tithe.models.examples import Batch, Examples

Autocast = Callable[[], AbstractContextManager[Any]]
PER_BATCH = 64


def logits(model: nn.Module, examples: Examples, batch_size: int = PER_BATCH, **how: Any) -> Array:
    """Return logits, shape (N, C), float32; see `forward` for `how`."""
    return forward(model, model, examples, batches(examples, batch_size), **how)


def embeddings(model: nn.Module, examples: Examples, batch_size: int = PER_BATCH, **how: Any) -> Array:
    """Return pooled encoder states, shape (N, D), float32; see `forward` for `how`."""
    return forward(model, model.embed, examples, batches(examples, batch_size), **how)  # type: ignore[arg-type]


def forward(
    model: nn.Module,
    function: Callable[[Batch], torch.Tensor],
    examples: Examples,
    cuts: Sequence[Rows],
    autocast: Autocast = nullcontext,
    tick: Callable[[int], object] = lambda rows: None,
) -> Array:
    """Apply a function of the model to every row of the given batches, in evaluation mode.

    The model's mode is restored afterwards. `tick` is called with the number of rows of each finished batch.

    Returns
    -------
    float32, shape (N, …) for the N rows of the examples; rows in no batch have any value.
    """
    out: Array | None = None
    with evaluating(model):
        for rows in cuts:
            values = one_batch(model, function, examples, rows, autocast)
            if out is None:
                out = np.empty((len(examples), values.shape[1]), dtype=np.float32)
            out[rows] = values
            tick(len(rows))
    return out if out is not None else np.empty((0, 0), dtype=np.float32)


def batches(examples: Examples, batch_size: int, cost: int | None = None) -> list[Rows]:
    """Cut all rows into batches, longest rows first, so that memory runs out in the first batch or never.

    Parameters
    ----------
    batch_size
        Most rows of a batch.
    cost
        Most rows times longest row of a batch; a row that costs more is a batch of its own.
    """
    lengths = examples.lengths
    if lengths is None:
        return [np.arange(i, min(i + batch_size, len(examples))) for i in range(0, len(examples), batch_size)]
    order, cut = np.argsort(-lengths, kind="stable"), []
    start = 0
    while start < len(order):
        fits = batch_size if cost is None else max(1, min(batch_size, cost // int(lengths[order[start]])))
        cut.append(order[start : start + fits])
        start += fits
    return cut


def one_batch(
    model: nn.Module,
    function: Callable[[Batch], torch.Tensor],
    examples: Examples,
    rows: Rows,
    autocast: Autocast = nullcontext,
) -> Array:
    """Apply a function of the model to the given rows, without gradients; return float32 values, shape (B, …)."""
    return of_batch(model, function, examples.collate(rows), autocast)


def of_batch(
    model: nn.Module, function: Callable[[Batch], torch.Tensor], batch: Batch, autocast: Autocast = nullcontext
) -> Array:
    """Apply a function of the model to a batch, without gradients; return float32 values, shape (B, …)."""
    device = next(model.parameters()).device
    with torch.inference_mode():
        inputs = {name: tensor.to(device) for name, tensor in batch.items()}
        with autocast():
            values: Array = function(inputs).float().cpu().numpy()
    return values


def finite(values: Array, what: str) -> Array:
    """Return values of rows, shape (N, …), if all are finite: NaN would become predictions, scores and choices.

    Raises
    ------
    TitheError
        A value is NaN or infinite.
    """
    if len(bad := np.flatnonzero(~np.isfinite(values).all(axis=tuple(range(1, values.ndim))))):
        raise TitheError(
            f"{what} for {len(bad)} of {len(values)} inputs are not finite, the first is number {bad[0]}: the weights "
            "are damaged, or bf16 or fp16 overflows, which --exact and train.precision no avoid"
        )
    return values


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put a model into evaluation mode inside the block, then restore the mode of each of its modules."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode


def softmax(logits_NC: np.ndarray[Any, Any]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return probabilities in float64, shape (N, C)."""
    shifted = logits_NC.astype(np.float64) - logits_NC.max(axis=1, keepdims=True)
    exp = np.exp(shifted)
    probs: np.ndarray[Any, np.dtype[np.float64]] = exp / exp.sum(axis=1, keepdims=True)
    return probs
