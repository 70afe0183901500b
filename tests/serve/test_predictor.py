"""A checkpoint behind the server: labels do not depend on the batch, and only texts are taken."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from support.texts import make_texts
from tithe.errors import InputError
from tithe.serve import predictor
from tithe.serve.predictor import Checkpoint

TEXTS = make_texts(8)[0]


def test_a_text_whose_classes_are_close_is_computed_alone(checkpoint: Checkpoint) -> None:
    batch, alone = checkpoint.encode(TEXTS), checkpoint.model.predict(TEXTS, exact=True)
    together = checkpoint.predict(batch)
    assert together != alone, "the batch moves the last digits"
    ranked = [sorted(each.probabilities.values(), reverse=True) for each in alone]
    margins = sorted(first - second for first, second, *_ in ranked)
    half = replace(checkpoint, noise=margins[8] / 8).predict(batch)
    assert [one == own for one, own in zip(half, alone, strict=True)].count(True) >= 8
    assert half != alone and replace(checkpoint, noise=1.0).predict(batch) == alone


def test_what_a_batch_does_is_measured(checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predictor, "load", lambda path: checkpoint.model)
    opened, exact = (predictor.open_checkpoint(Path("run"), exact) for exact in (False, True))
    assert isinstance(opened, Checkpoint) and 0 < opened.noise < 1e-5
    assert opened.note.startswith(f"a probability depends on the batch of its text, by about {opened.noise:.0e}")
    assert isinstance(exact, Checkpoint) and exact.noise == 0 and exact.model.exact and "alone in float32" in exact.note


def test_a_model_of_images_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predictor, "load", lambda path: SimpleNamespace(run=SimpleNamespace(task="image")))
    with pytest.raises(InputError, match="run classifies images, and the server takes texts: score images with 'tithe"):
        predictor.open_checkpoint(Path("run"), exact=False)
