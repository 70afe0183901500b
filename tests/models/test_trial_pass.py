"""The pass before training: on two rows, in the precision of training, and nothing is changed by it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from transformers import BigBirdConfig, BigBirdModel

from support import runs
from support.encoder_families import FAMILIES, VOCABULARY
from tithe.errors import InputError
from tithe.models import trial_pass
from tithe.models.classifier import Classifier
from tithe.models.tokens import TextExamples
from tithe.train import devices

pytestmark = pytest.mark.usefixtures("seeded")  # networks are built, and drop out, by the global generator

Settings = Callable[..., dict[str, Any]]


def rows(*texts: list[int]) -> TextExamples:
    offsets = np.cumsum([0, *map(len, texts)])
    n = np.arange(len(texts))
    return TextExamples(np.concatenate(texts), offsets, n, n, n, 0, np.diff(offsets))


TEXTS = rows([2, 5, 3], [2, 7, 8, 9, 10, 3], [2, 3])


class Given(list[dict[str, torch.Tensor]]):
    """What an encoder is given, and so are its copies."""

    def __deepcopy__(self, memo: object) -> Given:
        return self


class Recorder(nn.Module):
    """An encoder that keeps what it is given, averages it as batch norm does, and fails where it is told to."""

    def __init__(self, fails: Callable[[torch.Tensor], bool] = lambda states: False) -> None:
        super().__init__()
        self.table, self.norm, self.fails = nn.Embedding(VOCABULARY, 4), nn.BatchNorm1d(4), fails
        self.given = Given()

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> SimpleNamespace:
        self.given.append({"ids": input_ids, "mask": attention_mask})
        states = self.norm(self.table(input_ids).transpose(1, 2)).transpose(1, 2)
        states = states @ torch.eye(4)
        if self.fails(states):
            raise ValueError("no such rows\nand more")
        return SimpleNamespace(last_hidden_state=states)


def classifier(**options: Any) -> tuple[Classifier, Recorder]:
    encoder = Recorder(**options)
    return Classifier(encoder, "mean", nn.Linear(4, 2)), encoder


# ---- the rows


@pytest.mark.parametrize(("max_length", "expected"), [(16, 16), (4, 6), (10_000, 512)])
def test_one_row_is_short_and_padded_and_one_is_as_long_as_a_row_can_be(max_length: int, expected: int) -> None:
    model, encoder = classifier()
    trial_pass.run(model, TEXTS, max_length, devices.accelerator("cpu"))
    (given,) = encoder.given
    assert given["ids"].shape == (2, expected) and given["mask"].sum(dim=1).tolist() == [2, expected]
    assert given["ids"][0].tolist() == [2, 3] + [0] * (expected - 2)
    assert given["ids"][1, :7].tolist() == [2, 7, 8, 9, 10, 3, 2][:expected]


def test_the_longest_row_of_the_data_is_tried_where_it_is_more_than_usual() -> None:
    model, encoder = classifier()
    trial_pass.run(model, rows([2, 3], [5] * 700), 1000, devices.accelerator("cpu"))
    assert encoder.given[0]["ids"].shape == (2, 700)


def test_texts_of_one_token_are_tried() -> None:
    model, encoder = classifier()
    trial_pass.run(model, rows([5]), 1, devices.accelerator("cpu"))
    assert encoder.given[0]["ids"].tolist() == [[5], [5]]


# ---- nothing is changed


def test_nothing_is_changed() -> None:
    model, _ = classifier()
    model.encoder.get_submodule("table").requires_grad_(False)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    trial_pass.run(model.eval(), TEXTS, 16, devices.accelerator("cpu"))
    assert torch.equal(torch.rand(3), expected)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert all(weight.grad is None for weight in model.parameters()) and not model.training
    assert not model.encoder.get_submodule("table").weight.requires_grad


def test_an_encoder_that_changes_itself_and_seeds_numpy_leaves_both_as_they_were() -> None:
    settings = {**FAMILIES["big_bird"][1], "block_size": 2, "num_random_blocks": 1}
    model = Classifier(BigBirdModel(BigBirdConfig(**settings)), "mean", nn.Linear(16, 2))
    state = np.random.get_state()[1].copy()  # type: ignore[union-attr]  # noqa: NPY002
    trial_pass.run(model, TEXTS, 48, devices.accelerator("cpu"))
    assert (np.random.get_state()[1] == state).all()  # noqa: NPY002
    assert model.encoder.attention_type == "block_sparse"


def test_a_run_ends_with_the_same_weights_as_without_it(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_it = runs.run(runs.with_out(settings(train={"epochs": 1}), tmp_path / "with"))
    monkeypatch.setattr(trial_pass, "run", lambda *about: None)
    without = runs.run(runs.with_out(settings(train={"epochs": 1}), tmp_path / "without"))
    assert runs.sha(with_it) == runs.sha(without)


# ---- what can't be trained


def bf16(states: torch.Tensor) -> bool:
    return states.dtype == torch.bfloat16


def test_what_fails_on_such_rows_is_one_line() -> None:
    model, _ = classifier(fails=lambda states: states.shape[1] > 10)
    with pytest.raises(InputError) as error:
        trial_pass.run(model, TEXTS, 16, devices.accelerator("cpu", "no"))
    assert str(error.value) == (
        "Recorder can't be trained on texts of 16 tokens (no such rows): lower model.max_length, or choose another "
        "encoder"
    )


def test_what_fails_in_the_backward_pass_alone_is_one_line() -> None:
    def has_no_derivative(states: torch.Tensor) -> bool:
        states.register_hook(lambda gradient: torch.zeros(1).view(2))
        return False

    model, _ = classifier(fails=has_no_derivative)
    with pytest.raises(InputError, match=r"can't be trained on texts of 16 tokens \(shape '\[2\]' is invalid"):
        trial_pass.run(model, TEXTS, 16, devices.accelerator("cpu", "no"))


@pytest.fixture
def native(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that multiplies in bf16."""
    monkeypatch.setattr(devices, "bf16_is_native", lambda device: True)


@pytest.mark.usefixtures("native")
def test_what_fails_in_bf16_alone_says_so() -> None:
    model, _ = classifier(fails=bf16)
    with pytest.raises(trial_pass.PrecisionError) as error:
        trial_pass.run(model, TEXTS, 16, devices.accelerator("cpu", "bf16"))
    assert str(error.value) == "Recorder can't be run in bf16 (no such rows): set train.precision to no"


def test_too_little_memory_is_left_to_training(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(states: torch.Tensor) -> bool:
        asked.append(states)
        raise torch.OutOfMemoryError("CUDA out of memory")

    asked: list[torch.Tensor] = []
    model, _ = classifier(fails=full)
    trial_pass.run(model, TEXTS, 16, devices.accelerator("cpu"))
    assert asked, "the model was not run"
