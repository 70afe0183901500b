"""The bytes that tensors hold at their peak, against what follows from their shapes."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from tithe.train.live_tensors import LiveTensors

pytestmark = pytest.mark.usefixtures("seeded")  # networks are built by the global generator

FLOAT = 4


def test_a_tensor_counts_until_nobody_has_it() -> None:
    with LiveTensors() as live:
        first = torch.zeros(100) + 1  # two of them for a moment
        del first
        second = torch.zeros(150)
        view = second[:10].view(2, 5)
        second.add_(1)
        del second
        assert live.peak == 200 * FLOAT
        torch.zeros(60)
    assert live.peak == 210 * FLOAT and view.shape == (2, 5)


@pytest.mark.parametrize("rows", [10, 20])
def test_a_backward_pass_needs_what_the_forward_pass_kept(rows: int) -> None:
    network = nn.Sequential(nn.Linear(100, 400), nn.ReLU(), nn.Linear(400, 10))
    inputs = torch.randn(rows, 100)  # made before: it does not count
    with LiveTensors() as live:
        loss = network(inputs).sum()
    assert live.peak == 2 * rows * 400 * FLOAT  # the first layer's output beside the one that is kept
    with LiveTensors() as live:
        loss.backward()
    weights = sum(p.numel() for p in network.parameters())
    assert live.peak >= weights * FLOAT


def test_layers_that_are_computed_again_are_counted_when_they_are() -> None:
    def layers(x: torch.Tensor) -> torch.Tensor:
        for _ in range(10):
            x = torch.tanh(x)
        return x

    peaks = []
    for pieces in (1, 5):
        x = torch.zeros(1000, requires_grad=True)
        with LiveTensors() as live:
            y = x
            for _ in range(pieces):
                y = checkpoint(layers, y, use_reentrant=False) if pieces > 1 else layers(layers(y))
            y.sum().backward()
        peaks.append(live.peak)
    assert peaks[0] > 20 * 1000 * FLOAT
    assert 10 * 1000 * FLOAT < peaks[1] < 20 * 1000 * FLOAT
