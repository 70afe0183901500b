"""One pass of a classifier over two rows, before anything long: what can't be trained is refused in one line."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import nn

from tithe.errors import InputError
from tithe.models import vocabulary
from tithe.models.classifier import Classifier
from tithe.models.examples import Batch
from tithe.models.inference import Autocast
from tithe.models.tokens import TextExamples

# Tokens. Two rows of so many need little time and memory on any machine. Where `max_length` is more, the longest row of
# the data decides: training would need as much for it.
_USUAL = 512


class PrecisionError(InputError):
    """A network runs in float32, but not in the precision to train in.

    Parameters
    ----------
    problem
        What can't be done and why, without the cure.
    """

    def __init__(self, problem: str) -> None:
        super().__init__(f"{problem}: set train.precision to no")
        self.problem = problem


def run(model: Classifier, examples: TextExamples, max_length: int, accelerator: Accelerator) -> None:
    """Run a classifier forward and backward as training will: on a short row beside one of `max_length` tokens.

    The model, its gradients and the random numbers stay as they are. A lack of memory is left to training, which may
    have smaller batches.

    Parameters
    ----------
    model
        A fresh classifier, frozen as configured: nothing is computed for the gradients of what is frozen.
    examples
        All rows of the data; their tokens make up the two rows.

    Raises
    ------
    PrecisionError
        The network runs in float32, but not in the accelerator's precision.
    InputError
        The network can't be run on such rows.
    """
    batch = _two_rows(examples, max_length)
    reason = failure(model, batch, accelerator.autocast, accelerator.device)
    if reason is None:
        return
    name, precision = type(model.encoder).__name__, str(accelerator.mixed_precision)
    if precision != "no" and failure(model, batch, nullcontext, accelerator.device) is None:
        raise PrecisionError(f"{name} can't be run in {precision} ({reason})")
    raise InputError(
        f"{name} can't be trained on texts of {batch['input_ids'].shape[1]} tokens ({reason}): lower model.max_length, "
        "or choose another encoder"
    )


def twin(model: nn.Module) -> Any:
    """Return a copy in training mode that has the model's weights, but neither their gradients nor its buffers."""
    weights: dict[int, Any] = {id(p): nn.Parameter(p.detach(), p.requires_grad) for p in model.parameters()}
    return copy.deepcopy(model, weights).train()


def failure(model: Classifier, batch: Batch, autocast: Autocast, device: torch.device) -> str | None:
    """Return why a classifier can't be run on a batch, forward and, with gradients on, backward; None if it can."""
    own = twin(model).to(device)
    inputs = {name: tensor.to(device) for name, tensor in batch.items()}
    with undisturbed(device):
        try:
            with autocast():
                total = own(inputs).float().sum()
            if total.requires_grad:
                total.backward()
        except (torch.OutOfMemoryError, MemoryError):
            return None
        except Exception as error:  # whatever an encoder raises, for example for rows of another length
            return vocabulary.reason(error)
    return None


@contextmanager
def undisturbed(device: torch.device) -> Iterator[None]:
    """Restore all random states after the block."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        numpy_state = np.random.get_state()  # noqa: NPY002  # BigBird seeds it in a pass
        try:
            yield
        finally:
            np.random.set_state(numpy_state)  # noqa: NPY002


def _two_rows(examples: TextExamples, max_length: int) -> Batch:
    """Return a short row, padded, beside one of full length: tokens of the data's longest row, repeated."""
    lengths, pad = examples.lengths, examples.pad
    length = max(int(lengths.max()), min(max_length, _USUAL))
    tokens_BT = examples.collate(np.array([lengths.argmin(), lengths.argmax()]))["input_ids"].numpy()
    short = min(int(lengths.min()), max(1, length // 2))
    ids_BT = np.full((2, length), pad)
    ids_BT[0, :short] = tokens_BT[0, :short]
    ids_BT[1] = np.resize(tokens_BT[1], length)
    mask_BT = np.arange(length) < np.array([[short], [length]])
    return {"input_ids": torch.from_numpy(ids_BT), "attention_mask": torch.from_numpy(mask_BT.astype(np.int64))}
