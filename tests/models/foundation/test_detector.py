"""What the head on an encoder sees of a picture: columns in their order, crops averaged, one view for both."""

from __future__ import annotations

from typing import cast

import torch
from torch import nn

from tithe.models.foundation.detector import Foundation
from tithe.models.foundation.encoder import Encoder


class Levels(nn.Module):
    """An encoder whose pooled state is the largest and smallest value of a view, and whose inner one is the mean."""

    def forward(self, images_N3SS: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        flat = images_N3SS.flatten(1)
        return torch.stack([flat.amax(1), flat.amin(1)], dim=1), flat.mean(1, keepdim=True)


def features(images: torch.Tensor) -> torch.Tensor:
    embedded: torch.Tensor = Foundation(cast(Encoder, Levels()), nn.Identity(), 4).embed({"images": images})
    return embedded


def test_pooled_states_come_first_and_crops_are_averaged() -> None:
    views_13 = torch.tensor([[9.0, 2.0, 4.0]])  # the whole picture, and two crops
    images = views_13[:, :, None, None, None] * torch.tensor([1.0, 0.0]).expand(1, 3, 3, 2, 2)
    assert features(images).tolist() == [[9.0, 0.0, 3.0, 0.0, 4.5, 1.5]]


def test_one_view_is_the_picture_and_its_crop() -> None:
    images = torch.tensor([8.0, 0.0]).expand(1, 3, 2, 2)
    assert features(images).tolist() == [[8.0, 0.0, 8.0, 0.0, 4.0, 4.0]]
