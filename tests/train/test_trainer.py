"""The loop's arithmetic: exact accumulation, resumed bits, averages, failures with names."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from support.points import Net, Points, settings, steps, weights
from tithe.models.examples import Batch
from tithe.train import devices, trainer
from tithe.train.batch_plan import Plan
from tithe.train.step import Step
from tithe.train.trainer import FitOptions


@pytest.mark.parametrize("grouped", [True, False])
@pytest.mark.parametrize("batch, accumulate", [(4, 2), (2, 4), (1, 8), (3, 3)])
def test_accumulated_steps_equal_the_full_batch(batch: int, accumulate: int, grouped: bool) -> None:
    # 37 rows: the last step is smaller, and with 3 x 3 the micro-batches are uneven too.
    full, parts = Net(), Net()
    a = list(steps(full, batch_size=batch * accumulate, group_by_length=grouped))
    b = list(steps(parts, batch_size=batch, accumulation_steps=accumulate, group_by_length=grouped))
    assert [s.batch_loss for s in a] == pytest.approx([s.batch_loss for s in b], rel=1e-5)
    assert [s.grad_norm for s in a] == pytest.approx([s.grad_norm for s in b], rel=1e-4)
    torch.testing.assert_close(weights(full), weights(parts), rtol=1e-5, atol=1e-6)


def test_one_step_is_the_textbook_step() -> None:
    model, data = Net(), Points(6)
    logits = model(data.collate(np.arange(6)))
    expected = F.cross_entropy(logits, torch.from_numpy(data.labels))
    grads = torch.autograd.grad(expected, list(model.parameters()))
    before = [p.detach().clone() for p in model.parameters()]
    step = next(steps(model, data, batch_size=6, epochs=1, clip_norm=0.0, weight_decay=0.1))
    assert step.batch_loss == pytest.approx(expected.item())
    for p, old, grad in zip(model.parameters(), before, grads, strict=True):
        decay = 0.1 if p.ndim >= 2 else 0.0
        # In AdamW's first step both moments are the gradient itself: it moves by its sign.
        wanted = old * (1 - 1e-2 * decay) - 1e-2 * grad / (grad.abs() + 1e-8)
        torch.testing.assert_close(p.detach(), wanted, rtol=1e-4, atol=1e-6)


def test_clipping_bounds_the_gradient_and_reports_its_norm() -> None:
    clipped, free = Net(), Net()
    norm = next(steps(clipped, clip_norm=1e-12)).grad_norm
    assert norm is not None and norm > 1e-3
    assert next(steps(free, clip_norm=0.0)).grad_norm is None
    start = weights(Net())
    # Adam's step is scale-free until the gradient drowns in epsilon: a norm of 1e-12 is far below 1e-8.
    assert (weights(clipped) - start).abs().max() < 1e-4 < (weights(free) - start).abs().max()


def test_the_callers_random_state_is_untouched() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        expected = torch.rand(3)
        torch.manual_seed(5)
        list(steps(Net(dropout=0.5)))
        assert torch.equal(torch.rand(3), expected)


@pytest.mark.usefixtures("seeded")
def test_what_the_consumer_draws_does_not_change_the_run() -> None:
    quiet, noisy = Net(dropout=0.5), Net(dropout=0.5)
    list(steps(quiet))
    for _ in steps(noisy):
        torch.rand(7)
    assert torch.equal(weights(quiet), weights(noisy))


def test_same_seed_same_bits_other_seed_other_bits() -> None:
    nets = [Net(dropout=0.5) for _ in range(3)]
    for net, seed in zip(nets, (1, 1, 2), strict=True):
        list(steps(net, seed=seed))
    assert torch.equal(weights(nets[0]), weights(nets[1]))
    assert not torch.equal(weights(nets[0]), weights(nets[2]))


@pytest.mark.parametrize("stop", [1, 4, 5, 7, 9])
def test_a_resumed_loop_ends_with_the_same_bits(stop: int) -> None:
    whole, part, rest = Net(dropout=0.3), Net(dropout=0.3), Net(dropout=0.3)
    losses = [s.batch_loss for s in steps(whole, ema_decay=0.9)]
    for step in steps(part, ema_decay=0.9):
        if step.step == stop:
            state = copy.deepcopy(step.snapshot())  # its tensors are live: a checkpoint would write them now
            break
    resumed = [s.batch_loss for s in steps(rest, start=state, ema_decay=0.9)]
    assert resumed == losses[stop:]
    assert torch.equal(weights(whole), weights(rest))


def test_on_a_resume_the_configs_settings_hold() -> None:
    first = next(steps(Net(), weight_decay=0.1))
    state = copy.deepcopy(first.snapshot())
    loop = steps(Net(), start=state, weight_decay=0.7, betas=(0.5, 0.6), learning_rate=1e-3, schedule="constant")
    step = next(loop)
    assert step.lr == (1e-3, 1e-3) and step.step == 2
    groups = step.snapshot().optimizer["param_groups"]
    assert [g["weight_decay"] for g in groups] == [0.7, 0.0] and [g["betas"] for g in groups] == [(0.5, 0.6)] * 2


def named_parts(logits: torch.Tensor, batch: Batch) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """A criterion that says what it is made of, sums over the rows."""
    error, size = F.cross_entropy(logits, batch["labels"], reduction="sum"), logits.square().sum()
    return error + 0.1 * size, {"error": error, "size": size}


@pytest.mark.parametrize(("batch", "accumulate"), [(8, 1), (4, 2), (3, 3)])
def test_parts_of_the_loss_are_means_over_the_rows_of_a_step(batch: int, accumulate: int) -> None:
    s, accelerator = settings(batch_size=batch, accumulation_steps=accumulate), devices.accelerator("cpu")
    data = Points()
    plan = Plan(data.lengths, 37, batch, accumulate, 0)
    went = trainer.fit(Net(), named_parts, data, FitOptions(s, 0, accelerator))
    for rows, step in zip([*plan.epoch(0), *plan.epoch(1)], went, strict=True):
        assert step.rows == len(rows) and step.parts.keys() == {"error", "size"}
        assert step.batch_loss == pytest.approx(step.parts["error"] + 0.1 * step.parts["size"], rel=1e-5)
    first = next(trainer.fit(Net(), named_parts, data, FitOptions(s, 0, accelerator)))
    whole = Net()(data.collate(plan.epoch(0)[0])).detach()
    assert first.parts["size"] == pytest.approx(float(whole.square().sum()) / len(whole), rel=1e-5)


def test_a_criterion_without_parts_has_none() -> None:
    assert next(steps(Net())).parts == {}


@pytest.mark.parametrize(("every", "epochs", "validated"), [(1, 3, [1, 2, 3]), (2, 5, [2, 4, 5]), (9, 2, [2])])
def test_epochs_between_validations(every: int, epochs: int, validated: list[int]) -> None:
    seen: list[int] = []
    got = list(steps(Net(), epochs=epochs, validate_every=every, validate=lambda m: seen.append(1) or {"loss": 1.0}))
    assert [s.epoch for s in got if s.scores] == validated and len(seen) == len(validated)
    assert [s.epoch for s in got if s.ends_epoch] == list(range(1, epochs + 1))


def test_averaged_weights_are_validated_and_given_back() -> None:
    model, seen = Net(), []
    for step in steps(model, epochs=1, ema_decay=0.5, validate=lambda m: seen.append(weights(m)) or {"loss": 0.0}):
        last = step
    averaged = last.snapshot().ema
    flat = torch.cat([averaged[name].flatten() for name, _ in model.named_parameters()])
    assert torch.equal(seen[0], flat)
    assert not torch.equal(weights(model), flat)


def test_an_average_that_a_resumed_run_adds_begins_at_the_weights_of_its_checkpoint() -> None:
    first, model, seen = Net(), Net(), []
    state = list(steps(first, epochs=1))[-1].snapshot()
    added = {"epochs": 2, "ema_decay": 0.9999999, "start": state}
    list(steps(model, **added, validate=lambda m: seen.append(weights(m)) or {"loss": 0.0}))
    torch.testing.assert_close(seen[0], weights(first), rtol=1e-4, atol=1e-5)
    assert not torch.allclose(seen[0], weights(model), atol=1e-3) and not torch.allclose(seen[0], weights(Net()))


def test_a_loss_that_is_no_number_names_the_step_and_its_rows() -> None:
    data = Points()
    data.x[5] = np.nan
    with pytest.raises(trainer.Diverged) as caught:
        list(steps(Net(), data))
    message = str(caught.value)
    assert "loss is nan" in message and "epoch 1" in message and "1005" in message and "\n" not in message


def test_an_exploding_gradient_is_caught_before_it_moves_weights() -> None:
    model = Net()

    def steep(logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        return (logits.abs().clamp_min(1e-30).sqrt() * 0 + (logits - logits.detach()).sqrt()).sum()

    before = weights(model)
    loop = trainer.fit(model, steep, Points(), FitOptions(settings(), 0, devices.accelerator("cpu")))
    with pytest.raises(trainer.Diverged, match="gradient norm"):
        next(loop)
    assert torch.equal(weights(model), before)


class Small(Net):
    """A network that, like a small GPU, holds at most three rows at once."""

    largest = 0

    def forward(self, batch: Batch) -> torch.Tensor:
        if len(batch["x"]) > 3:
            raise torch.OutOfMemoryError
        self.largest = max(self.largest, len(batch["x"]))
        return super().forward(batch)


def test_out_of_memory_halves_only_the_micro_batch(caplog: pytest.LogCaptureFixture) -> None:
    roomy, small = Net(), Small()
    expected = [s.batch_loss for s in steps(roomy)]
    got = [s.batch_loss for s in steps(small)]
    assert got == pytest.approx(expected, rel=1e-5)
    assert small.largest == 2
    assert "micro-batches of 2" in caplog.text


def test_out_of_memory_with_one_row_is_an_error() -> None:
    with pytest.raises(torch.OutOfMemoryError):
        next(_never_fits())


def _never_fits() -> Iterator[Step]:
    class Full(Net):
        def forward(self, batch: Batch) -> torch.Tensor:
            raise torch.OutOfMemoryError

    return steps(Full())


def test_counts_and_epochs() -> None:
    got = list(steps(Net(), batch_size=4, accumulation_steps=2, validate=lambda m: {"loss": 1.0}))
    assert [s.step for s in got] == list(range(1, 11))
    assert [s.epoch for s in got] == [1] * 5 + [2] * 5
    assert [s.batches for s in got][:5] == [2, 4, 6, 8, 10]  # 37 rows: 4 steps of 8, one of 5 = two batches
    assert [s.step for s in got if s.scores] == [5, 10]


def test_it_learns() -> None:
    losses = [s.batch_loss for s in steps(Net(), Points(400), epochs=6)]
    assert np.mean(losses[-20:]) < 0.3 * math.log(2)
