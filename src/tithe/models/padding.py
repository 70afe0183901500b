"""Encoders that heed no attention mask, or not everywhere: their answer to a text depends on its batch."""

from __future__ import annotations

import copy
import logging

import numpy as np
import torch

from tithe.errors import InputError
from tithe.models import inference
from tithe.models.classifier import Classifier
from tithe.models.examples import Examples

logger = logging.getLogger("tithe")

SHORT_AND_LONG = ("a b", "a text that is much longer than the one beside it")
# Of the largest value. Rounding changes a millionth; the weakest dependence found, in Nystromformer, is 6e-4.
_TOLERANCE = 1e-4


def check(model: Classifier, examples: Examples, encoder: str, is_trained: bool) -> None:
    """Refuse to train an encoder whose answer to a text depends on the padding beside longer texts.

    Parameters
    ----------
    examples
        Two texts, the second one longer, such as `SHORT_AND_LONG`.
    encoder
        Its name in the config.
    is_trained
        Whether the model is from a checkpoint: it can still be used, so this is only a warning.

    Raises
    ------
    InputError
        See above, or the encoder can't be run on texts.
    """
    if not _changes_answers(model, examples):
        return
    name = type(model.encoder).__name__
    if is_trained:
        logger.warning("%s heeds no attention mask: the answer to a text depends on longer ones in its batch", name)
        return
    raise InputError(
        f"model.encoder '{encoder}': {name} heeds no attention mask, so that the answer to a text would depend on the "
        "padding beside longer texts in its batch: choose an encoder that does, such as minilm"
    )


def _changes_answers(model: Classifier, examples: Examples) -> bool:
    """Return whether the first example's state changes beside the second; model and random numbers stay as they are."""
    # A copy that shares the weights: encoders change themselves in a pass, and buffers would be bound to inference.
    twin = copy.deepcopy(model, {id(weight): weight for weight in model.parameters()}).eval()
    try:
        with torch.random.fork_rng(devices=[]):
            alone_D, beside_D = (inference.one_batch(twin, twin.embed, examples, np.arange(n))[0] for n in (1, 2))
    except (AttributeError, IndexError, NotImplementedError, RuntimeError, TypeError, ValueError) as error:
        name, reason = type(model.encoder).__name__, str(error).strip().partition("\n")[0]
        raise InputError(f"{name} can't be run on texts ({reason}): choose another encoder") from None
    return not np.allclose(alone_D, beside_D, rtol=0, atol=_TOLERANCE * float(np.abs(alone_D).max()))
