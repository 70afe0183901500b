"""The head of an encoder's own class: split from it and put together again, trained, and refused where it can't be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification

from support import encoder_families
from support.encoders import copied
from support.runs import run, sha, with_out
from support.text_tasks import TEXTS, logits, opened
from tithe import config
from tithe.errors import InputError
from tithe.models.heads import native
from tithe.predict import load
from tithe.runs.verify import verify_run

FAMILIES = ["bert", "modernbert", "roberta", "distilbert", "deberta_v2", "electra", "mpnet"]


@pytest.mark.parametrize("family", FAMILIES)
def test_the_parts_are_the_class_of_the_library(family: str) -> None:
    """The same weights under the library's names in the library's class give the same logits."""
    configuration = encoder_families.configuration_of(family)
    settings = config.Model(head="native")
    with torch.random.fork_rng(devices=[]):
        model = native.build(configuration, None, settings, classes=3)
        stock = AutoModelForSequenceClassification.from_config(model.head.rest.config)  # type: ignore[union-attr]
    stock.load_state_dict(native.weights(model))
    batch = {
        "input_ids": torch.tensor([[2, 5, 6, 7, 3], [2, 8, 3, 0, 0]]),
        "attention_mask": torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]]),
    }
    with torch.no_grad():
        whole_B3 = stock.eval()(**batch).logits
    assert type(stock).__name__ == native.stock_class(model)
    torch.testing.assert_close(logits(model, batch), whole_B3, rtol=0, atol=1e-6)
    assert (whole_B3[0] - whole_B3[1]).abs().max() > 1e-6


def test_a_mean_is_pooled_where_the_class_does(tiny_modernbert: Path, tmp_path: Path) -> None:
    folder = copied(tiny_modernbert, tmp_path / "mean", classifier_pooling="mean")
    means, firsts = (opened(path, head="native") for path in (folder, tiny_modernbert))
    assert (means.pooling, firsts.pooling) == ("mean", "cls")
    batch = means.examples(TEXTS).collate(np.arange(4))
    assert not torch.allclose(logits(means.build(2, 0), batch), logits(firsts.build(2, 0), batch))


def test_a_pretrained_head_of_as_many_classes_is_the_beginning(tiny_bert: Path, tmp_path: Path) -> None:
    first = opened(tiny_bert, head="native").build(3, seed=1)
    stock = first.head.rest.config.architectures, native.weights(first)  # type: ignore[union-attr]
    folder = copied(tiny_bert, tmp_path / "own", architectures=["BertForSequenceClassification"], num_labels=3)
    from safetensors.torch import save_file

    save_file({name: value.contiguous() for name, value in stock[1].items()}, folder / "model.safetensors")
    again, other = (opened(folder, head="native").build(classes, seed=2).state_dict() for classes in (3, 4))
    assert all(torch.equal(again[name], value) for name, value in first.state_dict().items())
    assert other["head.rest.classifier.weight"].shape == (4, 32)
    assert torch.equal(other["head.rest.bert.pooler.dense.weight"], again["head.rest.bert.pooler.dense.weight"])


def test_the_dropout_of_the_settings_is_in_the_head(tiny_bert: Path) -> None:
    model = opened(tiny_bert, head="native", dropout=0.37).build(2, seed=0)
    assert [module.p for module in model.head.modules() if hasattr(module, "p")] == [0.37]


REFUSED = [
    ("gpt2", {}, "GPT2ForSequenceClassification can't be used"),
    ("albert", {}, "can't be split from its encoder at one vector"),
    ("eurobert", {}, "pools 'late', not cls or mean"),
    ("splinter", {}, "no AutoModelForSequenceClassification for splinter"),
    ("bert", {"pooling": "mean"}, "the native head of bert pools cls: set it to auto"),
]


@pytest.mark.parametrize(("family", "settings", "says"), REFUSED, ids=[row[0] for row in REFUSED])
def test_a_head_that_cant_be_split_is_refused(family: str, settings: dict[str, Any], says: str) -> None:
    configuration, model = encoder_families.configuration_of(family), config.Model(head="native", **settings)
    with pytest.raises(InputError, match=says) as error, torch.random.fork_rng(devices=[]):
        native.pooling(model, configuration)
        native.build(configuration, None, model, classes=2)
    assert len(str(error.value).splitlines()) == 1 and "set model.head to linear or mlp" in str(error.value)


def test_a_run_on_cached_features_is_proven_and_resumed(
    settings: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    """Frozen, averaged, on features: a run resumed in the middle ends as the one that never stopped."""
    raw = settings(model={"head": "native", "freeze": "all"}, train={"ema_decay": 0.5, "batch_size": 16})
    whole = run(with_out(raw, tmp_path / "whole", keep=9))
    middle = whole.home / "checkpoints" / "step_00000005"
    resumed = run(with_out(raw, tmp_path / "resumed", resume=str(middle)))
    assert sha(resumed) == sha(whole)
    assert "frozen: no frozen tensor changed" in verify_run(whole.home)[-1]
    trained = load(whole.home)
    assert trained.progress["on_features"] and trained.predict(["goal"])[0].label in trained.labels.names
