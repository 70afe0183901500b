"""Signals are computed once, and again when their inputs change."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.texts import make_texts, write_rows
from tithe import config, select
from tithe.errors import InputError


def test_signals_are_computed_once_and_anew_when_the_text_changes(
    rows: Path, tiny_bert: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def choose(path: Path, strategy: str, seed: int = 0) -> select.SelectionResult:
        caplog.clear()
        with caplog.at_level("INFO", "tithe"):
            asked = config.Select(strategy=strategy, seed=seed)
            return select.select_from_file(path, asked, {}, str(tiny_bert), 32)

    first = choose(rows, "qdit_lite")
    assert "computing probs" in caplog.text
    choose(rows, "entropy_diversity")
    assert "computing" not in caplog.text, "another strategy shares the signal"
    assert (choose(rows, "qdit_lite").selection.rows == first.selection.rows).all()
    texts, labels = make_texts(60)
    choose(write_rows(tmp_path / "other.parquet", ["new words", *texts[1:]], labels), "qdit_lite")
    assert "computing probs" in caplog.text


@pytest.mark.parametrize("strategy", ["perplexity", "ifd"])
def test_a_language_model_that_is_not_there_is_named(strategy: str, rows: Path, tiny_bert: Path) -> None:
    asked = config.Select(strategy=strategy, language_model="./nowhere")
    with pytest.raises(InputError, match="nowhere") as caught:
        select.select_from_file(rows, asked, {}, str(tiny_bert), 32)
    assert "\n" not in str(caught.value)
