"""Features of a frozen encoder: the same numbers as without them, computed once, never stale."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from support.encoders import (
    copied,
    encoder_config,
    one_weight,
    other_order_of_words,
    the_last_bit_of_a_weight,
    tokenizer_state,
)
from support.features import HIT, history, numbers, predicted, stored
from support.runs import built, run, sha
from support.texts import make_texts, write_rows
from tithe import config, data, pipeline
from tithe.checkpoints import locate, store
from tithe.evaluate import details
from tithe.models import inference
from tithe.train import devices

Settings = Callable[..., dict[str, Any]]

pytestmark = pytest.mark.usefixtures("no_look_at_padding")


@pytest.fixture(autouse=True)
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, "tithe")
    return caplog


# ---- the same numbers


@pytest.mark.parametrize("encoder", ["tiny_bert", "tiny_modernbert"])
@pytest.mark.parametrize("grouped", [True, False])
def test_scores_and_weights_are_those_of_a_run_without_the_cache(
    encoder: str, grouped: bool, frozen: Settings, tmp_path: Path, request: pytest.FixtureRequest, passes: list[int]
) -> None:
    texts, labels = make_texts(60)
    kept = [i for i, label in enumerate(labels) if label == "sport" or i % 2]  # one class is repeated for balance
    path = write_rows(tmp_path / "uneven.parquet", [texts[i] for i in kept], [labels[i] for i in kept])
    raw = frozen(
        data={"path": str(path), "upsample": True},
        model={"encoder": str(request.getfixturevalue(encoder)), "dropout": 0.3, "hidden_dim": 64},
        train={"epochs": 3, "accumulation_steps": 2, "group_by_length": grouped, "learning_rate": 3e-2},
    )
    found = {}
    for cached in (True, False):
        passes.clear()
        raw["train"]["cache_features"] = cached
        found[cached] = run({**raw, "out": str(tmp_path / f"cached {cached}")})
        assert (sum(passes) < 2 * len(kept)) is cached
    with_cache, without = found[True], found[False]
    lines = [history(outcome.home) for outcome in (with_cache, without)]
    assert [list(line) for line in lines[0]] == [list(line) for line in lines[1]] and len(lines[0]) > 4
    assert numbers(lines[0]) == pytest.approx(numbers(lines[1]), abs=1e-5)
    for part in ("validation", "test"):
        assert numbers(with_cache.scores[part]) == pytest.approx(numbers(without.scores[part]), abs=1e-5)
        assert predicted(with_cache.home, part)["row"] == predicted(without.home, part)["row"]
        probs = [predicted(o.home, part)["probability_of_label"].to_numpy() for o in (with_cache, without)]
        np.testing.assert_allclose(*probs, rtol=0, atol=1e-5)
        assert np.ptp(probs[0]) > 0.02, "it has learnt something"
    last = [locate.newest_intact(o.home / "checkpoints") for o in (with_cache, without)]
    heads, full = (store.weights(path) for path in last)
    assert set(heads) == {name for name in full if name.startswith("head.")}
    for name, value in heads.items():
        torch.testing.assert_close(value, full[name], rtol=0, atol=1e-5)


def test_features_are_the_embeddings_of_the_rows(frozen: Settings, tiny_modernbert: Path) -> None:
    raw = frozen(model={"encoder": str(tiny_modernbert)})
    net, found = built(raw)
    parsed = config.parse(raw)
    splits = data.load(parsed.data, parsed.seed)
    examples = pipeline.check(parsed).encode(splits.rows)
    assert found.values.dtype == np.float32 and isinstance(found.values, np.memmap)
    np.testing.assert_allclose(found.values, inference.embeddings(net.classifier, examples), rtol=0, atol=1e-5)
    view = found.take(splits.train).take(np.array([5, 2, 2]))
    rows = splits.train[[5, 2, 2]]
    batch = view.collate(np.arange(3))
    assert torch.equal(batch["embeddings"], torch.from_numpy(np.array(found.values[rows])))
    assert batch["labels"].tolist() == examples.labels[rows].tolist() == view.labels.tolist()
    assert view.ids.tolist() == examples.ids[rows].tolist()
    assert view.lengths.tolist() == examples.lengths[rows].tolist()


# ---- computed once


def test_the_second_run_does_not_call_the_encoder(
    frozen: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log: pytest.LogCaptureFixture
) -> None:
    from transformers import BertModel

    first = run(frozen(train={"epochs": 1}, out=str(tmp_path / "first")))
    assert HIT not in log.text

    def refuse(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("the encoder ran")

    monkeypatch.setattr(BertModel, "forward", refuse)
    monkeypatch.setattr(details, "_words", lambda *_: {})  # the report asks it about a few mistakes
    second = run(frozen(train={"epochs": 1}, out=str(tmp_path / "second")))
    assert f"{HIT}: features of 120 rows are in the cache" in log.text
    assert sha(second) == sha(first)
    assert (tmp_path / "first/history.jsonl").read_bytes() == (tmp_path / "second/history.jsonl").read_bytes()


def other_labels(raw: dict[str, Any], tmp_path: Path) -> None:
    texts, labels = make_texts(60)
    raw["data"]["path"] = str(write_rows(tmp_path / "labels.parquet", texts, [f"not {label}" for label in labels]))


def the_encoder_elsewhere(raw: dict[str, Any], tmp_path: Path) -> None:
    raw["model"]["encoder"] = str(copied(Path(raw["model"]["encoder"]), tmp_path / "elsewhere"))


def setting(section: str, **values: Any) -> Callable[[dict[str, Any], Path], None]:
    def change(raw: dict[str, Any], tmp_path: Path) -> None:
        raw[section] = {**raw[section], **values}

    change.__name__ = "_".join(values)
    return change


def other_seed(raw: dict[str, Any], tmp_path: Path) -> None:
    raw["seed"] = 7


@pytest.mark.parametrize(
    "change",
    [
        other_labels,
        the_encoder_elsewhere,
        other_seed,
        setting("model", head="linear"),
        setting("model", dropout=0.5),
        setting("train", learning_rate=1e-2),
        setting("train", batch_size=4),
        setting("train", group_by_length=False),
        setting("data", val_ratio=0.3),
    ],
)
def test_what_does_not_reach_the_encoder_costs_no_second_pass(
    change: Callable[[dict[str, Any], Path], None], frozen: Settings, tmp_path: Path, passes: list[int]
) -> None:
    first = np.array(built(frozen())[1].values)
    assert passes
    passes.clear()
    raw = frozen()
    change(raw, tmp_path)
    found = built(raw)[1]
    assert not passes and len(stored()) == 1 and np.array_equal(found.values, first)


# ---- never stale


def no_special_tokens(raw: dict[str, Any], tmp_path: Path) -> None:
    tokenizer_state(raw, tmp_path, lambda state: state.update(post_processor=None))


def one_text(raw: dict[str, Any], tmp_path: Path) -> None:
    texts, labels = make_texts(60)
    texts[17] = f"{texts[17]} goal"
    raw["data"]["path"] = str(write_rows(tmp_path / "text.parquet", texts, labels))


def rows_in_another_order(raw: dict[str, Any], tmp_path: Path) -> None:
    texts, labels = make_texts(60)
    raw["data"]["path"] = str(write_rows(tmp_path / "order.parquet", texts[::-1], labels[::-1]))


@pytest.mark.parametrize(
    "change",
    [
        one_weight,
        the_last_bit_of_a_weight,
        encoder_config(hidden_act="relu"),
        encoder_config(layer_norm_eps=0.1),
        encoder_config(num_attention_heads=4),
        other_order_of_words,
        no_special_tokens,
        one_text,
        rows_in_another_order,
        setting("model", max_length=8),
        setting("model", pooling="cls"),
        setting("model", attention="eager"),
        setting("train", precision="bf16"),
    ],
)
def test_whatever_reaches_the_encoder_computes_anew(
    change: Callable[[dict[str, Any], Path], None],
    frozen: Settings,
    tmp_path: Path,
    passes: list[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(devices, "bf16_is_native", lambda device: True)  # where it is not, bf16 is not used
    first = np.array(built(frozen())[1].values)
    passes.clear()
    raw = frozen()
    change(raw, tmp_path)
    net, found = built(raw)
    assert sum(passes) >= 120 and len(stored()) == 2, "the old features were used for another encoder or input"
    if change.__name__ not in ("attention", "the_last_bit_of_a_weight"):  # these may end in the same numbers
        assert not np.array_equal(found.values, first)
    if change.__name__ == "precision":
        return
    parsed = config.parse(raw)
    rows = data.load(parsed.data, parsed.seed).rows
    fresh = inference.embeddings(net.classifier, pipeline.check(parsed).encode(rows))
    np.testing.assert_allclose(found.values, fresh, rtol=0, atol=1e-5)


def test_damaged_features_are_computed_anew(frozen: Settings, passes: list[int]) -> None:
    expected = np.array(built(frozen())[1].values)
    path = stored()[0]
    path.write_bytes(path.read_bytes()[:-1] + bytes([path.read_bytes()[-1] ^ 1]))
    passes.clear()
    assert np.array_equal(built(frozen())[1].values, expected) and sum(passes) >= 120
    passes.clear()
    assert np.array_equal(built(frozen())[1].values, expected) and not passes
