"""A text in windows is read whole: every window as a text of its own, and one vector for all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import tithe
from support import tokenizers
from support.runs import built, run, sha, with_out
from support.texts import FILLER, write_rows
from tithe import config, interrupts
from tithe.errors import InputError, Interrupted
from tithe.models import inference
from tithe.models.windows import Windows, cost

Settings = Callable[..., dict[str, Any]]


def windows(length: int, stride: int, pool: str = "mean", width: int = 1) -> Windows:
    settings = config.Model(max_length=length, windows=config.Windows(stride=stride, pool=pool))
    return Windows(settings, tokenizers.words(), 0, width)


def read(module: Windows, texts: list[list[int]]) -> list[list[int]]:
    """The windows that a module shows an encoder, without padding, from texts between 101 and 102."""
    rows = [[101, *text, 102] for text in texts]
    longest = max(map(len, rows))
    seen: list[list[int]] = []

    def embed(batch: dict[str, torch.Tensor]) -> torch.Tensor:
        for ids, mask in zip(batch["input_ids"], batch["attention_mask"], strict=True):
            assert (ids[mask == 0] == 0).all()
            seen.append(ids[mask == 1].tolist())
        return batch["input_ids"].float().sum(1, keepdim=True)

    ids = torch.tensor([row + [0] * (longest - len(row)) for row in rows])
    with torch.no_grad():
        module(embed, {"input_ids": ids, "attention_mask": (ids > 0).long()})
    return seen


def test_windows_overlap_and_the_last_one_is_full() -> None:
    text = list(range(1, 12))
    assert read(windows(6, 3), [text, [1, 2]]) == [
        [101, 1, 2, 3, 4, 102],
        [101, 4, 5, 6, 7, 102],
        [101, 7, 8, 9, 10, 102],
        [101, 8, 9, 10, 11, 102],
        [101, 1, 2, 102],
    ]


@pytest.mark.parametrize("length", range(2, 40))
@pytest.mark.parametrize("stride", [1, 3, 4])
def test_no_token_is_left_out(length: int, stride: int) -> None:
    text = list(range(1, length))
    found = read(windows(6, stride), [text, list(range(1, 40))])
    own = found[: len(found) - len(read(windows(6, stride), [list(range(1, 40))]))]
    assert {token for window in own for token in window[1:-1]} == set(text)
    assert all(len(window) == 6 for window in own) or len(own) == 1


@pytest.mark.usefixtures("seeded")
def test_vectors_of_windows_become_one() -> None:
    states_BKD = torch.tensor([[[1.0, 5], [3, 1]], [[2, 2], [0, 0]]])
    missing_BK = torch.tensor([[False, False], [False, True]])
    assert windows(6, 3, "mean")._pooled(states_BKD, missing_BK).tolist() == [[2, 3], [2, 2]]
    assert windows(6, 3, "max")._pooled(states_BKD, missing_BK).tolist() == [[3, 5], [2, 2]]
    attention = windows(6, 3, "attention", width=2)
    assert attention.score
    torch.nn.init.zeros_(attention.score.weight)
    torch.testing.assert_close(attention._pooled(states_BKD, missing_BK), torch.tensor([[2.0, 3], [2, 2]]))


@pytest.fixture
def long(tmp_path: Path) -> Path:
    """Rows whose label is one word near the end of a text of 20 to 60 others."""
    rng = np.random.default_rng(0)
    texts, labels = [], []
    for row in range(240):
        label = ["goal", "moon"][row % 2]
        words = [str(word) for word in rng.choice(FILLER, int(rng.integers(20, 60)))]
        texts.append(" ".join([*words, *[label] * 6, str(rng.choice(FILLER))]))
        labels.append(label)
    return write_rows(tmp_path / "long.parquet", list(texts), list(labels))


def long_settings(settings: Settings, long: Path, pool: str = "mean", **sections: Any) -> dict[str, Any]:
    model = {"max_length": 12, "windows": {"stride": 8, "pool": pool}, **sections.pop("model", {})}
    return settings(data={"path": str(long)}, model=model, **sections)


def test_what_stands_at_the_end_of_a_long_text_is_learned(long: Path, settings: Settings, tmp_path: Path) -> None:
    raw = long_settings(settings, long, train={"epochs": 10, "learning_rate": 5e-3})
    read_whole = run({**raw, "out": str(tmp_path / "whole")})
    cut = run({**raw, "out": str(tmp_path / "cut"), "model": {**raw["model"], "windows": None}})
    assert read_whole.scores["test"]["accuracy"] > 0.95 > 0.8 > cut.scores["test"]["accuracy"]


def test_a_batch_gives_what_each_text_gives_alone(long: Path, settings: Settings) -> None:
    network, examples = built(long_settings(settings, long))
    together = inference.logits(network.classifier, examples.take(np.arange(16)))
    alone = np.concatenate([inference.logits(network.classifier, examples.take(np.array([i]))) for i in range(16)])
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_features_of_a_frozen_encoder_are_those_of_all_windows(long: Path, settings: Settings, tmp_path: Path) -> None:
    raw = long_settings(settings, long, "max", model={"freeze": "all"}, train={"epochs": 3})
    cached = run({**raw, "out": str(tmp_path / "cached")})
    raw["train"] = {**raw["train"], "cache_features": False}
    whole = run({**raw, "out": str(tmp_path / "whole")})
    assert whole.scores["test"]["loss"] == pytest.approx(cached.scores["test"]["loss"], abs=1e-4)
    text = " ".join([*FILLER * 3, "moon moon moon the"])
    (found,) = tithe.load(cached.best).predict([text])
    assert not found.truncated


@pytest.mark.parametrize(
    "model", [{}, {"lora": {"rank": 2}}, {"trim_vocabulary": True}], ids=["plain", "adapters", "words of the data"]
)
def test_stopped_and_continued_it_ends_in_the_same_bits(
    model: dict[str, Any], long: Path, settings: Settings, tmp_path: Path
) -> None:
    from support.signals import asked_after

    train = {"optimizer_state": "bf16", "checkpoint_activations": True} if model else {}
    raw = long_settings(settings, long, "attention", model=model, train=train)
    whole = run(with_out(raw, tmp_path / "whole"))
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Interrupted):
        patch.setattr(interrupts, "StopRequest", asked_after(7))
        run(with_out(raw, tmp_path / "run"))
    continued = run(with_out(raw, tmp_path / "run", resume="auto"))
    assert sha(continued) == sha(whole)
    (found,) = tithe.load(continued.best).predict([" ".join([*FILLER * 3, "moon moon moon the"])])
    assert not found.truncated


def test_the_cost_is_said_beforehand() -> None:
    settings = config.Model(max_length=10, windows=config.Windows(stride=5))
    said = cost(np.array([4, 10, 11, 25]), settings)
    assert said.startswith("4 texts are read in 8 windows of up to 10 tokens: 2.2 times")


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"model": {"windows": {"stride": 11}}}, "model.windows.stride 11 leaves tokens unread .* set it to 10 or less"),
    ({"model": {"head": "native"}}, "model.windows is for a head of tithe"),
    ({"model": {"freeze": "all", "windows": {"stride": 8, "pool": "attention"}}}, "train.cache_features to false"),
]


@pytest.mark.parametrize(("sections", "says"), REFUSED)
def test_what_windows_do_not_go_with_is_refused(
    sections: dict[str, Any], says: str, long: Path, settings: Settings
) -> None:
    with pytest.raises(InputError, match=says):
        built(long_settings(settings, long, **sections))
