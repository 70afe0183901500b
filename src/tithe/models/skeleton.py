"""What an encoder's network says about its inputs before any weights are loaded: it is built on the meta device."""

from __future__ import annotations

import copy
import inspect
from typing import Any

import torch
from torch import nn

from tithe.errors import InputError
from tithe.models import vocabulary


def network_class(encoder: Any) -> Any:
    """Return the `AutoModel` class for an encoder's configuration; that of T5 and its kind has no decoder."""
    from transformers import MODEL_FOR_TEXT_ENCODING_MAPPING, AutoModel, AutoModelForTextEncoding

    return AutoModelForTextEncoding if type(encoder) in MODEL_FOR_TEXT_ENCODING_MAPPING else AutoModel


def build(encoder: Any, name: str) -> nn.Module:
    """Return an encoder's network without memory for its weights; `name` is shown in errors.

    Raises
    ------
    InputError
        There is no network for the values of this configuration.
    """
    try:
        with torch.random.fork_rng(devices=[]), torch.device("meta"):
            # A copy, since building writes the dtype into the configuration.
            network: nn.Module = network_class(encoder).from_config(copy.deepcopy(encoder), trust_remote_code=False)
    except Exception as error:  # of wrong values, the library raises nothing narrower
        raise InputError(
            f"model.encoder '{name}': no network can be built from its config.json: {vocabulary.reason(error)}"
        ) from None
    return network


def has_decoder(network: nn.Module) -> bool:
    """Return whether a network also writes texts, and so has no states of the tokens that it reads alone."""
    return "decoder_input_ids" in inspect.signature(network.forward).parameters


def check_inputs(network: nn.Module, configuration: Any, tokenizer: Any, max_length: int, name: str) -> None:
    """Check a network against the texts that it will be given; `name` is shown in errors.

    Raises
    ------
    InputError
        `max_length` is more than its positions, or it does not embed all ids of the tokenizer.
    """
    limit = positions(network, configuration)
    if limit is not None and max_length > limit:
        raise InputError(
            f"max_length {max_length} is more than the {limit} positions of {name}: set it to {limit} or less"
        )
    largest, embedded = vocabulary.largest_id(tokenizer), _embedded_ids(network)
    if embedded is not None and largest >= embedded:
        raise InputError(
            f"{name} embeds the token ids 0 to {embedded - 1}, but its tokenizer has ids up to {largest}: call "
            f"model.resize_token_embeddings({largest + 1}) and save the model, or remove the added tokens"
        )


def positions(network: nn.Module, configuration: Any) -> int | None:
    """Return the most tokens that a text may have; None if there is no limit, as with relative positions."""
    stated = getattr(configuration, "max_position_embeddings", None)
    if not isinstance(stated, int) or stated < 1:
        return None
    is_absolute = getattr(configuration, "position_biased_input", True)
    if getattr(configuration, "relative_attention", False) and not is_absolute:
        return None  # DeBERTa: its number is the distance from which all positions count as equally far
    return stated - max((_offset(module) for module in _tables(network, stated)), default=0)


def _tables(network: nn.Module, rows: int) -> list[nn.Module]:
    """Return the embedding tables of absolute positions."""
    named = [(name, module, getattr(module, "weight", None)) for name, module in network.named_modules()]
    return [module for name, module, weight in named if "pos" in name and weight is not None and len(weight) == rows]


def _offset(table: nn.Module) -> int:
    """Return the number of rows that no token has: the family of RoBERTa counts positions from the padding id + 1."""
    padding = getattr(table, "padding_idx", None)
    return 0 if padding is None else int(padding) + 1


def _embedded_ids(network: nn.Module) -> int | None:
    """Return how many token ids a network embeds; None if it has no table of them, such as CANINE, which hashes."""
    try:
        table = network.get_input_embeddings()  # type: ignore[operator]
    except NotImplementedError:
        return None
    weight = getattr(table, "weight", None)
    return None if weight is None else len(weight)
