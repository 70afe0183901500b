"""The detector: its sizes, what each filter and statistic says of images with known answers, and its loss by hand."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tithe.errors import InputError
from tithe.forensics import Detector, blocks, detector, fusion, losses, residuals, spectral, statistical

MODES = ["fast", "full"]
SIZES = [(8, 8), (9, 9), (17, 17), (33, 64), (8, 250), (256, 256)]
GRAY = 1 / residuals.GRAY_LEVELS


def built(mode: Any, seed: int = 0) -> Detector:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Detector(mode)


@pytest.fixture(scope="module", params=MODES)
def mode(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def shared(mode: str) -> Detector:
    """One detector for all tests that leave it as it is."""
    return built(mode)


def images(*shape: int, seed: int = 0) -> torch.Tensor:
    """Bytes with neighbours alike: a coarse grid, enlarged, and a little noise."""
    generator = torch.Generator().manual_seed(seed)
    *many, height, width = shape
    coarse = torch.rand(math.prod(many[:-1]), 3, height // 4 + 1, width // 4 + 1, generator=generator)
    smooth = F.interpolate(coarse, size=(height, width), mode="bilinear") * 240
    noise = torch.rand(smooth.shape, generator=generator) * 15
    return (smooth + noise).to(torch.uint8).view(*shape)


def sizes(model: nn.Module) -> dict[str, int]:
    return {name: sum(p.numel() for p in part.parameters()) for name, part in model.named_children()}


# ---- what it is made of

PARTS = {
    "fast": {"perceptual": 1.958e6, "traces": 0.472e6},
    "full": {"perceptual": 1.958e6, "spectral": 0.570e6, "statistical": 0.770e6, "cross": 0.597e6, "fused": 0.891e6},
}
WHOLE = {"fast": 2.480e6, "full": 4.886e6}


def test_the_parts_have_the_documented_sizes(mode: str, shared: Detector) -> None:
    found = sizes(shared.encoder)
    assert found.keys() == PARTS[mode].keys()
    assert found == pytest.approx(PARTS[mode], rel=0.003)
    # The vector before the head is 192 wide in both modes; documented sizes are of a head on all branches side by side.
    assert sum(sizes(shared).values()) == pytest.approx(WHOLE[mode], rel=0.016)


def test_nothing_is_kept_but_weights(shared: Detector) -> None:
    assert list(shared.buffers()) == []
    assert not any(isinstance(module, nn.Dropout | nn.modules.batchnorm._BatchNorm) for module in shared.modules())


def test_an_unknown_mode_is_named() -> None:
    with pytest.raises(InputError, match="no mode 'ful' of the detector: choose fast or full"):
        built("ful")


# ---- what goes in and what comes out


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_every_size_is_judged(shared: Detector, size: tuple[int, int]) -> None:
    with torch.no_grad():
        out, vector = shared({"images": images(1, 3, *size)}), shared.embed({"images": images(1, 3, *size)})
    assert out.shape == (1, 3) and vector.shape == (1, 192)
    assert out.dtype == vector.dtype == torch.float32
    assert out.isfinite().all() and vector.isfinite().all()


REFUSED = [
    (torch.zeros(1, 3, 7, 8), r"\(1, 3, 7, 8\) can't be judged: pass \(B, 3, H, W\)"),
    (torch.zeros(1, 3, 8, 7), "H and W of 8 or more"),
    (torch.zeros(1, 2, 3, 7, 7), "H and W of 8 or more"),
    (torch.zeros(1, 1, 8, 8), r"\(1, 1, 8, 8\)"),
    (torch.zeros(3, 8, 8), r"\(3, 8, 8\)"),
    (torch.zeros(1, 8, 8, 3), r"\(1, 8, 8, 3\)"),
    (torch.zeros(1, 3, 8, 8, dtype=torch.int64), "torch.int64 can't be judged: pass uint8, or floats"),
]


@pytest.mark.parametrize(("given", "says"), REFUSED, ids=[f"{tuple(x.shape)} {x.dtype}" for x, _ in REFUSED])
@pytest.mark.parametrize("call", ["forward", "embed"])
def test_what_is_no_image_is_refused(shared: Detector, given: torch.Tensor, says: str, call: str) -> None:
    with pytest.raises(InputError, match=says) as refused:
        getattr(shared, call)({"images": given})
    assert "\n" not in str(refused.value)


@torch.no_grad()
def test_bytes_floats_and_memory_formats_are_one(shared: Detector) -> None:
    given = images(2, 3, 20, 24)
    out = shared({"images": given})
    torch.testing.assert_close(shared({"images": given.float() / 255}), out, rtol=0, atol=1e-5)
    last = given.contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(shared({"images": last}), out, rtol=0, atol=1e-5)


@torch.no_grad()
def test_an_image_is_judged_by_itself(shared: Detector) -> None:
    given = images(5, 3, 21, 30)
    out = shared({"images": given})
    order = torch.tensor([3, 0, 4, 1, 2])
    torch.testing.assert_close(shared({"images": given[order]}), out[order], rtol=0, atol=1e-5)
    for i in range(5):
        torch.testing.assert_close(shared({"images": given[i : i + 1]}), out[i : i + 1], rtol=0, atol=1e-5)
    assert (out[1:] - out[0]).abs().amax(1).min() > 1e-4  # and not all alike


@torch.no_grad()
def test_crops_are_averaged(shared: Detector) -> None:
    given = images(2, 3, 3, 16, 16)
    out, each = shared({"images": given}), shared({"images": given.view(6, 3, 16, 16)}).view(2, 3, 3)
    torch.testing.assert_close(out[:, 0].sigmoid(), each[..., 0].sigmoid().mean(1))
    torch.testing.assert_close(out[:, 1:].exp(), each[..., 1:].softmax(2).mean(1))
    vectors = shared.embed({"images": given.view(6, 3, 16, 16)}).view(2, 3, 192)
    torch.testing.assert_close(shared.embed({"images": given}), vectors.mean(1))


def test_averages_by_hand() -> None:
    def outputs(score: float, real: float) -> list[float]:
        return [math.log(score / (1 - score)), math.log(1 - real), math.log(real)]

    found = detector.averaged(torch.tensor([[outputs(0.2, 0.9), outputs(0.6, 0.5)]]))
    torch.testing.assert_close(found, torch.tensor([outputs(0.4, 0.7)]))
    # Scores of 1 and 0 in float32: their mean is a half; two scores of 1 keep their logit.
    sure = torch.tensor([[[1000.0, 0, 900], [-1000, 900, 0]], [[1000, 0, 900], [1000, 0, 900]]])
    expected = torch.tensor([[0, math.log(0.5), math.log(0.5)], [1000, -900, 0]])
    torch.testing.assert_close(detector.averaged(sure), expected)


# ---- learning


def step(model: Detector, given: torch.Tensor, labels: torch.Tensor, optimizer: torch.optim.Optimizer) -> torch.Tensor:
    """Do one step; return the outputs that it began with."""
    optimizer.zero_grad()
    out: torch.Tensor = model({"images": given})
    losses.total(losses.parts(out, labels), WEIGHTS).backward()
    optimizer.step()
    return out.detach()


WEIGHTS = {"regression": 1.0, "classification": 0.3, "ranking": 0.2}
LABELS = torch.tensor([0, 1, 0, 1])


def test_the_same_seed_gives_the_same_bytes(mode: str) -> None:
    states = []
    for seed in (1, 1, 2):
        model = built(mode, seed)
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
        for i in range(2):
            step(model, images(2, 3, 17, 20, seed=i), torch.tensor([0, 1]), optimizer)
        states.append(model.state_dict())
    same, other = ([torch.equal(states[0][name], state[name]) for name in state] for state in states[1:])
    assert all(same) and not any(other)


def test_gradients_reach_every_weight(mode: str) -> None:
    model = built(mode)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    step(model, images(4, 3, 32, 32), LABELS, optimizer)
    still = {name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()}
    assert all("cross" in name and "gate" not in name for name in still)  # behind gates that were still shut
    step(model, images(4, 3, 32, 32), LABELS, optimizer)
    assert [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_a_step_in_pieces_is_the_whole_step(mode: str, shared: Detector) -> None:
    given, labels = images(8, 3, 16, 16), torch.arange(8) % 2
    gradients = []
    for size in (8, 4):
        model = copy.deepcopy(shared)
        for few, their in zip(given.split(size), labels.split(size), strict=True):
            F.cross_entropy(model({"images": few})[:, 1:], their, reduction="sum").backward()
        gradients.append(torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None]))
    whole, pieces = gradients
    assert (pieces - whole).norm() < 1e-4 * whole.norm()


@pytest.mark.parametrize("level", [0, 77, 255])
def test_an_empty_image_has_finite_gradients(mode: str, level: int) -> None:
    model = built(mode)
    given = torch.full((2, 3, 33, 40), level * GRAY, requires_grad=True)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(2):
        assert step(model, given, torch.tensor([0, 1]), optimizer).isfinite().all()
    for name, p in [*model.named_parameters(), ("images", given)]:
        assert p.grad is not None and p.grad.isfinite().all(), name


def test_it_learns_to_see_an_upsampling(mode: str) -> None:
    model = built(mode)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
    generator, labels = torch.Generator().manual_seed(0), LABELS
    steps, side = {"fast": (36, 32), "full": (14, 16)}[mode]
    for _ in range(steps):  # new images every time: none can be learned by heart
        real = torch.randint(0, 256, (4, 3, side, side), dtype=torch.uint8, generator=generator)
        fake = real[..., ::2, ::2].repeat_interleave(2, -1).repeat_interleave(2, -2)
        given = torch.where(labels.view(-1, 1, 1, 1) == 1, real, fake)
        out = step(model, given, labels, optimizer)
    score = out[:, 0].sigmoid()
    assert score[labels == 1].min() > score[labels == 0].max() + 0.1


@torch.no_grad()
def test_bf16_changes_little(shared: Detector) -> None:
    given = images(3, 3, 45, 61)
    exact = shared({"images": given})
    with torch.autocast("cpu", torch.bfloat16):
        rounded = shared({"images": given})
        assert shared.embed({"images": given}).dtype == rounded.dtype == torch.float32
    torch.testing.assert_close(rounded, exact, rtol=0, atol=0.03)


# ---- the norm


def group_norm(x: torch.Tensor, norm: blocks.Norm) -> torch.Tensor:
    return F.group_norm(x, 8, norm.weight, norm.bias)


@pytest.mark.parametrize("shape", [(2, 24, 5, 7), (1, 32, 1, 1), (3, 16, 1, 9)], ids=str)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=str)
@pytest.mark.parametrize(("dtype", "error"), [(torch.float64, 1e-9), (torch.float32, 1e-4), (torch.bfloat16, 0.02)])
def test_the_norm_is_group_normalisation(
    shape: tuple[int, ...], layout: torch.memory_format, dtype: torch.dtype, error: float
) -> None:
    generator = torch.Generator().manual_seed(0)
    norm = blocks.Norm(shape[1]).double()
    norm.weight.data.uniform_(0.5, 2, generator=generator)
    norm.bias.data.uniform_(-1, 1, generator=generator)
    if dtype != torch.float64:
        norm.float()
    x = (torch.randn(shape, generator=generator, dtype=torch.float64) * 3 + 2).to(dtype)
    above = torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)

    def all_of(function: Callable[..., torch.Tensor], x: torch.Tensor, norm: blocks.Norm) -> Iterator[torch.Tensor]:
        x = x.to(memory_format=layout).requires_grad_()
        out = function(x, norm)
        yield out.detach().double()
        for gradient in torch.autograd.grad(out, [x, norm.weight, norm.bias], above.to(out.dtype)):
            yield gradient.double()

    ours = all_of(lambda x, norm: norm(x), x, norm)
    theirs = all_of(group_norm, x.double(), copy.deepcopy(norm).double())
    for found, expected in zip(ours, theirs, strict=True):
        torch.testing.assert_close(found, expected, rtol=0, atol=error * float(expected.abs().max()))


# ---- blocks


@pytest.mark.parametrize("height", [1, 2, 5])
def test_a_map_of_one_column_has_its_gradient_in_bf16(height: int) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        block, x = blocks.Residual(32, 32, 2), torch.randn(2, 32, height, 1)
    shapes = block(x).shape, block.first(x).shape
    assert shapes[0] == shapes[1] == (2, 32, (height + 1) // 2, 1)
    for dtype in (torch.float32, torch.bfloat16):
        poison = [torch.full_like(block.first.weight, math.nan, dtype=dtype) for _ in range(100)]
        del poison  # the gradient may now lie where these lay
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
            block(x).float().square().sum().backward()
        outside = block.first.weight.grad[..., [0, 2]]  # taps that only ever see the padding
        assert not outside.any()
        block.zero_grad()


def test_every_gray_level_survives_bf16() -> None:
    branch, seen = built("fast").encoder.perceptual, []
    branch.trunk.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    levels = (torch.arange(256, dtype=torch.uint8).float() / 255).expand(1, 3, 8, 256)
    with torch.no_grad():
        branch(levels)
    kept = seen[0][0, 0, 0].bfloat16().float()
    torch.testing.assert_close(kept, (torch.arange(256.0) - 127.5) / 64, rtol=0, atol=0)


# ---- residuals


def test_npr_by_hand() -> None:
    x = torch.tensor([[1.0, 2, 3], [4, 5, 6], [7, 9, 11]])[None, None]
    expected = torch.tensor([[0.0, 1, 0], [3, 4, 3], [0, 2, 0]])[None, None]
    assert torch.equal(residuals.npr(x), expected)


def test_srm_answers_an_impulse_with_its_kernels() -> None:
    x = torch.zeros(1, 3, 9, 9)
    x[0, 1, 4, 4] = GRAY
    found = residuals.srm(x).view(3, 3, 9, 9) * 3  # in gray levels, of red, green and blue
    assert not found[[0, 2]].any()
    square_5, square_3, line = found[1]
    expected_5 = [[-1, 2, -2, 2, -1], [2, -6, 8, -6, 2], [-2, 8, -12, 8, -2], [2, -6, 8, -6, 2], [-1, 2, -2, 2, -1]]
    torch.testing.assert_close(square_5[2:7, 2:7] * 12, torch.tensor(expected_5).float())
    torch.testing.assert_close(square_3[3:6, 3:6] * 4, torch.tensor([[-1.0, 2, -1], [2, -4, 2], [-1, 2, -1]]))
    torch.testing.assert_close(line[4, 3:6] * 2, torch.tensor([1.0, -2, 1]))
    assert [int((plane != 0).sum()) for plane in found[1]] == [25, 9, 3]
    torch.testing.assert_close(residuals.high_pass(x)[0, 1] / GRAY, square_3)


def test_srm_is_clamped_at_three_gray_levels() -> None:
    x = torch.zeros(1, 1, 9, 9)
    x[..., 4, 4] = 1
    line = residuals.srm(x)[0, 2]
    assert line[4, 3:6].tolist() == [1, -1, 1]
    ramp = torch.arange(9.0).expand(1, 1, 9, 9) * GRAY
    assert residuals.srm(ramp)[..., 2:-2].abs().max() < 1e-5  # a slope is no residual
    level = torch.full((1, 2, 5, 6), 0.3)
    assert max(f(level).abs().max() for f in (residuals.npr, residuals.srm, residuals.high_pass)) < 1e-5  # to its edges


@pytest.mark.parametrize("name", ["npr", "srm", "high_pass"])
def test_residuals_are_exact_under_autocast(name: str) -> None:
    x, function = images(1, 3, 10, 11).float() * GRAY, getattr(residuals, name)
    with torch.autocast("cpu", torch.bfloat16):
        found = function(x)
    assert found.dtype == torch.float32 and torch.equal(found, function(x))


# ---- spectra


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


# ---- statistics


def test_statistics_are_exact_under_autocast() -> None:
    branch, x, seen = built("full").encoder.statistical, images(2, 3, 20, 21).float() * GRAY, []
    for layer in (branch.histograms, branch.covariances, branch.moments):
        layer.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    for enabled in (True, False):
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            branch(x)
    for rounded, exact in zip(seen[:3], seen[3:], strict=True):
        assert rounded.dtype == torch.float32 and torch.equal(rounded, exact)


def test_a_histogram_by_hand() -> None:
    # Centres are 2/15 apart: one value at the first, one at the last, one a quarter of the way from the second on.
    x = torch.tensor([-1.0, 1.0, -1 + 1.25 * 2 / 15, 1.0]).view(1, 1, 2, 2)
    expected = torch.zeros(16)
    expected[0], expected[1], expected[2], expected[15] = 1, 0.75, 0.25, 2
    torch.testing.assert_close(statistical.soft_histograms(x)[0, 0], expected * 16 / 4)


def test_covariances_of_a_checkerboard() -> None:
    y, x = torch.arange(8)[:, None], torch.arange(10)
    board = (1 - 2 * ((y + x) % 2)).float()[None, None]
    expected = [(-1.0) ** (down + across) for down, across in statistical.LAGS]
    torch.testing.assert_close(statistical.lag_covariances(board)[0, 0], torch.tensor(expected))


def test_covariances_by_definition() -> None:
    x = images(2, 3, 9, 11).float() / 128 - 1
    found = statistical.lag_covariances(x)
    centred = x - x.mean((2, 3), keepdim=True)
    for i, (down, across) in enumerate(statistical.LAGS):
        rows, left, right = 9 - down, max(0, -across), max(0, across)
        one = centred[:, :, :rows, left : 11 - right]
        other = centred[:, :, down:, left + across : 11 - right + across]
        expected = (one * other).mean((2, 3)) / (centred.square().mean((2, 3)) + 1e-6)
        torch.testing.assert_close(found[..., i], expected, rtol=1e-4, atol=1e-5)


MOMENTS = [
    ([1.0, -1.0, 1.0, -1.0], [0, 0, 0, math.log(2)]),
    ([0.0, 0.0, 0.0, 1.0], [0.25, math.log(3 / 16) / 2, math.asinh(2 / math.sqrt(3)), math.log1p(7 / 3)]),
    ([0.5, 0.5, 0.5, 0.5], [0.5, math.log(1e-6) / 2, 0, 0]),
]


@pytest.mark.parametrize(("values", "expected"), MOMENTS)
def test_moments_by_hand(values: list[float], expected: list[float]) -> None:
    found = statistical.moments(torch.tensor(values).view(1, 1, 2, 2))[0, 0]
    torch.testing.assert_close(found, torch.tensor(expected), rtol=1e-4, atol=1e-5)


# ---- fusion


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


# ---- the loss


def logit(score: float) -> float:
    return math.log(score / (1 - score))


def test_the_loss_by_hand() -> None:
    scores, labels = [0.9, 0.6, 0.5, 0.75], torch.tensor([1, 1, 0, 0])
    outputs = torch.tensor([[logit(s), 0.0, math.log(3)] for s in scores])
    found = losses.parts(outputs, labels, margin=0.3)
    assert float(found["regression"]) == pytest.approx((0.1**2 + 0.4**2 + 0.5**2 + 0.75**2) / 4)
    assert float(found["classification"]) == pytest.approx(-(2 * math.log(0.75) + 2 * math.log(0.25)) / 4)
    # Leads of .9: .4 and .15, short by 0 and .15; of .6: .1 and -.15, short by .2 and .45.
    assert float(found["ranking"]) == pytest.approx((0 + 0.15 + 0.2 + 0.45) / 4)
    assert int(found["pairs"]) == 4
    whole = losses.total(found, WEIGHTS)
    expected = found["regression"] + 0.3 * found["classification"] + 0.2 * found["ranking"]
    torch.testing.assert_close(whole, expected)


@pytest.mark.parametrize("label", [0, 1])
def test_one_class_has_no_pairs_and_a_gradient_of_zeros(label: int) -> None:
    outputs = torch.randn(3, 3, generator=torch.Generator().manual_seed(0)).requires_grad_()
    found = losses.parts(outputs, torch.full((3,), label))
    assert found["ranking"].item() == found["pairs"].item() == 0
    found["ranking"].backward()
    assert outputs.grad is not None and not outputs.grad.any()


def test_the_loss_of_rounded_outputs_is_not_rounded_again() -> None:
    outputs = torch.randn(6, 3, generator=torch.Generator().manual_seed(0)).bfloat16()
    found, expected = (losses.parts(given, torch.arange(6) % 2) for given in (outputs, outputs.float()))
    assert all(torch.equal(found[name], expected[name]) for name in ("regression", "classification", "ranking"))


@pytest.mark.parametrize("logits", [1e4, -1e4, 3e38, 0.0])
def test_the_loss_stays_a_number(logits: float) -> None:
    outputs = torch.tensor([[logits, logits, -logits], [-logits, -logits, logits]], requires_grad=True)
    for labels in (torch.tensor([1, 0]), torch.tensor([0, 1])):
        with torch.autocast("cpu", torch.bfloat16):
            found = losses.parts(outputs.bfloat16() if logits < 1e38 else outputs / 4, labels)
            whole = losses.total(found, WEIGHTS)
        assert whole.dtype == torch.float32 and whole.isfinite()
        (gradient,) = torch.autograd.grad(whole, outputs)
        assert gradient.isfinite().all()


@pytest.mark.parametrize(("reals", "fakes"), [(1, 1), (1, 9), (9, 1), (40, 60), (500, 700)])
@pytest.mark.parametrize("margin", [0.05, 0.2, 1.0])
def test_ranking_is_the_mean_over_all_pairs(reals: int, fakes: int, margin: float) -> None:
    generator = torch.Generator().manual_seed(reals + fakes)
    real, fake = (torch.rand(n, generator=generator).mul(64).round().div(64) for n in (reals, fakes))  # many ties
    expected = (margin - (real[:, None] - fake)).clamp(min=0).mean()
    torch.testing.assert_close(losses.ranking(real, fake, margin), expected, rtol=1e-5, atol=1e-7)


def test_the_gradient_of_ranking() -> None:
    generator = torch.Generator().manual_seed(0)
    real, fake = (torch.rand(n, dtype=torch.float64, generator=generator).requires_grad_() for n in (5, 7))
    assert torch.autograd.gradcheck(lambda r, f: losses.ranking(r, f, 0.2), (real, fake))
