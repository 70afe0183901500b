"""The loop's arithmetic: exact accumulation, schedules, averages, failures with names."""

from __future__ import annotations

import copy
import math
import multiprocessing
import os
import signal
import time
from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tithe import config, devices, optimizers, trainer
from tithe.batches import Batch, Plan, collated
from tithe.errors import InputError


class Points:
    """Real examples of the smallest kind: vectors of unequal cost, two classes, linearly separable."""

    def __init__(self, rows: int = 37, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.x = rng.normal(size=(rows, 4)).astype(np.float32)
        self.labels = (self.x[:, 0] > 0).astype(np.int64)
        self.lengths = rng.integers(1, 50, rows)
        self.ids = np.arange(rows) + 1000

    def __len__(self) -> int:
        return len(self.x)

    def collate(self, rows: np.ndarray) -> Batch:
        return {"x": torch.from_numpy(self.x[rows]), "labels": torch.from_numpy(self.labels[rows])}


class Net(nn.Module):
    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(1)
            self.layers = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Dropout(dropout), nn.Linear(8, 2))

    def forward(self, batch: Batch) -> torch.Tensor:
        return self.layers(batch["x"])


def criterion(logits: torch.Tensor, batch: Batch) -> torch.Tensor:
    return F.cross_entropy(logits, batch["labels"], reduction="sum")


def settings(**values: object) -> config.Train:
    base = {"epochs": 2, "batch_size": 8, "learning_rate": 1e-2, "precision": "no", "device": "cpu"}
    return config.Train(**{**base, **values})


def steps(model: nn.Module, train: Points | None = None, seed: int = 0, **values: object) -> Iterator[trainer.Step]:
    validate = values.pop("validate", None)
    workers = values.pop("num_workers", 0)
    start = values.pop("start", None)
    s = settings(**values)
    accelerator = devices.accelerator("cpu")
    return trainer.fit(model, criterion, train or Points(), s, seed, accelerator, validate, start, workers)


def weights(model: nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in model.parameters()])


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


def test_every_row_is_seen_once_an_epoch_and_the_order_changes() -> None:
    plan = Plan(Points().lengths, 37, 4, 2, seed=3)
    for epoch in range(3):
        assert sorted(np.concatenate(plan.epoch(epoch)).tolist()) == list(range(37))
    assert [s.tolist() for s in plan.epoch(0)] != [s.tolist() for s in plan.epoch(1)]
    assert [s.tolist() for s in plan.epoch(1)] == [s.tolist() for s in plan.epoch(1)]
    assert len(plan.epoch(0)) == plan.steps_per_epoch == 5


def test_skipping_continues_the_same_epoch() -> None:
    plan = Plan(Points().lengths, 37, 4, 1, seed=3)
    whole = plan.epoch(2)
    assert [s.tolist() for s in plan.epoch(2, skip=4)] == [s.tolist() for s in whole[4:]]


def test_grouping_halves_the_padding() -> None:
    lengths = np.random.default_rng(0).integers(1, 100, 4096)

    def waste(plan: Plan) -> float:
        padded = sum(len(step) * lengths[step].max() for step in plan.epoch(0))
        return padded / lengths.sum() - 1

    assert waste(Plan(lengths, 4096, 16, 1, 0)) < 0.1 * waste(Plan(None, 4096, 16, 1, 0))


def test_processes_share_each_step_without_overlap() -> None:
    plan = Plan(Points().lengths, 37, 4, 2, seed=0)
    for step in plan.epoch(0):
        shares = [np.concatenate([*plan.micro(step, rank, 3), np.zeros(0, int)]) for rank in range(3)]
        assert sorted(np.concatenate(shares).tolist()) == sorted(step.tolist())


def cut_groups(plan: Plan, groups: np.ndarray, epoch: int = 0) -> int:
    """Count the groups that stand in more than one micro-batch; every row must stand in exactly one."""
    batches = [rows for step in plan.epoch(epoch) for rows in plan.micro(step)]
    assert sorted(np.concatenate(batches).tolist()) == list(range(plan.rows))
    assert all(len(rows) == plan.batch_size for step in plan.epoch(epoch)[:-1] for rows in plan.micro(step))
    return sum(count - 1 for count in Counter(g for rows in batches for g in set(groups[rows].tolist())).values())


