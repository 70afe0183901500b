"""AdamW with averages in bf16: right in the mean, half the memory, the same bits after a resume."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import pytest
import torch
from torch import nn

from support.points import Net, steps, weights
from tithe.train import bf16_adamw
from tithe.train.bf16_adamw import Bf16AdamW, drawn, round_at_random
from tithe.train.step import Step

pytestmark = pytest.mark.usefixtures("seeded")

DRAWS = 2000


def lower(values: torch.Tensor) -> torch.Tensor:
    """The nearest numbers towards zero that bf16 has."""
    return (values.view(torch.int32) & ~0xFFFF).view(torch.float32)


def test_rounded_values_are_right_in_the_mean() -> None:
    first, second = torch.randn(500) * 1e-2, torch.rand(500) * 1e-6
    up = torch.zeros(2, 500, dtype=torch.float64)
    for step in range(DRAWS):
        rounded = first.clone(), second.clone()
        round_at_random(*rounded, drawn(step, 3))
        up += torch.stack([found != lower(value) for found, value in zip(rounded, (first, second), strict=True)])
    expected = torch.stack([value.view(torch.int32) & 0xFFFF for value in (first, second)]) / 65536
    deviations = (up / DRAWS - expected) / (expected * (1 - expected) / DRAWS).sqrt().clamp_min(1e-3)
    assert deviations.abs().max() < 5 and abs(deviations.mean()) < 5 / 1000**0.5


def test_elements_and_steps_draw_by_themselves() -> None:
    value, up = torch.rand(500), []
    for step in range(DRAWS):
        rounded = value.clone()
        round_at_random(value.clone(), rounded, drawn(step, 3))
        up.append((rounded != lower(value)).float())
    table = torch.stack(up)
    between = torch.corrcoef(table.T)[~torch.eye(500, dtype=torch.bool)]
    assert abs(between.mean()) < 1e-3 and between.std() < 1.5 / DRAWS**0.5
    around = table - table.mean(dim=0)
    assert abs((around[1:] * around[:-1]).mean() / around.square().mean()) < 5 / (DRAWS * 500) ** 0.5


def test_a_number_that_bf16_has_stays() -> None:
    values = torch.cat([torch.zeros(3), torch.randn(500).bfloat16().float(), torch.tensor([torch.inf, 1e-38])])
    values = values.bfloat16().float()
    for step in range(50):
        rounded = values.clone(), -values
        round_at_random(*rounded, drawn(step, 0))
        assert torch.equal(rounded[0], values) and torch.equal(rounded[1], -values)


def test_an_average_of_squares_falls_where_the_gradient_is_gone() -> None:
    """The nearest bf16 of .999 v is v."""
    weight = nn.Parameter(torch.zeros(64, 64))
    optimizer = Bf16AdamW([weight], lr=1e-3, weight_decay=0.0)
    weight.grad = torch.rand(64, 64) + 0.5
    optimizer.step()
    before = optimizer.state[weight]["exp_avg_sq"].clone()
    weight.grad = torch.zeros(64, 64)
    for _ in range(700):
        optimizer.step()
    left = (optimizer.state[weight]["exp_avg_sq"].double() / before.double()).mean()
    assert left == pytest.approx(0.999**700, rel=0.01)


def far() -> tuple[nn.Parameter, torch.Tensor, torch.Tensor]:
    """Weights, inputs, and what a regression on them should give."""
    inputs = torch.randn(256, 96)
    return nn.Parameter(torch.zeros(96, 40)), inputs, inputs @ torch.randn(96, 40)


def train(
    optimizer: torch.optim.Optimizer, problem: tuple[nn.Parameter, torch.Tensor, torch.Tensor], steps: int
) -> None:
    weight, inputs, targets = problem
    draws = torch.Generator().manual_seed(1)
    for _ in range(steps):
        rows = torch.randint(256, (32,), generator=draws)
        optimizer.zero_grad()
        (inputs[rows] @ weight - targets[rows]).square().mean().backward()
        optimizer.step()


def test_it_trains_as_float32_does() -> None:
    problem = far()
    exact = nn.Parameter(problem[0].detach().clone())
    train(torch.optim.AdamW([exact], lr=1e-2, fused=True), (exact, *problem[1:]), 200)
    train(Bf16AdamW([problem[0]], lr=1e-2, fused=True), problem, 200)
    distance = (problem[0] - exact).norm() / exact.norm()
    assert 0 < distance < 5e-3


def test_the_averages_of_matrices_have_half_the_bytes_and_vectors_stay() -> None:
    state = list(steps(Net(), optimizer_state="bf16"))[-1].snapshot().optimizer["state"]
    kinds = {(name, value.dtype) for own in state.values() for name, value in own.items() if value.ndim == 2}
    assert kinds == {("exp_avg", torch.bfloat16), ("exp_avg_sq", torch.bfloat16)}
    assert {value.dtype for own in state.values() for value in own.values() if value.ndim < 2} == {torch.float32}


def test_blocks_do_not_change_the_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    trained = []
    for size in (1 << 17, 160):
        monkeypatch.setattr(bf16_adamw, "_BLOCK", size)
        torch.manual_seed(2)
        problem = far()
        optimizer = Bf16AdamW([problem[0]], lr=1e-2, fused=True)
        train(optimizer, problem, 20)
        trained.append([problem[0].detach(), *optimizer.state[problem[0]].values()])
    assert all(torch.equal(a, b) for a, b in zip(*trained, strict=True))


RUNS = [
    {"clip_norm": 0.3, "ema_decay": 0.9},
    {"accumulation_steps": 2, "batch_size": 4, "clip_norm": 0.0, "schedule": "cosine", "warmup_steps": 3},
]


@pytest.mark.parametrize("how", RUNS)
@pytest.mark.parametrize("stop", [1, 4, 7])
def test_a_resumed_loop_ends_with_the_same_bits(how: dict[str, object], stop: int) -> None:
    whole, rest = Net(dropout=0.3), Net(dropout=0.3)
    last = list(steps(whole, optimizer_state="bf16", **how))[-1].snapshot()
    state = copy.deepcopy(nth(steps(Net(dropout=0.3), optimizer_state="bf16", **how), stop).snapshot())
    resumed = list(steps(rest, start=state, optimizer_state="bf16", **how))[-1].snapshot()
    assert torch.equal(weights(whole), weights(rest))
    for own, other in zip(last.optimizer["state"].values(), resumed.optimizer["state"].values(), strict=True):
        assert all(own[name].dtype == other[name].dtype and torch.equal(own[name], other[name]) for name in own)


def nth(went: Iterator[Step], number: int) -> Step:
    return [next(went) for _ in range(number)][-1]


KINDS = {"float32": torch.float32, "bf16": torch.bfloat16}


@pytest.mark.parametrize(("before", "after"), [("float32", "bf16"), ("bf16", "float32")])
def test_a_run_continues_with_the_other_precision(before: str, after: str) -> None:
    state = copy.deepcopy(nth(steps(Net(), optimizer_state=before), 4).snapshot())
    model = Net()
    went = steps(model, start=state, optimizer_state=after, learning_rate=1e-30, betas=(1 - 1e-9, 1 - 1e-9))
    now = next(went).snapshot().optimizer["state"]
    for place, own in state.optimizer["state"].items():
        for name in ("exp_avg", "exp_avg_sq"):
            expected, found = own[name], now[place][name]
            if expected.ndim == 2:
                assert (expected.dtype, found.dtype) == (KINDS[before], KINDS[after])
            torch.testing.assert_close(found.float(), expected.float(), rtol=2**-7, atol=0)


def test_a_scaled_loss_is_unscaled_and_its_overflow_changes_nothing() -> None:
    plain = far()
    scaled = nn.Parameter(plain[0].detach().clone()), *plain[1:]
    own, other = Bf16AdamW([plain[0]], lr=1e-2, fused=True), Bf16AdamW([scaled[0]], lr=1e-2, fused=True)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    for step in range(6):
        for optimizer, (weight, inputs, targets) in ((own, plain), (other, scaled)):
            optimizer.zero_grad()
            loss = (inputs @ weight - targets).square().mean()
            is_scaled = optimizer is other
            (scaler.scale(loss) if is_scaled else loss).backward()
            if is_scaled and step == 3:
                weight.grad[0, 0] = torch.inf  # type: ignore[index]
                before = [weight.detach().clone(), *(value.clone() for value in other.state[weight].values())]
                scaler.step(optimizer)
                after = [weight.detach(), *other.state[weight].values()]
                assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
            elif is_scaled:
                scaler.step(optimizer)
            elif step != 3:
                optimizer.step()
        scaler.update()
    assert scaler.get_scale() == 512 and torch.equal(plain[0], scaled[0])


def test_clipping_reaches_the_kernel() -> None:
    clipped, free = Net(), Net()
    start = weights(Net())
    for model, limit in ((clipped, 1e-12), (free, 0.0)):
        next(steps(model, clip_norm=limit, optimizer_state="bf16"))
    assert (weights(clipped) - start).abs().max() < 1e-4 < (weights(free) - start).abs().max()


def test_equal_matrices_are_rounded_apart() -> None:
    twins = [nn.Parameter(torch.zeros(32, 32)) for _ in range(2)]
    optimizer = Bf16AdamW(twins, lr=1e-2, fused=True)
    for twin in twins:
        twin.grad = torch.linspace(0.1, 1, 1024).view(32, 32)
    optimizer.step()
    first, second = (optimizer.state[twin]["exp_avg_sq"] for twin in twins)
    assert 0.2 < (first != second).float().mean() < 0.5
