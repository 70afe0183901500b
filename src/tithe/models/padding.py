"""Encoders whose answers are not those to a text: they ignore the attention mask, or the pooled token sees no other."""

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
_OF_ONE_FIRST_TOKEN = [[2, 3, 3, 3], [2, 2, 2, 2]]  # ids that are in every vocabulary


def check(model: Classifier, examples: Examples, encoder: str, is_trained: bool) -> int:
    """Refuse to train an encoder that ignores the attention mask, or whose pooled first token sees no other.

    Of one that follows the mask in part it warns.

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
    _check_first_token(model, is_trained)
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


def _check_first_token(model: Classifier, is_trained: bool) -> None:
    """Refuse to pool the first token of a network that reads from left to right: it is the same for every text."""
    if model.pooling != "cls":
        return
    rows_2T = torch.tensor(_OF_ONE_FIRST_TOKEN, device=next(model.parameters()).device)
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        first_D, other_D = _twin(model).embed({"input_ids": rows_2T}).float()
    if (first_D - other_D).abs().max() > _ROUNDING * first_D.abs().max():
        return
    problem = f"model.pooling cls: the first token of {type(model.encoder).__name__} knows nothing of those behind it"
    if not is_trained:
        raise InputError(f"{problem}, and is the same for every text: set it to mean")
    logger.warning("%s: it is the same for every text", problem)


def _alone_and_beside(model: Classifier, examples: Examples) -> tuple[Array, Array]:
    """Return the first example's state alone, and beside the second, each of shape (D,).

    The model and the random numbers stay as they are.
    """
    twin = _twin(model)
    try:
        with torch.random.fork_rng(devices=[]):
            alone_D, beside_D = (inference.one_batch(twin, twin.embed, examples, np.arange(n))[0] for n in (1, 2))
    except Exception as error:  # whatever an encoder raises
        name, reason = type(model.encoder).__name__, vocabulary.reason(error)
        raise InputError(f"{name} can't be run on texts ({reason}): choose another encoder") from None
    return alone_D, beside_D


def _twin(model: Classifier) -> Classifier:
    """Return a copy that shares the weights: encoders change themselves in a pass, and inference would bind buffers."""
    return copy.deepcopy(model, {id(weight): weight for weight in model.parameters()}).eval()