def shuffled(sizes: list[int], seed: int) -> np.ndarray:
    """The group of each row, for groups of some sizes, in any order."""
    return np.random.default_rng(seed).permutation(np.repeat(np.arange(len(sizes)), sizes))


@pytest.mark.parametrize("seed", range(60))
def test_twins_stand_in_one_batch_whatever_stands_alone_beside_them(seed: int) -> None:
    rng = np.random.default_rng(seed)
    groups = shuffled([2] * int(rng.integers(1, 60)) + [1] * int(rng.integers(0, 60)), seed)
    batch, accumulate = 2 * int(rng.integers(1, 9)), int(rng.integers(1, 4))
    plan = Plan(None, len(groups), batch, accumulate, seed, groups=groups)
    assert [cut_groups(plan, groups, epoch) for epoch in range(3)] == [0, 0, 0]
    assert [s.tolist() for s in plan.epoch(0)] == [s.tolist() for s in plan.epoch(0)]


# Sizes of groups, rows of a batch, and how often a group must be cut at least.
CUT = [
    ([2, 2, 2, 2], 3, 1),  # AAB BCC DD
    ([2, 2, 2, 1, 1], 4, 0),
    ([1] + [2] * 20, 4, 0),  # the one alone must not push twenty pairs over the edge
    ([1, 1] + [2] * 20, 4, 0),
    ([3, 3, 1, 1], 4, 0),
    ([5, 1, 2], 4, 1),  # larger than a batch
    ([2] * 10, 1, 10),
    ([], 4, 0),
]


@pytest.mark.parametrize(("sizes", "batch", "cut"), CUT)
def test_groups_are_cut_where_nothing_else_is_possible(sizes: list[int], batch: int, cut: int) -> None:
    for seed in range(5):
        groups = shuffled(sizes, seed)
        assert not sizes or cut_groups(Plan(None, len(groups), batch, 1, seed, groups=groups), groups) == cut


def test_rows_that_stand_alone_are_drawn_as_if_there_were_no_groups() -> None:
    alone = Plan(None, 37, 4, 2, seed=3, groups=np.arange(37))
    assert [s.tolist() for s in alone.epoch(1)] == [s.tolist() for s in Plan(None, 37, 4, 2, seed=3).epoch(1)]


def test_no_group_is_always_left_to_the_end() -> None:
    groups, first = shuffled([1, 1] + [2] * 10 + [6], 0), set()
    for epoch in range(60):
        first |= set(groups[np.concatenate(Plan(None, len(groups), 4, 1, 0, groups=groups).epoch(epoch)[:2])].tolist())
    assert first == set(range(13))


@pytest.mark.parametrize(("rows", "steps"), [(37, 4), (32, 4), (8, 1)])
def test_a_short_last_step_can_be_left_out(rows: int, steps: int) -> None:
    plan = Plan(None, rows, 4, 2, seed=0, drop_last=True)
    assert [len(step) for step in plan.epoch(0)] == [8] * steps and plan.steps_per_epoch == steps
    left = set(range(rows)) - set(np.concatenate([*plan.epoch(0), *plan.epoch(1), *plan.epoch(2)]).tolist())
    assert not left  # other rows are left out in every epoch


def test_too_few_rows_for_a_step_is_one_line_with_the_cure() -> None:
    with pytest.raises(InputError) as caught:
        Plan(None, 7, 4, 2, seed=0, drop_last=True)
    assert str(caught.value) == (
        "7 training rows are fewer than the 8 of a step: lower the batch size, or set train.drop_last to false"
    )


def test_workers_collate_the_same_batches() -> None:
    data, plan = Points(), Plan(None, 37, 4, 2, seed=0)
    for (rows_a, a), (rows_b, b) in zip(
        collated(data, plan, range(5)), collated(data, plan, range(5), num_workers=2), strict=True
    ):
        assert rows_a.tolist() == rows_b.tolist()
        for x, y in zip(a, b, strict=True):
            torch.testing.assert_close(x["x"], y["x"])


