"""The largest micro-batch that fits: known answers of the search, memory as it is measured, and what stays."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from tithe import config, pipeline
from tithe.arrays import Rows
from tithe.models.examples import Batch, Varied
from tithe.train import devices, memory
from tithe.tune import batch_size as tune_batch_size
from tithe.tune import search
from tithe.tune.batch_size import MemoryProbe, bisect, extrapolate

pytestmark = pytest.mark.usefixtures("seeded")  # `Net` is built by the global generator

Settings = Callable[..., dict[str, Any]]
MB = 1 << 20


class Points:
    """Rows with two numbers each, the last of them the longest; they remember what was collated."""

    def __init__(self, rows: int = 20) -> None:
        self.ids = np.arange(rows)
        self.labels, self.lengths = self.ids % 2, self.ids + 1
        self.asked: list[list[int]] = []

    def __len__(self) -> int:
        return len(self.ids)

    def collate(self, rows: Rows) -> Batch:
        self.asked.append(rows.tolist())
        return {"x": torch.ones(len(rows), 2), "labels": torch.from_numpy(self.labels[rows])}

    def take(self, rows: Rows) -> Any:
        raise AssertionError("a probe takes no part of its rows")


class Task:
    """What a task offers to the finder, for such rows."""

    def fingerprint(self) -> dict[str, Any]:
        return {}

    def criterion(self, label_smoothing: float) -> Callable[[torch.Tensor, Batch], torch.Tensor]:
        return lambda logits, batch: nn.functional.cross_entropy(logits, batch["labels"], reduction="sum")


class Net(nn.Module):
    """Keeps `floats` numbers of each row for the backward pass, and has memory for `room` rows."""

    def __init__(self, floats: int = 2, room: int = 1 << 30) -> None:
        super().__init__()
        self.first, self.last, self.floats, self.room = nn.Linear(2, 2), nn.Linear(2, 2), floats, room

    def forward(self, batch: Batch) -> torch.Tensor:
        if len(batch["x"]) > self.room:
            raise torch.OutOfMemoryError
        wide = self.first(batch["x"]).unsqueeze(-1).repeat(1, 1, self.floats // 2)
        return self.last(nn.functional.dropout(wide.exp().mean(-1)))  # exp keeps its result


def run_of(batch_size: int, accumulation_steps: int = 1, **more: Any) -> config.Run:
    sizes = {"batch_size": batch_size, "accumulation_steps": accumulation_steps, "precision": "no", "device": "cpu"}
    return config.parse({"data": {"path": "rows.parquet"}, "train": {**sizes, **more}})


def rehearsal(run: config.Run, model: nn.Module, examples: Any) -> MemoryProbe:
    return MemoryProbe(run, Task(), model, examples, devices.accelerator("cpu", "no"))


def found(run: config.Run, model: nn.Module, examples: Any) -> int:
    return tune_batch_size.find(run, Task(), model, examples, devices.accelerator("cpu", "no"))


# ---- the search for a size


@pytest.mark.parametrize("largest", range(1, 65))
def test_trying_finds_the_largest_that_fits(largest: int) -> None:
    sizes, tried = [1, 2, 4, 8, 16, 32, 64], []

    def fits(size: int) -> bool:
        tried.append(size)
        return size <= largest

    assert bisect(sizes, fits) == max(size for size in sizes if size <= largest)
    assert len(tried) <= 3 and len(set(tried)) == len(tried), "bisection of six doubts"


@pytest.mark.parametrize(
    "room, expected, measured",
    [
        (10_000, 24, [1, 2, 4, 8, 16, 24]),
        (340, 24, [1, 2, 4, 8, 16, 24]),  # 100 + 10 a row
        (339, 12, [1, 2, 4, 8, 16]),
        (220, 12, [1, 2, 4, 8, 12]),
        (219, 8, [1, 2, 4, 8]),
        (130, 3, [1, 2, 3]),
        (119, 1, [1, 2]),
        (50, 1, [1]),
    ],
)
def test_measuring_ends_where_the_room_does(room: int, expected: int, measured: list[int]) -> None:
    asked: list[int] = []

    def peak(size: int) -> int:
        asked.append(size)
        return 100 + 10 * size

    assert extrapolate([1, 2, 3, 4, 6, 8, 12, 24], peak, room) == expected
    assert asked == measured


@pytest.mark.parametrize(
    "peaks, room, expected",
    [
        ({1: 50, 2: 60, 4: 500, 8: 501}, 400, 2),  # a jump that nobody could foresee: measured, and not taken
        ({1: 50, 2: 40, 4: 45, 8: 60}, 100, 8),  # noise below the slope
        ({1: 0, 2: 0, 4: 0, 8: 0}, 1, 8),
    ],
)
def test_measuring_believes_what_it_measures(peaks: dict[int, int], room: int, expected: int) -> None:
    assert extrapolate(list(peaks), peaks.__getitem__, room) == expected


def test_with_twice_the_room_nobody_is_killed() -> None:
    rng = np.random.default_rng(0)
    for _ in range(300):
        lines = rng.uniform(0, 100, (3, 2)) * [1, rng.choice([0.01, 1, 10])]
        sizes = sorted({int(size) for size in rng.integers(1, 200, 4)} | {1})
        asked: list[int] = []

        def peak(size: int, lines: Any = lines, asked: list[int] = asked) -> int:
            asked.append(int((lines[:, 0] + lines[:, 1] * size).max()))  # what is there at the worst of three moments
            return asked[-1]

        room = int(rng.uniform(peak(1), 2000))
        size = extrapolate(sizes, peak, room)
        assert max(asked) <= 2 * room + 2 and size in sizes and peak(size) <= room
        assert not [s for s in sizes if s > size and peak(2 * s) <= room], "half of what fits is not missed"


# ---- a step


def test_the_longest_rows_are_rehearsed_and_repeated_where_they_are_few() -> None:
    examples = Points(5)
    steps = rehearsal(run_of(8), Net(), examples)
    assert steps.fits(3) and steps.fits(8)
    assert examples.asked == [[4, 3, 2], [4, 3, 2, 1, 0, 4, 3, 2]]


def test_a_size_that_a_gpu_has_no_room_for_does_not_fit() -> None:
    steps = rehearsal(run_of(16), Net(room=5), Points())
    assert [steps.fits(size) for size in (1, 4, 8, 4)] == [True, True, False, True]
    assert bisect([1, 2, 4, 8, 16], steps.fits) == 4


def test_a_peak_is_what_the_rows_take() -> None:
    if memory.free_memory() is None:
        pytest.skip("this system does not tell")
    steps = rehearsal(run_of(32), Net(MB), Points())
    for size in (4, 16, 8, 4):  # memory that an earlier step has freed counts again
        least = size * 8 * MB  # what exp is given, and what it gives
        assert 0.9 * least < steps.peak(size) < 6 * least


def test_nothing_is_left_behind() -> None:
    model = Net()
    weights = [p.detach().clone() for p in model.parameters()]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        expected = torch.rand(1)
        torch.manual_seed(3)
        found(run_of(4), model, Points())
        assert torch.equal(torch.rand(1), expected)
    assert all(torch.equal(p, w) and p.grad is None for p, w in zip(model.parameters(), weights, strict=True))


# ---- the whole way


@pytest.mark.parametrize("free, expected", [(1 << 40, {12}), (160 * MB, {2, 3, 4, 6}), (1, {1})])
def test_on_a_cpu_half_of_what_is_free_decides(free: int, expected: set[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "free_memory", lambda: free)
    assert found(run_of(4, 3), Net(MB), Points()) in expected  # 8 MB a row at least


def test_what_was_measured_is_remembered_and_the_room_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    first, again, longer = Points(), Points(), Points(30)
    assert found(run_of(8), Net(), first) == 8 and len(first.asked) > 4
    assert found(run_of(8), Net(), again) == 8 and again.asked == [[19]]
    monkeypatch.setattr(memory, "free_memory", lambda: 0)
    assert found(run_of(8), Net(), again) == 1 and again.asked == [[19]] * 2, (
        "measured when there was room, and there is none now"
    )
    assert found(run_of(8), Net(), longer) == 1 and len(longer.asked) > 1, "longer rows take other memory"


@pytest.mark.parametrize("train", [{"checkpoint_activations": True}, {"optimizer_state": "bf16"}])
def test_a_setting_that_changes_the_memory_of_a_step_is_measured_anew(train: dict[str, Any]) -> None:
    first, again = Points(), Points()
    found(run_of(8), Net(), first)
    found(run_of(8, **train), Net(), again)
    assert again.asked == first.asked and len(again.asked) > 1


def test_where_peaks_are_not_told_the_batch_stays(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(memory, "free_memory", lambda: None)
    with caplog.at_level("INFO", "tithe"):
        assert found(run_of(4, 3), Net(), Points()) == 4
    assert "train.batch_size is not changed" in caplog.text


def test_a_search_cuts_the_optimizer_batch_anew_and_keeps_it(settings: Settings, tmp_path: Path) -> None:
    pytest.importorskip("optuna", reason="the extra tithe[tune] is not installed")
    raw = settings(train={"batch_size": 2, "accumulation_steps": 4}, model={"freeze": "all"})
    run = config.parse({**raw, "tune": {"trials": 1, "epochs": 1, "sample": 0.5}})
    cut = search.search(pipeline.check(run), tmp_path, devices.accelerator("cpu", "no"))
    assert (cut.run.train.batch_size, cut.run.train.accumulation_steps) == (8, 1)
    assert cut.summary["best"]["values"]["train"]["batch_size"] == 8


def test_examples_that_change_are_rehearsed_as_training_sees_them() -> None:
    class Turned(Points):
        groups = np.arange(20)

        def at_epoch(self, epoch: int) -> Points:
            return epochs.setdefault(epoch, Points())

    epochs: dict[int, Points] = {}
    assert isinstance(Turned(), Varied)
    assert rehearsal(run_of(4), Net(), Turned()).fits(2) and epochs[0].asked == [[19, 18]]
