"""The whole detector: its sizes, what goes in and comes out, and that it learns."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from support.detectors import GRAY, WEIGHTS, built, images
from tithe.errors import InputError
from tithe.models.forensics import detector, losses
from tithe.models.forensics.detector import Detector

MODES = ["fast", "full"]
SIZES = [(8, 8), (9, 9), (17, 17), (33, 64), (8, 250), (256, 256)]


@pytest.fixture(scope="module", params=MODES)
def mode(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def shared(mode: str) -> Detector:
    """One detector for all tests that leave it as it is."""
    return built(mode)


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
    with pytest.raises(InputError, match="the detector has no mode 'ful': choose fast or full"):
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
    (torch.zeros(1, 3, 7, 8), r"\(1, 3, 7, 8\): pass \(B, 3, H, W\)"),
    (torch.zeros(1, 3, 8, 7), "H and W of 8 or more"),
    (torch.zeros(1, 2, 3, 7, 7), "H and W of 8 or more"),
    (torch.zeros(1, 1, 8, 8), r"\(1, 1, 8, 8\)"),
    (torch.zeros(3, 8, 8), r"\(3, 8, 8\)"),
    (torch.zeros(1, 8, 8, 3), r"\(1, 8, 8, 3\)"),
    (torch.zeros(1, 3, 8, 8, dtype=torch.int64), "torch.int64: pass uint8, or floats"),
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