@pytest.mark.parametrize(
    "kind, step, factor",
    [
        ("linear", 0, 1 / 11),
        ("linear", 9, 10 / 11),
        ("linear", 10, 1.0),
        ("linear", 55, 0.5),
        ("linear", 100, 0.0),
        ("linear", 200, 0.0),
        ("cosine", 10, 1.0),
        ("cosine", 55, 0.5),
        ("cosine", 100, 0.0),
    ],
)
def test_schedule_known_answers(kind: str, step: int, factor: float) -> None:
    schedule = optimizers.schedule(settings(schedule=kind, warmup_steps=10), 100)
    assert schedule(step) == pytest.approx(factor, abs=1e-12)


# Two steps in an epoch, peak 1: settings, step, rate.
EPOCHS = [
    ({"warmup_epochs": 5}, 0, 1 / 11),
    ({"warmup_epochs": 5}, 9, 10 / 11),
    ({"warmup_epochs": 5}, 10, 1.0),
    ({"warmup_epochs": 5, "min_learning_rate": 0.1}, 55, 0.55),
    ({"warmup_epochs": 5, "min_learning_rate": 0.1}, 100, 0.1),
    ({"warmup_epochs": 5, "min_learning_rate": 0.1}, 200, 0.1),
    ({"warmup_epochs": 5, "warmup_steps": 3}, 3, 1.0),
    ({"min_learning_rate": 2.0}, 50, 1.0),  # never upwards
    ({"schedule_epochs": 10}, 10, 0.5),
    ({"schedule_epochs": 10, "schedule_steps": 40}, 20, 0.5),
    ({"schedule_from": 10, "warmup_epochs": 1}, 5, 1 / 3),
    ({"schedule_from": 10, "warmup_epochs": 1}, 21, 2 / 3),
    ({"schedule_from": 10, "warmup_epochs": 1}, 22, 1.0),
    ({"schedule_from": 10}, 60, 0.5),  # the end is that of the run
    ({"schedule_from": 10, "schedule_epochs": 20}, 40, 0.5),
]


@pytest.mark.parametrize(("values", "step", "rate"), EPOCHS)
def test_a_schedule_in_epochs(values: dict[str, object], step: int, rate: float) -> None:
    factor = optimizers.schedule(settings(schedule="cosine", **{"learning_rate": 1.0, **values}), 100, 2)
    assert factor(step) == pytest.approx(rate, abs=1e-12)


def test_schedule_horizon_and_cycles() -> None:
    assert optimizers.schedule(settings(schedule_steps=50), 100)(25) == pytest.approx(0.5)
    two_waves = optimizers.schedule(settings(schedule="cosine", num_cycles=2.0), 100)
    assert [two_waves(s) for s in (0, 25, 50, 75, 100)] == pytest.approx([1, 0, 1, 0, 1], abs=1e-12)


def test_vectors_do_not_decay() -> None:
    decayed, free = optimizers.parameter_groups(Net(), settings(weight_decay=0.1))
    assert decayed["weight_decay"] == 0.1 and free["weight_decay"] == 0.0
    assert {p.ndim for p in decayed["params"]} == {2} and {p.ndim for p in free["params"]} == {1}


def test_the_callers_random_state_is_untouched() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    list(steps(Net(dropout=0.5)))
    assert torch.equal(torch.rand(3), expected)


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
    went = trainer.fit(Net(), named_parts, data, s, 0, accelerator)
    for rows, step in zip([*plan.epoch(0), *plan.epoch(1)], went, strict=True):
        assert step.rows == len(rows) and step.parts.keys() == {"error", "size"}
        assert step.batch_loss == pytest.approx(step.parts["error"] + 0.1 * step.parts["size"], rel=1e-5)
    first = next(trainer.fit(Net(), named_parts, data, s, 0, accelerator))
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


class Turning(Points):
    """Points that are turned in every epoch, two of which belong together."""

    turned = 0
    lengths = None

    @property
    def groups(self) -> np.ndarray:
        return np.arange(len(self)) // 2

    def at_epoch(self, epoch: int) -> Turning:
        other = copy.copy(self)
        other.turned = epoch + 1
        return other

    def collate(self, rows: np.ndarray) -> Batch:
        return {**super().collate(rows), "epoch": torch.full((len(rows),), self.turned)}


