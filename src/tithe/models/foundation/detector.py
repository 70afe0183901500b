"""The detector on a foundation encoder: features of several views of a picture, and a head."""

from __future__ import annotations

import torch
from torch import nn

from tithe import config
from tithe.models.examples import Batch
from tithe.models.foundation.encoder import Encoder

_LEAST_VARIANCE = 1e-6
OUTPUTS = 3  # as of the detectors of pixels: the score's logit, and the logits of fake and real


class Foundation(nn.Module):
    """Classifies images as real (label 1) or fake (label 0), by the states of an encoder that is not trained.

    Parameters
    ----------
    encoder
        Maps images (N, 3, S, S) to pooled states (N, D) and inner ones (N, I).
    head
        Maps features (B, 2 · D + 2 · I) to outputs (B, 3).
    pooled
        2 · D, the first columns of the features, which show what a picture is of: those that distances are of.
    """

    def __init__(self, encoder: Encoder, head: nn.Module, pooled: int) -> None:
        super().__init__()
        self.encoder, self.head, self.pooled = encoder, head, pooled

    def embed(self, batch: Batch) -> torch.Tensor:
        """Return pooled states, then inner ones, of the picture and the mean of its crops, shape (B, 2 · D + 2 · I).

        Parameters
        ----------
        batch
            `images`, shape (B, 1 + K, 3, S, S), the whole picture first; or (B, 3, S, S), one view for both.
        """
        images = batch["images"] if batch["images"].ndim == 5 else batch["images"][:, None]
        features = []
        for states in self.encoder(images.flatten(0, 1)):
            states_BVD = states.unflatten(0, images.shape[:2]).float()
            crops_BKD = states_BVD[:, 1:] if images.shape[1] > 1 else states_BVD
            features += [states_BVD[:, 0], crops_BKD.mean(1)]
        return torch.cat(features, dim=1)

    def forward(self, batch: Batch) -> torch.Tensor:
        """Return the score's logit and the logits of fake and real, shape (B, 3); see `embed`."""
        outputs_B3: torch.Tensor = self.head(self.embed(batch))
        return outputs_B3


class Standardise(nn.Module):
    """Centres and scales each feature by its mean and variance over all rows that were seen in training.

    Unlike batch normalisation it takes a batch of one row, and gives the same in training and evaluation.
    """

    rows: torch.Tensor
    mean: torch.Tensor
    variance: torch.Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("rows", torch.zeros(()))
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("variance", torch.ones(width))

    def forward(self, values_BD: torch.Tensor) -> torch.Tensor:
        """Return the same features, standardised."""
        if self.training:
            self._see(values_BD.detach())
        standardised_BD: torch.Tensor = (values_BD - self.mean) * (self.variance + _LEAST_VARIANCE).rsqrt()
        return standardised_BD

    def _see(self, values_BD: torch.Tensor) -> None:
        """Add rows to the mean and the variance (Chan et al. 1979)."""
        before, rows = self.rows.clone(), len(values_BD)
        gap_D = values_BD.mean(0) - self.mean
        self.rows += rows
        self.mean += gap_D * rows / self.rows
        new_D = values_BD.var(0, correction=0) * rows / self.rows + gap_D**2 * before * rows / self.rows**2
        self.variance.mul_(before / self.rows).add_(new_D)


def head(settings: config.Images, width: int) -> nn.Sequential:
    """Return a fresh head for features of a width; it maps them, shape (B, width), to outputs (B, 3).

    Each feature is standardised first: a few directions are far larger than the others.
    """
    out = nn.Linear(settings.hidden_dim if settings.head == "mlp" else width, OUTPUTS)
    inner = [nn.Linear(width, settings.hidden_dim), nn.GELU()] if settings.head == "mlp" else []
    nn.init.zeros_(out.weight)
    nn.init.zeros_(out.bias)
    return nn.Sequential(Standardise(width), *inner, out)
