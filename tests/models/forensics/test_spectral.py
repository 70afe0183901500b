"""Spectra of planes whose waves are known, their profiles and their percentiles."""

from __future__ import annotations

import math

import pytest
import torch

from support.detectors import GRAY, built, images
from tithe.models.forensics import spectral


def cosine(height: int, width: int, down: int, across: int) -> torch.Tensor:
    """A plane of waves, so many over its height and its width, shape (1, H, W)."""
    y, x = torch.arange(height)[:, None] / height, torch.arange(width) / width
    return 0.5 + 0.4 * torch.cos(2 * torch.pi * (down * y + across * x))[None]


@pytest.mark.parametrize(("down", "across"), [(0, 20), (13, 0), (5, 30), (32, 32), (-7, 11)])
@pytest.mark.parametrize("size", [(64, 64), (75, 90)], ids=str)
def test_a_cosine_peaks_in_its_ring(size: tuple[int, int], down: int, across: int) -> None:
    spectrum = spectral.log_spectrum(cosine(*size, down, across))
    assert spectrum.shape == (1, size[0], size[1] // 2 + 1)
    row, column = divmod(int(spectrum.argmax()), spectrum.shape[2])
    rows = {(size[0] // 2 + down) % size[0], (size[0] // 2 - down) % size[0]}
    assert column == across and row in (rows if across in (0, size[1] / 2) else {(size[0] // 2 + down) % size[0]})
    ring = int(128 * math.hypot(down / size[0], across / size[1]) / math.sqrt(0.5))
    assert int(spectral.radial_profile(spectrum, size[1])[0].argmax()) == min(ring, 127)


def test_the_profile_of_a_small_image_leaves_its_empty_rings_at_zero() -> None:
    spectrum = spectral.log_spectrum(torch.rand(2, 8, 8, generator=torch.Generator().manual_seed(0)))
    profile = spectral.radial_profile(spectrum, 8)
    filled = (profile != 0).any(0)
    assert 10 < filled.sum() < 40
    torch.testing.assert_close(profile[:, filled].mean(1), torch.zeros(2), atol=1e-5, rtol=0)
    torch.testing.assert_close(profile[:, filled].square().mean(1), torch.ones(2), atol=0.1, rtol=0)


def test_a_spectrum_is_clipped_at_its_percentiles() -> None:
    shuffled = torch.randperm(101, generator=torch.Generator().manual_seed(0)).float().view(1, 1, 1, 101)
    found = spectral.clipped(torch.cat([shuffled, shuffled * 3 + 7], dim=1))
    torch.testing.assert_close(found[:, :1], ((shuffled - 50) / 45).clamp(-1, 1))
    torch.testing.assert_close(found[:, 1:], found[:, :1])


@pytest.mark.parametrize("width", [129, 128, 90, 3])
def test_the_percentiles_of_a_large_plane_are_near(width: int) -> None:
    plane = torch.randn(1, 1, 40_000 // width, width, generator=torch.Generator().manual_seed(0))
    plane = plane + torch.arange(width) % 3  # what a step over a few columns alone would miss
    low, high = torch.quantile(plane, torch.tensor([0.05, 0.95]))
    found = spectral.clipped(plane)
    for share, value in ((found == -1, low), (found == 1, high)):
        edge = plane[share].max() if value is low else plane[share].min()
        assert abs(edge - value) < 0.1


@pytest.mark.parametrize("size", [(8, 8), (33, 47), (64, 64)], ids=str)
def test_the_spectral_branch_is_finite_in_bf16(size: tuple[int, int]) -> None:
    full = built("full")
    branch, seen = full.encoder.spectral, []
    branch.trunk.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    x = images(2, 3, *size).float() * GRAY
    with torch.autocast("cpu", torch.bfloat16):
        grid, token = branch(x)
        (grid.float().sum() + token.float().sum()).backward()
    assert grid.isfinite().all() and token.isfinite().all()
    assert all(p.grad.isfinite().all() for p in branch.parameters())
    branch(x)
    assert seen[0].dtype == torch.float32 and torch.equal(*seen)
