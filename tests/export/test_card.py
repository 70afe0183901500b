"""What a card says of values that could change it, and of what is not known."""

from __future__ import annotations

from typing import Any

from tithe import config
from tithe.export import card

PARITY: dict[str, Any] = {
    **{"target": "int8", "task": "text", "tithe": "1", "at_once": 1, "accept": 0.98, "rows": 10, "equal_labels": 0.99},
    **{"largest_difference": 0.1, "against": "tithe predict --exact", "parts": {"test": 10}, "packages": {"onnx": "1"}},
    "accuracy": {"tithe": 0.9, "export": 0.8},
    "temperature": None,
    "neighbours": {"equal_labels": 0.7, "largest_difference": 0.3},
}


def facts(**changes: Any) -> card.Facts:
    values: dict[str, Any] = {
        "config": config.parse({"data": {"path": "/home/anna/secret/rows.csv"}}).model_dump(mode="json"),
        "names": ["a|b", "line\nbreak", "<script>"],
        "made_of": {"model": {"pooling": "mean"}, "data": "d4", "labels": {"sha256": "1a"}},
        **{"weights": {"model.pt": "5a"}, "step": 7, "data": None, "metrics": None, "parity": PARITY, "license": None},
        "head": "linear",
    }
    return card.Facts(**{**values, **changes})


def test_names_do_not_change_the_table() -> None:
    text = card.text(facts(), "code")
    assert "| 0 | a\\|b |\n| 1 | line break |\n| 2 | &lt;script> |\n" in text


def test_what_is_not_known_is_said() -> None:
    text = card.text(facts(), "code")
    assert 'license: "unknown"' in text and "Not given: ask" in text and "without a finished run" in text
    assert "/home/anna" not in text and "| data | rows.csv |" in text


def test_int8_says_how_it_must_be_run() -> None:
    text = card.text(facts(), "code")
    assert "99.00%, and 98.00% asked for" in text and "**Run it one input at a time**" in text
    assert "| the same in batches of 32 | 70.00% equal labels, difference 0.3 |" in text


def test_rare_classes_and_cut_texts_are_limits() -> None:
    tokens = {"test": {"texts": 200, "texts_cut": 50}}
    data = {"splits": {"train": 1, "val": 2, "test": 3}, "classes": {"few": 49, "many": 50}, "tokens": tokens}
    text = card.text(facts(data=data), "code")
    assert "scores say little: few (49)." in text and "25.0% are longer than is read" in text


def test_a_temperature_is_stated() -> None:
    assert "a temperature of 1.250" in card.text(facts(parity={**PARITY, "temperature": 1.25}), "code")
    assert "temperature" not in card.text(facts(), "code")
