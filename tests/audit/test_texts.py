"""What characters say of texts."""

from __future__ import annotations

import numpy as np
import pytest

from tithe.audit.texts import kind_of, languages, lengths

KINDS = [
    ("A plain text.", "Latin"),
    ("Ein Fräulein trägt größere Körbe", "Latin with accents"),
    ("Обычный русский текст", "Russian"),
    ("Звичайний український текст із літерами ї", "other Cyrillic"),
    ("Ένα κείμενο", "Greek"),
    ("نص عربي", "Arabic"),
    ("これはテキストです", "Japanese"),
    ("这是文本", "Chinese characters"),
    ("한국어 텍스트", "Korean"),
    ("123 !?", "no letters"),
    ("ႠႡႢ", "other script"),
]


@pytest.mark.parametrize(("text", "kind"), KINDS)
def test_scripts(text: str, kind: str) -> None:
    assert kind_of(text) == kind


def test_counts() -> None:
    found = languages(["one", "два", "три", "сло\u0076о"])  # a Latin letter in a Russian word
    assert found == {"texts": 4, "kinds": {"Russian": 3, "Latin": 1}, "mixed_words": 1}
    found = lengths(np.array([3, 5, 12]), 10)
    assert found["percentiles"]["0"] == 3 and found["percentiles"]["50"] == 5 and found["percentiles"]["100"] == 12
    assert (found["texts_cut"], found["tokens_lost"], found["tokens"]) == (1, 2, 20)
