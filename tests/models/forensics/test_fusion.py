"""How the branches are fused: tokens, gates, and the vector of an image."""

from __future__ import annotations

import torch
from torch import nn

from support.detectors import built
from tithe.models.forensics import fusion


def test_tokens_are_means_of_a_grid() -> None:
    grid = torch.arange(256.0).view(1, 1, 16, 16)
    found = fusion.tokens(grid)
    assert found.shape == (1, 64, 1)
    assert found[0, :2, 0].tolist() == [8.5, 10.5] and found[0, 8, 0] == 8.5 + 32
    assert torch.equal(fusion.tokens(torch.full((1, 5, 1, 1), 3.0)), torch.full((1, 64, 5), 3.0))


def test_a_shut_gate_changes_nothing_and_an_open_one_does() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        cross, given = fusion.CrossAttention(), [torch.randn(2, length, 192) for length in (64, 65, 67)]
    assert all(torch.equal(a, b) for a, b in zip(cross(*given), given, strict=True))
    # Each update reads the tokens as they came: opening one gate changes the tokens that it belongs to alone.
    for name, changed in [("from_spectral", 0), ("from_statistical", 0), ("to_spectral", 1), ("to_statistical", 2)]:
        gate = getattr(cross, name).gate
        gate.data.fill_(1.0)
        assert [not torch.equal(a, b) for a, b in zip(cross(*given), given, strict=True)] == [
            i == changed for i in range(3)
        ]
        gate.data.zero_()


def test_updates_are_made_all_at_once() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        cross, (p, q, s) = fusion.CrossAttention(), [torch.randn(2, length, 192) for length in (64, 65, 67)]
    for part in cross.children():
        part.gate.data.fill_(1.0)
    expected = [p + cross.from_spectral(p, q) + cross.from_statistical(p, s), q + cross.to_spectral(q, p)]
    for a, b in zip(cross(p, q, s), [*expected, s + cross.to_statistical(s, p)], strict=True):
        torch.testing.assert_close(a, b)


def test_the_vector_of_an_image_by_hand() -> None:
    fused = built("full").encoder.fused
    fused.layers = nn.Sequential()
    branches = [torch.full((2, length, 192), value) for length, value in ((64, 1.0), (65, 20.0), (67, 300.0))]
    expected = 321 + fused.first + fused.branches.sum(0)
    torch.testing.assert_close(fused(branches), expected.expand(2, 192), rtol=0, atol=1e-4)
