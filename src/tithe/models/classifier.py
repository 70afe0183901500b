"""The network of every text classifier: encoder, pooling, head."""

from __future__ import annotations

import math

import torch
from torch import nn

from tithe import config
from tithe.models.examples import Batch
from tithe.models.windows import Windows


class Classifier(nn.Module):
    """An encoder, pooling of its token states, and a head.

    Parameters
    ----------
    encoder
        Any model whose output has `last_hidden_state`, shape (B, T, D).
    pooling
        `cls` takes the first token, `mean` the average over real tokens.
    head
        Maps (B, D) to logits (B, C).
    windows
        How texts are read that are longer than the encoder's inputs may be.
    """

    encoder: nn.Module
    head: nn.Module
    windows: Windows | None

    def __init__(self, encoder: nn.Module, pooling: str, head: nn.Module, windows: Windows | None = None) -> None:
        super().__init__()
        self.encoder, self.pooling, self.head, self.windows = encoder, pooling, head, windows

    def embed(self, batch: Batch) -> torch.Tensor:
        """Return pooled states, shape (B, D)."""
        return self._embed_whole(batch) if self.windows is None else self.windows(self._embed_whole, batch)

    def _embed_whole(self, batch: Batch) -> torch.Tensor:
        mask_BT = batch.get("attention_mask")
        states_BTD: torch.Tensor = self.encoder(input_ids=batch["input_ids"], attention_mask=mask_BT).last_hidden_state
        if self.pooling == "cls":
            return states_BTD[:, 0]
        if mask_BT is None:
            return states_BTD.mean(dim=1)
        weights_BT1 = mask_BT.unsqueeze(-1).to(states_BTD.dtype)
        return (states_BTD * weights_BT1).sum(dim=1) / weights_BT1.sum(dim=1)

    def forward(self, batch: Batch) -> torch.Tensor:
        """Return logits, shape (B, C)."""
        logits: torch.Tensor = self.head(self.embed(batch))
        return logits


def head(settings: config.Model, width: int, classes: int) -> nn.Sequential:
    """Return a fresh linear or MLP head, mapping (B, width) to logits (B, classes)."""
    if settings.head == "linear":
        out = nn.Linear(width, classes)
        layers: list[nn.Module] = [nn.Dropout(settings.dropout), out]
    else:
        out = nn.Linear(settings.hidden_dim, classes)
        inner = nn.Linear(width, settings.hidden_dim)
        layers = [nn.Dropout(settings.dropout), inner, nn.GELU(), nn.Dropout(settings.dropout), out]
    # Small initial logits: the loss starts near ln C at any scale of the encoder's states.
    nn.init.normal_(out.weight, std=min(0.02, 1 / math.sqrt(width)))
    nn.init.zeros_(out.bias)
    return nn.Sequential(*layers)
