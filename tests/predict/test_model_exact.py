"""Exact predictions do not depend on the other inputs: alone, in any batch, in any order they are the same bits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tithe
from support.detector_run import finished
from support.encoders import copied
from support.features import predicted
from support.texts import make_texts, write_rows
from tithe import config, pipeline
from tithe.evaluate.checkpoint import Evaluation, evaluate_checkpoint
from tithe.models import inference
from tithe.predict import TrainedModel
from tithe.predict.images import score_images
from tithe.train import devices

Settings = Callable[..., dict[str, Any]]

TEXTS = make_texts(40, classes=3, seed=5)[0]
LONG = " ".join(TEXTS[:4])
KINDS: dict[str, dict[str, Any]] = {
    "all trained, float32": {"train": {"precision": "no"}},
    "all trained, bf16": {"train": {"precision": "bf16"}},
    "on features, bf16": {"train": {"precision": "bf16"}, "model": {"freeze": "all"}},
}


@pytest.fixture(params=KINDS)
def home(request: pytest.FixtureRequest, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(devices, "bf16_is_native", lambda device: True)  # where it is not, it is emulated
    sections = KINDS[request.param]
    path = write_rows(tmp_path / "texts.parquet", *make_texts(40, classes=3))
    raw = settings(**{**sections, "data": {"path": str(path)}, "train": {"epochs": 1, **sections["train"]}})
    return pipeline.train(config.parse(raw)).home


def answers(model: TrainedModel, inputs: Sequence[str], **options: Any) -> list[tuple[float, ...]]:
    return [tuple(p.probabilities.values()) for p in model.predict(inputs, exact=True, **options)]


def assert_independent(model: TrainedModel, inputs: list[str], others: list[str]) -> None:
    """Every input has one answer: alone, in any order, in parts, in any batch size, and beside other inputs."""
    expected = answers(model, inputs)
    assert [answers(model, [text])[0] for text in inputs] == expected
    order = np.random.default_rng(0).permutation(len(inputs))
    assert answers(model, [inputs[i] for i in order]) == [expected[i] for i in order]
    assert answers(model, inputs[: len(inputs) // 2], batch_size=7) == expected[: len(inputs) // 2]
    assert answers(model, [*others, *inputs])[len(others) :] == expected


def test_an_exact_prediction_of_a_text_is_its_own(home: Path) -> None:
    assert_independent(tithe.load(home, "cpu"), TEXTS, [LONG, "goal"])


def test_exact_predictions_are_in_float32(home: Path) -> None:
    model = tithe.load(home, "cpu")
    examples = model.task.examples(TEXTS)
    found = model.exactly().outputs(examples)
    assert np.array_equal(found, inference.logits(model.model, examples, 1))
    np.testing.assert_allclose(found, inference.logits(model.model, examples), rtol=0, atol=1e-5)
    if model.accelerator.mixed_precision == "bf16":
        assert np.abs(found - model.outputs(examples)).max() > 1e-5


def test_an_exact_evaluation_has_the_exact_predictions(home: Path, tmp_path: Path) -> None:
    model, asked = tithe.load(home, "cpu"), Evaluation(checkpoint_path=str(home), exact=True)
    evaluate_checkpoint(model, asked, tmp_path / "found")
    texts = make_texts(40, classes=3)[0]
    for part in ("validation", "test"):
        table = predicted(tmp_path / "found", part)
        expected = model.predict([texts[row] for row in table["row"].to_pylist()], exact=True)
        assert table["probability"].to_pylist() == [p.probability for p in expected]


@pytest.fixture
def convbert(tiny_bert: Path, tmp_path: Path) -> Path:
    """A folder with an encoder whose convolutions reach into the padding."""
    import torch
    from transformers import BertConfig, ConvBertConfig, ConvBertModel

    folder = copied(tiny_bert, tmp_path / "convbert")
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    vocabulary = BertConfig.from_pretrained(tiny_bert).vocab_size
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        ConvBertModel(ConvBertConfig(vocab_size=vocabulary, pad_token_id=0, **sizes)).save_pretrained(folder)
    return folder


def test_padding_does_not_reach_an_exact_prediction(convbert: Path, settings: Settings) -> None:
    raw = settings(model={"encoder": str(convbert)}, train={"learning_rate": 1e-2})
    model = tithe.load(pipeline.train(config.parse(raw)).home, "cpu")
    beside = [model.predict(["goal", other])[0].probability for other in ("moon", LONG)]
    assert beside[0] != beside[1], "padding reaches this encoder's states"
    assert_independent(model, ["goal", "the team", "a rocket to the moon"], [LONG])


def test_an_exact_score_of_an_image_is_its_own(tmp_path_factory: pytest.TempPathFactory) -> None:
    photographs, home = finished(tmp_path_factory)
    paths = sorted(photographs.rglob("*.png"))[:6]
    model = tithe.load(home, "cpu")
    assert_independent(model, [str(path) for path in paths], [str(paths[-1])])
    exact = model.exactly()
    scores = [line.score for line in score_images(exact, paths, exact.rows_at_once)]
    assert scores == [p.probabilities["real"] for p in model.predict([str(path) for path in paths], exact=True)]
