"""Long texts in windows of `max_length` tokens: each window is encoded by itself, and their vectors become one."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import nn

from tithe import config
from tithe.arrays import Rows
from tithe.errors import InputError
from tithe.models import tokens
from tithe.models.examples import Batch
from tithe.models.tokens import Ends

if TYPE_CHECKING:  # slow to import
    from transformers import PreTrainedTokenizerBase

_AT_ONCE = 64  # windows that are encoded together where no gradient needs all of them


class _Cut(NamedTuple):
    """Windows of a batch: their tokens, the text (W,) and the place in it (W,) of each, and each text's number (B,)."""

    batch: Batch
    texts_W: torch.Tensor
    places_W: torch.Tensor
    counts_B: torch.Tensor


class Windows(nn.Module):
    """Reads texts of any length in windows.

    Parameters
    ----------
    settings
        The config's `model` section; it has windows.
    tokenizer
        Its tokens at the two ends of a text are at those of every window.
    pad
        Id of the padding token.
    width
        Width D of a window's vector.
    """

    def __init__(self, settings: config.Model, tokenizer: PreTrainedTokenizerBase, pad: int, width: int) -> None:
        super().__init__()
        assert settings.windows
        self.length, self.ends, self.pad = settings.max_length, _ends(tokenizer), pad
        self.stride, self.pool = settings.windows.stride, settings.windows.pool
        self.score = nn.Linear(width, 1) if self.pool == "attention" else None

    def forward(self, embed: Callable[[Batch], torch.Tensor], batch: Batch) -> torch.Tensor:
        """Return a vector for each text, shape (B, D).

        Parameters
        ----------
        embed
            Returns the vectors of texts of at most `length` tokens.
        """
        if batch["input_ids"].shape[1] <= self.length and self.score is None:
            return embed(batch)
        cut = self._cut(batch)
        size = len(cut.texts_W) if torch.is_grad_enabled() else _AT_ONCE
        parts = zip(*(tensor.split(size) for tensor in cut.batch.values()), strict=True)
        states_WD = torch.cat([embed(dict(zip(cut.batch, part, strict=True))) for part in parts])
        shape = len(cut.counts_B), int(cut.counts_B.max()), states_WD.shape[1]
        states_BKD = states_WD.new_zeros(shape).index_put((cut.texts_W, cut.places_W), states_WD)
        missing_BK = torch.arange(shape[1], device=states_WD.device) >= cut.counts_B[:, None]
        return self._pooled(states_BKD, missing_BK)

    def _cut(self, batch: Batch) -> _Cut:
        """Return the windows of a batch; the last one of a text ends where the text ends, and is full if it can be."""
        ids_BT, (before, after) = batch["input_ids"], self.ends
        mask_BT = batch.get("attention_mask", torch.ones_like(ids_BT))
        lengths_B = mask_BT.sum(1)
        counts_B = 1 + _divided_up((lengths_B - self.length).clamp(min=0), self.stride)
        texts_W = torch.repeat_interleave(counts_B)
        places_W = torch.arange(len(texts_W), device=ids_BT.device) - (counts_B.cumsum(0) - counts_B)[texts_W]
        lengths_W1 = lengths_B[texts_W, None]
        start_W1 = torch.minimum(places_W[:, None] * self.stride, (lengths_W1 - self.length).clamp(min=0))
        end_W1 = (lengths_W1 - start_W1).clamp(max=self.length)  # tokens of the window
        place_WT = torch.arange(self.length, device=ids_BT.device).expand(len(texts_W), -1)
        inside_WT = place_WT < end_W1
        source_WT = torch.where(place_WT < before, place_WT, start_W1 + place_WT)
        from_end_WT = lengths_W1 - (end_W1 - place_WT)
        source_WT = torch.where(place_WT >= end_W1 - after, from_end_WT, source_WT)
        ids_WT = ids_BT[texts_W[:, None], source_WT.where(inside_WT, 0)]
        windows = {"input_ids": ids_WT.where(inside_WT, self.pad), "attention_mask": inside_WT.to(mask_BT.dtype)}
        return _Cut(windows, texts_W, places_W, counts_B)

    def _pooled(self, states_BKD: torch.Tensor, missing_BK: torch.Tensor) -> torch.Tensor:
        if self.pool == "max":
            return states_BKD.masked_fill(missing_BK[..., None], -torch.inf).amax(1)
        if self.score is None:
            return states_BKD.sum(1) / (~missing_BK).sum(1, keepdim=True)
        scores_BK = self.score(states_BKD).squeeze(-1).masked_fill(missing_BK, -torch.inf)
        pooled_BD: torch.Tensor = (scores_BK.softmax(1)[..., None] * states_BKD).sum(1)
        return pooled_BD


def check(run: config.Run, tokenizer: PreTrainedTokenizerBase) -> None:
    """Check a config's windows, if any, against its tokenizer and the rest of it.

    Raises
    ------
    InputError
        They would leave tokens unread, or the network can't have them.
    """
    settings = run.model
    if settings.windows is None:
        return
    room, stride = settings.max_length - sum(_ends(tokenizer)), settings.windows.stride
    if stride > room:
        raise InputError(
            f"model.windows.stride {stride} leaves tokens unread between windows of {room} tokens beside the special "
            f"ones: set it to {room} or less"
        )
    if settings.head == "native":
        raise InputError("model.windows is for a head of tithe: set model.head to linear or mlp")
    if settings.windows.pool == "attention" and settings.freeze == "all" and run.train.cache_features:
        raise InputError(
            "model.windows.pool attention is trained, and the features of a frozen encoder are computed once: set it "
            "to mean or max, or train.cache_features to false"
        )


def cost(lengths_N: Rows, settings: config.Model) -> str:
    """Say in one line what the windows of texts cost; `lengths_N` are their tokens, shape (N,)."""
    assert settings.windows
    over_N = np.maximum(lengths_N - settings.max_length, 0)
    counts_N = 1 + -(-over_N // settings.windows.stride)
    read = int(np.where(counts_N > 1, counts_N * settings.max_length, lengths_N).sum())
    kept = int(np.minimum(lengths_N, settings.max_length).sum())
    return (
        f"{len(lengths_N)} texts are read in {counts_N.sum()} windows of up to {settings.max_length} tokens: "
        f"{read / max(kept, 1):.1f} times the tokens that are left without model.windows"
    )


def _ends(tokenizer: PreTrainedTokenizerBase) -> Ends:
    return tokens.special_ends(tokenizer, "a 1")


def _divided_up(values: torch.Tensor, divisor: int) -> torch.Tensor:
    return (values + divisor - 1) // divisor
