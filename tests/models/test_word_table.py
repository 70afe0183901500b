"""A table of the data's words alone gives the bits of one that is trained whole, and is whole wherever it is saved."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from support import encoder_families
from support.runs import built, run, sha, with_out
from support.signals import asked_after
from support.texts import FILLER, TOPICS
from tithe import interrupts
from tithe.checkpoints import store
from tithe.errors import InputError, Interrupted
from tithe.models.partial import word_table
from tithe.models.partial.word_table import WordTable
from tithe.models.tokens import TextExamples
from tithe.runs.finish import Outcome

pytestmark = pytest.mark.usefixtures("seeded")  # networks are built by the global generator

Settings = Callable[..., dict[str, Any]]

WORDS = [*FILLER, *TOPICS["sport"], *TOPICS["space"]]
UNUSED = [f"unused{i}" for i in range(300)]


def saved(family: str, folder: Path) -> Path:
    """An encoder of a family whose tokenizer has the words of the texts among many others."""
    return encoder_families.saved(family, folder, [*UNUSED[:150], *WORDS, *UNUSED[150:]])


def trained(raw: dict[str, Any], out: Path, trim: object, **checkpoint: Any) -> Outcome:
    return run(with_out({**raw, "model": {**raw["model"], "trim_vocabulary": trim}}, out, **checkpoint))


def flat(value: Any) -> list[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ()
    return [tensor for each in inner for tensor in flat(each)]


SCHEDULES: dict[str, dict[str, Any]] = {
    "bert": {"clip_norm": 0.05},
    "albert": {"schedule": "cosine", "warmup_steps": 3, "encoder_learning_rate": 3e-3},
    "distilbert": {"schedule": "constant", "weight_decay": 0.3, "accumulation_steps": 2},
    "electra": {"clip_norm": 0, "weight_decay": 0},
    "deberta_v2": {"clip_norm": 0.2, "batch_size": 3},
    "modernbert": {"clip_norm": 0.1, "label_smoothing": 0.1, "optimizer_state": "bf16"},
}


@pytest.mark.parametrize("family", SCHEDULES)
def test_a_trimmed_table_has_the_bits_of_a_whole_one(family: str, tmp_path: Path, settings: Settings) -> None:
    encoder = saved(family, tmp_path / family)
    raw = settings(model={"encoder": str(encoder)}, train={**SCHEDULES[family], "epochs": 3})
    whole, trimmed = trained(raw, tmp_path / "whole", False), trained(raw, tmp_path / "trimmed", True)
    assert sha(trimmed) == sha(whole)
    assert (tmp_path / "trimmed/history.jsonl").read_bytes() != b""
    states = [store.load(max((tmp_path / name / "checkpoints").glob("step*"))) for name in ("whole", "trimmed")]
    expected, found = (flat([state.model, state.optimizer]) for state in states)
    assert len(expected) == len(found) > 30
    assert all(torch.equal(a, b) for a, b in zip(expected, found, strict=True))


@pytest.mark.parametrize(("before", "after"), [(True, False), (False, True), (True, True)])
@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_a_run_is_continued_from_either(
    before: bool, after: bool, precision: str, tmp_path: Path, settings: Settings
) -> None:
    encoder = str(saved("bert", tmp_path / "bert"))
    raw = settings(model={"encoder": encoder}, train={"clip_norm": 0.1, "optimizer_state": precision})
    whole = trained(raw, tmp_path / "whole", False)
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Interrupted):
        patch.setattr(interrupts, "StopRequest", asked_after(7))
        trained(raw, tmp_path / "run", before)
    resumed = trained(raw, tmp_path / "run", after, resume="auto")
    assert sha(resumed) == sha(whole)
    assert (resumed.home / "history.jsonl").read_bytes() == (whole.home / "history.jsonl").read_bytes()


def test_the_memory_of_a_table_is_that_of_the_words_of_the_data(tmp_path: Path, settings: Settings) -> None:
    encoder = saved("bert", tmp_path / "bert")
    network, examples = built(settings(model={"encoder": str(encoder), "trim_vocabulary": True}))
    (table,) = word_table.tables(network.classifier)
    assert isinstance(examples, TextExamples)
    assert len(table.weight) == len(np.union1d(np.unique(examples.tokens), [examples.pad])) < 50
    whole, _ = built(settings(model={"encoder": str(encoder), "trim_vocabulary": False}))
    assert not word_table.tables(whole.classifier)
    expected, found = whole.classifier.state_dict(), network.classifier.state_dict()
    assert all(torch.equal(found[name], value) for name, value in expected.items()) and found.keys() == expected.keys()
    assert network.encoder_sha256 == whole.encoder_sha256
    copied = copy.deepcopy(network.classifier)
    with torch.no_grad():
        table.weight.add_(1)
    assert not torch.equal(table.whole(), table_of(whole.classifier))
    assert torch.equal(copied.state_dict()["encoder.embeddings.word_embeddings.weight"], table_of(whole.classifier))


def table_of(model: nn.Module) -> torch.Tensor:
    return model.get_parameter("encoder.embeddings.word_embeddings.weight").detach()


def test_the_whole_table_is_an_ordinary_one_again(tmp_path: Path, settings: Settings) -> None:
    network, examples = built(settings(model={"encoder": str(saved("bert", tmp_path / "bert"))}))
    batch = examples.collate(np.arange(4))
    before = network.classifier.eval()(batch)
    network.complete()
    assert not word_table.tables(network.classifier) and len(table_of(network.classifier)) > 300
    assert torch.equal(network.classifier.eval()(batch), before)


def test_auto_trims_where_a_fifth_of_the_words_are_missing(tmp_path: Path, settings: Settings, tiny_bert: Path) -> None:
    network, _ = built(settings(model={"encoder": str(saved("bert", tmp_path / "bert"))}))
    assert word_table.tables(network.classifier)


@pytest.mark.parametrize(
    ("family", "sections", "says"),
    [
        ("t5", {}, "uses the table of its words in another place too"),
        ("bert", {"model": {"freeze": 1}}, "model.freeze 1 keeps all words as they are"),
        ("bert", {"train": {"ema_decay": 0.9}}, "train.ema_decay 0.9 averages every word at every step"),
    ],
)
def test_a_table_that_cannot_be_trained_in_part_is_trained_whole_or_refused(
    family: str, sections: dict[str, Any], says: str, tmp_path: Path, settings: Settings
) -> None:
    model = {"encoder": str(saved(family, tmp_path / family)), **sections.pop("model", {})}
    network, _ = built(settings(model={**model, "trim_vocabulary": "auto"}, **sections))
    assert not word_table.tables(network.classifier)
    with pytest.raises(InputError, match=f"model.trim_vocabulary true: .*{says}: set it to auto or false"):
        built(settings(model={**model, "trim_vocabulary": True}, **sections))


def test_averages_of_words_that_the_data_lack_are_refused() -> None:
    _, optimizer = followed()
    state = optimizer.state_dict()
    state["state"][0]["exp_avg"][9] = 1.0
    with pytest.raises(InputError, match=r"set model\.trim_vocabulary to false"):
        optimizer.load_state_dict(state)


def test_a_step_that_a_scaled_loss_skips_decays_nothing() -> None:
    table, optimizer = followed()
    before = table.whole().clone()
    optimizer.found_inf = torch.tensor(1.0)  # type: ignore[attr-defined]
    optimizer.step()
    assert torch.equal(table.whole(), before)
    del optimizer.found_inf  # type: ignore[attr-defined]
    optimizer.step()
    assert torch.equal(table.whole()[9], before[9] * (1 - 0.1 * 0.5))


def followed() -> tuple[WordTable, torch.optim.AdamW]:
    """A table of three words of ten after a step of its optimizer."""
    table = WordTable(nn.Embedding(10, 8, padding_idx=0), np.array([0, 2, 5]))
    optimizer = torch.optim.AdamW(table.parameters(), lr=0.1, weight_decay=0.5, fused=True)
    table.follow(optimizer)
    table(torch.tensor([2, 5])).sum().backward()
    optimizer.step()
    return table, optimizer


def test_a_word_that_is_not_held_is_an_error() -> None:
    table, _ = followed()
    with pytest.raises(IndexError):
        table(torch.tensor([3]))