@pytest.mark.parametrize("workers", [0, 2])
def test_examples_that_vary_are_those_of_the_epoch_that_is_trained(workers: int) -> None:
    data, s = Turning(), settings(batch_size=4, drop_last=True)
    plan = trainer.plan(data, s, 0)
    assert plan.groups is not None and plan.steps_per_epoch == 9
    items = list(collated(data, plan, range(7, 20), workers))
    assert [int(batch["epoch"][0]) for _, (batch,) in items] == [1] * 2 + [2] * 9 + [3] * 2
    expected = [plan.epoch(step // 9)[step % 9].tolist() for step in range(7, 20)]
    assert [rows.tolist() for rows, _ in items] == expected
    assert all(set(rows.tolist()) == {r ^ 1 for r in rows.tolist()} or 36 in rows for rows, _ in items)


class Vanishing(Points):
    """Points of which one can no longer be read."""

    def collate(self, rows: np.ndarray) -> Batch:
        if 5 in rows:
            raise InputError("row 5 has gone: put it back")
        return super().collate(rows)


@pytest.mark.parametrize("workers", [0, 2])
def test_what_a_worker_has_to_say_is_still_one_line(workers: int) -> None:
    with pytest.raises(InputError) as caught:
        list(steps(Net(), Vanishing(), num_workers=workers))
    assert str(caught.value) == "row 5 has gone: put it back"


class Slow(Points):
    def collate(self, rows: np.ndarray) -> Batch:
        time.sleep(0.02)
        return super().collate(rows)


def test_a_step_says_how_long_it_waited_for_its_examples() -> None:
    assert all(step.waited >= 0.02 for step in steps(Net(), Slow(), epochs=1))


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_the_whole_group_leaves_the_workers_at_work(signum: int) -> None:
    plan = Plan(None, 37, 4, 1, seed=0)
    others = multiprocessing.active_children()
    items = collated(Points(), plan, range(20), num_workers=2)
    seen = [next(items)[0].tolist() for _ in range(2)]  # one of each worker: both have begun
    workers = [child for child in multiprocessing.active_children() if child not in others]
    assert len(workers) == 2
    for worker in workers:
        os.kill(worker.pid or 0, signum)
    seen += [rows.tolist() for rows, _ in items]
    assert seen == [rows.tolist() for epoch in (0, 1) for rows in plan.epoch(epoch)]


def test_averaged_weights_are_validated_and_given_back() -> None:
    model, seen = Net(), []
    for step in steps(model, epochs=1, ema_decay=0.5, validate=lambda m: seen.append(weights(m)) or {"loss": 0.0}):
        last = step
    averaged = last.snapshot().ema
    flat = torch.cat([averaged[name].flatten() for name, _ in model.named_parameters()])
    assert torch.equal(seen[0], flat)
    assert not torch.equal(weights(model), flat)


def test_average_known_answer() -> None:
    model = nn.Linear(1, 1, bias=False)
    model.weight.data.fill_(1.0)
    average = optimizers.Average(model, decay=0.75)
    model.weight.data.fill_(5.0)
    average.update(model)
    assert float(average.weights["weight"]) == pytest.approx(2.0)


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
    loop = trainer.fit(model, steep, Points(), settings(), 0, devices.accelerator("cpu"))
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


def _never_fits() -> Iterator[trainer.Step]:
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


@pytest.mark.parametrize(
    "asked, native, expected", [("fp16", True, "bf16"), ("fp16", False, "no"), ("bf16", False, "no")]
)
def test_precision_falls_back_with_a_note(
    asked: str, native: bool, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "bf16_is_native", lambda device: native)
    decided = devices.precision(asked, torch.device("cpu"))
    assert decided.name == expected and decided.note


def test_bf16_trains_close_to_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    exact = [s.batch_loss for s in steps(Net())]
    monkeypatch.setattr(devices, "bf16_is_native", lambda device: True)  # the kernels exist on every CPU
    accelerator = devices.accelerator("cpu", "bf16")
    half = [s.batch_loss for s in trainer.fit(Net(), criterion, Points(), settings(), 0, accelerator)]
    assert half == pytest.approx(exact, rel=0.05)
    assert half != exact
