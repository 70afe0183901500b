"""Pooling and heads on real tiny encoders: known vectors, shapes, seeds, the first loss."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from support.text_tasks import TEXTS, data, logits, opened
from tithe import config
from tithe.checkpoints import tensors
from tithe.models.classifier import Classifier
from tithe.train import devices, trainer
from tithe.train.trainer import FitOptions

# ---- pooling


class States(nn.Module):
    """An encoder whose state of token i is (i, i squared)."""

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None) -> object:
        states = torch.stack([input_ids, input_ids**2], dim=-1).float()
        return type("Output", (), {"last_hidden_state": states})


@pytest.mark.parametrize(
    ("pooling", "masked", "expected"),
    [
        ("mean", True, [[2.0, 14 / 3], [4.0, 16.0]]),
        ("mean", False, [[2.0, 14 / 3], [6.0, 44.0]]),
        ("cls", True, [[1.0, 1.0], [4.0, 16.0]]),
    ],
)
def test_pooling_gives_the_known_vectors(pooling: str, masked: bool, expected: list[list[float]]) -> None:
    batch = {"input_ids": torch.tensor([[1, 2, 3], [4, 4, 10]])}
    if masked:
        batch["attention_mask"] = torch.tensor([[1, 1, 1], [1, 1, 0]])
    found = Classifier(States(), pooling, nn.Identity()).embed(batch)
    torch.testing.assert_close(found, torch.tensor(expected))


@pytest.mark.parametrize("pooling", ["mean", "cls"])
@pytest.mark.parametrize("attention", ["auto", "sdpa", "eager"])
def test_padding_does_not_change_an_embedding(folder: Path, pooling: str, attention: str) -> None:
    task = opened(folder, pooling=pooling, attention=attention)
    model = task.build(2, seed=0).eval()
    examples = task.examples(TEXTS)
    with torch.no_grad():
        together = model.embed(examples.collate(np.arange(4)))
        alone = torch.cat([model.embed(examples.collate(np.array([i]))) for i in range(4)])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-5)
    assert (together[0] - together[1]).abs().max() > 1e-3


# ---- the network


def test_heads_have_the_shapes_asked_for(tiny_bert: Path) -> None:
    def shapes(**model: object) -> list[tuple[int, ...]]:
        head = opened(tiny_bert, **model).build(5, seed=0).head
        return [tuple(p.shape) for p in head.parameters()]

    assert shapes(head="linear") == [(5, 32), (5,)]
    assert shapes(head="mlp", hidden_dim=7) == [(7, 32), (7,), (5, 7), (5,)]
    head = opened(tiny_bert, head="mlp", dropout=0.3).build(5, seed=0).head
    assert [module.p for module in head if hasattr(module, "p")] == [0.3, 0.3]


@pytest.mark.parametrize("head", ["linear", "mlp"])
@pytest.mark.parametrize("classes", [2, 50])
def test_the_loss_starts_near_ln_of_the_classes(folder: Path, head: str, classes: int) -> None:
    task = opened(folder, head=head)
    batch = task.examples(TEXTS).collate(np.arange(4))
    batch["labels"] = torch.tensor([0, 1, 0, 1])
    loss = task.criterion()(logits(task.build(classes, seed=0), batch), batch) / 4
    assert float(loss) == pytest.approx(math.log(classes), abs=0.2)


def test_the_seed_decides_the_head_and_nothing_else(tiny_bert: Path) -> None:
    task = opened(tiny_bert, head="mlp")
    one, same, other = (task.build(3, seed) for seed in (1, 1, 2))

    def sha(module: nn.Module) -> str:
        return tensors.sha256_of_all(module.state_dict())

    assert sha(one.head) == sha(same.head) != sha(other.head)
    assert sha(one.encoder) == sha(other.encoder)


def test_building_leaves_the_callers_random_numbers_alone(tiny_bert: Path) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        expected = torch.rand(3)
        torch.manual_seed(5)
        opened(tiny_bert).build(3, seed=1)
        assert torch.equal(torch.rand(3), expected)


def test_an_encoder_given_by_its_path_trains(folder: Path, tmp_path: Path) -> None:
    task = opened(folder)
    model = task.build(2, seed=0)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    settings = config.Train(epochs=1, batch_size=8, precision="no", device="cpu")
    steps = trainer.fit(
        model, task.criterion(), task.encode(data(tmp_path)), FitOptions(settings, 0, devices.accelerator("cpu"))
    )
    assert next(steps).batch_loss == pytest.approx(math.log(2), abs=0.2)
    moved = {name for name, value in model.named_parameters() if not torch.equal(value, before[name])}
    still = set(before) - moved
    assert "head.1.weight" in moved and not still - {n for n, p in model.named_parameters() if not p.any()}
    assert not any("pooler" in name for name in before)
