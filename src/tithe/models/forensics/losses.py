"""The detector's loss: regression of the score, classification, and ranking of real above fake images."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch.nn import functional as F


def parts(outputs_B3: torch.Tensor, labels_B: torch.Tensor, margin: float = 0.2) -> dict[str, torch.Tensor]:
    """Return the three mean losses of a batch, in float32, and the number of pairs in the third.

    Parameters
    ----------
    outputs_B3
        Outputs of the detector: the score's logit, and the logits of fake and real.
    labels_B
        1 real, 0 fake.
    margin
        Margin by which a real image's score should exceed each fake one's.

    Returns
    -------
    regression
        (score − label)², the Brier score.
    classification
        Cross-entropy of the class logits.
    ranking
        See `ranking`.
    pairs
        The number of pairs of a real and a fake image, without a gradient.
    """
    logit_B, classes_B2 = outputs_B3[:, 0].float(), outputs_B3[:, 1:].float()
    score_B, real_B = logit_B.sigmoid(), labels_B == 1
    return {
        "regression": F.mse_loss(score_B, labels_B.to(score_B.dtype)),
        "classification": F.cross_entropy(classes_B2, labels_B),
        "ranking": ranking(score_B[real_B], score_B[~real_B], margin),
        "pairs": real_B.sum() * (~real_B).sum(),
    }


def total(losses: Mapping[str, torch.Tensor], weights: Mapping[str, float]) -> torch.Tensor:
    """Return the weighted sum of the losses in `weights`."""
    return torch.stack([weight * losses[name] for name, weight in weights.items()]).sum()


def ranking(real_R: torch.Tensor, fake_F: torch.Tensor, margin: float) -> torch.Tensor:
    """Return the mean of `max(0, margin − (real − fake))` over all pairs of a real and a fake score; 0 without pairs.

    A real score has a loss with exactly those fake scores that are above `real − margin`. With the fakes sorted, their
    number and sum are looked up: a complete validation set needs a sort and no matrix of pairs.
    """
    fake_F = fake_F.sort().values
    sum_from_F = F.pad(fake_F.flip(0).cumsum(0).flip(0), (0, 1))
    first_R = torch.searchsorted(fake_F.detach(), real_R.detach() - margin, right=True)
    count_R = len(fake_F) - first_R
    short_R = sum_from_F[first_R] + count_R * (margin - real_R)
    # Without pairs the sum is 0 and still part of the graph: a batch of one class has a gradient of zeros.
    return short_R.sum() / max(len(real_R) * len(fake_F), 1)
