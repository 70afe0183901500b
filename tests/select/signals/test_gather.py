"""Signals are computed once, and again when their inputs change."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from support.texts import make_texts, write_rows
from tithe.errors import InputError
from tithe.select import SelectionResult
from tithe.select.entry import select


def test_signals_are_computed_once_and_anew_when_the_text_changes(
    rows: Path, tiny_bert: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def choose(path: Path, strategy: str, seed: int = 0) -> SelectionResult:
        caplog.clear()
        with caplog.at_level("INFO", "tithe"):
            return select(path, strategy, seed=seed, encoder=str(tiny_bert), max_length=32)

    first = choose(rows, "qdit_lite")
    assert "computing probs" in caplog.text
    choose(rows, "entropy_diversity")
    assert "computing" not in caplog.text, "another strategy shares the signal"
    head = choose(rows, "gradient_match")
    assert "computing head_probs" in caplog.text and (head.selection.weight == 1).all()
    probs_NC = head.pool.head_probs
    assert (probs_NC.argmax(axis=1) == head.pool.labels).mean() > 0.9 and np.allclose(probs_NC.sum(axis=1), 1)
    choose(rows, "omp")
    assert "computing" not in caplog.text
    assert (choose(rows, "qdit_lite").selection.rows == first.selection.rows).all()
    texts, labels = make_texts(60)
    choose(write_rows(tmp_path / "other.parquet", ["new words", *texts[1:]], labels), "qdit_lite")
    assert "computing probs" in caplog.text


@pytest.mark.parametrize("strategy", ["perplexity", "ifd"])
def test_a_language_model_that_is_not_there_is_named(strategy: str, rows: Path, tiny_bert: Path) -> None:
    with pytest.raises(InputError, match="nowhere") as caught:
        select(rows, strategy, language_model="./nowhere", encoder=str(tiny_bert), max_length=32)
    assert "\n" not in str(caught.value)


def test_a_head_is_that_of_its_seed_whatever_was_computed_before(
    rows: Path, tiny_bert: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Its penalty is chosen on random rows: the head of another seed may have another one."""
    with caplog.at_level("INFO", "tithe"):
        for seed in (1, 2):
            caplog.clear()
            select(rows, "gradient_match", seed=seed, encoder=str(tiny_bert), max_length=32)
            assert "computing head_probs" in caplog.text
