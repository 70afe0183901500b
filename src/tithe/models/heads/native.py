"""The classification head that an encoder's own library class has, split from the encoder at one pooled vector.

The two parts keep the names that their weights have in that class, so that they can be put together again: the result
is opened by `AutoModelForSequenceClassification` without any code of tithe.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn

from tithe import config
from tithe.errors import InputError
from tithe.models import encoders, vocabulary
from tithe.models.classifier import Classifier
from tithe.models.examples import Batch

_CURE = "set model.head to linear or mlp"
_ROUNDING = 1e-4  # of the largest logit


class NativeHead(nn.Module):
    """Maps pooled states (B, D) to logits (B, C) by all but the encoder of a library's classifier.

    Parameters
    ----------
    stock
        The classifier; its encoder, with the pooler that it may have, is replaced by what passes states on.
    """

    rest: nn.Module

    def __init__(self, stock: Any) -> None:
        super().__init__()
        encoder = getattr(stock, stock.base_model_prefix)
        setattr(stock, stock.base_model_prefix, _Passed(getattr(encoder, "pooler", None)))
        self.rest = stock

    def forward(self, pooled_BD: torch.Tensor) -> torch.Tensor:
        """Return logits, shape (B, C): a pooled vector is a text of one token, its first and its mean."""
        states_B1D = pooled_BD.unsqueeze(1)
        mask_B1 = torch.ones(states_B1D.shape[:2], dtype=torch.int64, device=states_B1D.device)
        logits: torch.Tensor = self.rest(inputs_embeds=states_B1D, attention_mask=mask_B1).logits
        return logits


class _Passed(nn.Module):
    """In the place of an encoder: passes on given states, and what the encoder's pooler makes of them."""

    def __init__(self, pooler: nn.Module | None) -> None:
        super().__init__()
        self.pooler = pooler

    def forward(self, *unused: Any, inputs_embeds: torch.Tensor, **options: Any) -> Any:
        from transformers.modeling_outputs import BaseModelOutputWithPooling

        pooled_BD = None if self.pooler is None else self.pooler(inputs_embeds)
        return BaseModelOutputWithPooling(last_hidden_state=inputs_embeds, pooler_output=pooled_BD)


def pooling(settings: config.Model, encoder: Any) -> str:
    """Return how the head of an encoder's own class pools: `cls` or `mean`.

    Raises
    ------
    InputError
        The library has no such class for the encoder, or it pools in another way than the settings.
    """
    from transformers import MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING

    if type(encoder) not in MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING:
        raise InputError(
            f"model.head native: transformers has no AutoModelForSequenceClassification for {encoder.model_type}: "
            f"{_CURE}"
        )
    own = encoders.own_pooling(encoder, "cls")
    if own not in ("cls", "mean"):
        raise InputError(f"model.head native: the head of {encoder.model_type} pools '{own}', not cls or mean: {_CURE}")
    if settings.pooling not in ("auto", own):
        raise InputError(
            f"model.pooling {settings.pooling}: the native head of {encoder.model_type} pools {own}: set it to auto, "
            f"or {_CURE}"
        )
    return own


def build(encoder: Any, source: str | None, settings: config.Model, classes: int) -> Classifier:
    """Return a classifier whose head is that of the encoder's own class, pretrained if there is a source.

    A source that has such a head for as many classes begins with it; else the head is new.

    Raises
    ------
    InputError
        The weights are missing, or the head does not read one pooled vector.
    """
    stock = _load(_for_classes(encoder, classes), source, settings.attention)
    body = getattr(stock, stock.base_model_prefix)
    if settings.attention != "flash_attention_2":  # it runs on a GPU alone
        _check_split(stock, pooling(settings, encoder))
    model = _split(stock, body, pooling(settings, encoder))
    for module in model.head.modules():
        if isinstance(module, nn.Dropout):
            module.p = settings.dropout
    return model


def weights(model: Classifier) -> dict[str, torch.Tensor]:
    """Return the weights of a classifier with a native head, named as in the library's class."""
    assert isinstance(model.head, NativeHead)
    prefix = model.head.rest.base_model_prefix
    own = {f"{prefix}.{name}": value for name, value in model.encoder.state_dict().items()}
    return {**own, **model.head.rest.state_dict()}


def stock_class(model: Classifier) -> str:
    """Return the name of the library's class."""
    assert isinstance(model.head, NativeHead)
    return type(model.head.rest).__name__


def _for_classes(encoder: Any, classes: int) -> Any:
    changed = copy.deepcopy(encoder)
    changed.num_labels = classes
    changed.problem_type = None
    return changed


def _load(encoder: Any, source: str | None, attention: str) -> Any:
    """Return the library's classifier in float32; only its head may be new."""
    from transformers import AutoModelForSequenceClassification as Loader

    options = {"trust_remote_code": False, **({} if attention == "auto" else {"attn_implementation": attention})}
    try:
        if source is None:
            return Loader.from_config(encoder, dtype=torch.float32, **options)
        stock, loading = Loader.from_pretrained(
            source,
            config=encoder,
            dtype=torch.float32,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # a head for other classes
            **options,
        )
    except Exception as error:  # of damaged weights or wrong values, the libraries raise nothing narrower
        raise InputError(f"the encoder can't be loaded: {vocabulary.reason(error)}") from None
    lacking = [*loading["missing_keys"], *(name for name, *_ in loading["mismatched_keys"])]
    body = f"{stock.base_model_prefix}."
    if lost := sorted(name for name in lacking if name.startswith(body) and not name.startswith(f"{body}pooler.")):
        raise InputError(f"the weights in {source} lack {lost[0]} and {len(lost) - 1} more: pass matching files")
    return stock


def _split(stock: Any, body: nn.Module, how: str) -> Classifier:
    head = NativeHead(stock)
    if isinstance(getattr(body, "pooler", None), nn.Module):
        body.pooler = nn.Identity()  # it is in the head now
    return Classifier(body, how, head)


def _check_split(stock: Any, how: str) -> None:
    """Refuse a classifier that is another one when it is split, as one that reads the states of several tokens."""
    name = type(stock).__name__
    batch = {
        "input_ids": torch.tensor([[2, 3, 2, 3], [3, 2, 0, 0]]),
        "attention_mask": torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]]),
    }
    try:
        whole_BC = _logits(_twin(stock), batch)
        twin = _twin(stock)
        split_BC = _logits(_split(twin, getattr(twin, twin.base_model_prefix), how), batch)
    except Exception as error:  # whatever a class of the library raises
        raise InputError(f"model.head native: {name} can't be used ({vocabulary.reason(error)}): {_CURE}") from None
    if not torch.allclose(whole_BC, split_BC, rtol=0, atol=_ROUNDING * float(whole_BC.abs().max())):
        raise InputError(
            f"model.head native: the head of {name} can't be split from its encoder at one vector: {_CURE}"
        )


def _twin(stock: Any) -> Any:
    """Return a copy that shares the weights: encoders change themselves in a pass."""
    return copy.deepcopy(stock, {id(weight): weight for weight in stock.parameters()}).eval()


def _logits(model: nn.Module, batch: Batch) -> torch.Tensor:
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        if isinstance(model, Classifier):
            return model(batch)  # type: ignore[no-any-return]
        return model(**batch).logits  # type: ignore[no-any-return]
