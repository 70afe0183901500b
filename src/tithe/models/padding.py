"""Encoders that ignore the attention mask, or follow it in part: their answer to a text depends on its batch."""

from __future__ import annotations

import copy
import logging

import numpy as np
import torch

from tithe.arrays import Array
from tithe.errors import InputError
from tithe.models import inference, vocabulary
from tithe.models.classifier import Classifier
from tithe.models.examples import Examples

logger = logging.getLogger("tithe")

SHORT_AND_LONG = ("a b", "a text that is much longer than the one beside it")
# Of the largest value. Rounding changes a millionth. Encoders that follow the mask in part change by 6e-4 to 5e-2, such
# as ConvBERT, whose convolutions reach into the padding; those without one, such as FNet, by more than the value.
_ROUNDING, _NO_MASK = 1e-4, 0.2


def check(model: Classifier, examples: Examples, encoder: str, is_trained: bool) -> int:
    """Refuse to train an encoder that ignores the attention mask; warn of one that follows it in part.

    Parameters
    ----------
    model
        Any head will do: it is not run.
    examples
        Two texts, the second one longer, such as `SHORT_AND_LONG`.
    encoder
        Its name in the config.
    is_trained
        Whether the model is from a checkpoint: it can still be used, so this is only a warning.

    Returns
    -------
    Width D of the encoder's states. It is not always `hidden_size`: OPT may project them.

    Raises
    ------
    InputError
        See above, or the encoder can't be run on texts.
    """
    name = type(model.encoder).__name__
    alone_D, beside_D = _alone_and_beside(model, examples)
    change = float(np.abs(alone_D - beside_D).max() / max(np.abs(alone_D).max(), np.finfo(np.float32).tiny))
    if not np.isfinite(change):
        raise InputError(
            f"model.encoder '{encoder}': its states are NaN or infinite, as of damaged weights: choose another encoder"
        )
    if change <= _ROUNDING:
        return len(alone_D)
    if change > _NO_MASK and not is_trained:
        raise InputError(
            f"model.encoder '{encoder}': {name} ignores the attention mask, so that the answer to a text would depend "
            "on the padding beside longer texts in its batch: choose another encoder, such as minilm"
        )
    how = "ignores the attention mask" if change > _NO_MASK else "follows the attention mask only in part"
    logger.warning(
        "%s %s: the answer to a text depends on longer ones in its batch, and with --exact on none", name, how
    )
    return len(alone_D)


def _alone_and_beside(model: Classifier, examples: Examples) -> tuple[Array, Array]:
    """Return the first example's state alone, and beside the second, each of shape (D,).

    The model and the random numbers stay as they are.
    """
    # A copy that shares the weights: encoders change themselves in a pass, and buffers would be bound to inference.
    twin = copy.deepcopy(model, {id(weight): weight for weight in model.parameters()}).eval()
    try:
        with torch.random.fork_rng(devices=[]):
            alone_D, beside_D = (inference.one_batch(twin, twin.embed, examples, np.arange(n))[0] for n in (1, 2))
    except Exception as error:  # whatever an encoder raises
        name, reason = type(model.encoder).__name__, vocabulary.reason(error)
        raise InputError(f"{name} can't be run on texts ({reason}): choose another encoder") from None
    return alone_D, beside_D
