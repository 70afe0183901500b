"""What characters and counts say of the texts: their scripts, their lengths, and what is cut."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from tithe.arrays import Rows
from tithe.data.text import truncation
from tithe.select.signals.text_statistics import language

_LETTER = re.compile(r"[^\W\d_]")
_ACCENTED = re.compile("[À-ÖØ-öø-ʯḀ-ỿ]")
_ACCENTS = 0.02  # share of the letters from which on a text of Latin script is hardly English
_SCRIPTS = {
    "Cyrillic": re.compile("[Ѐ-ԯ]"),
    "Greek": re.compile("[Ͱ-Ͽἀ-῿]"),
    "Arabic": re.compile("[؀-ۿݐ-ݿ]"),
    "Hebrew": re.compile("[\u0590-\u05ff]"),
    "Devanagari": re.compile("[\u0900-\u097f]"),
    "Thai": re.compile("[\u0e00-\u0e7f]"),
    "Japanese": re.compile("[\u3040-\u30ff]"),
    "Korean": re.compile("[\uac00-\ud7af\u1100-\u11ff]"),
    "Chinese characters": re.compile("[\u4e00-\u9fff\u3400-\u4dbf]"),
}
_MIXED = re.compile(r"[A-Za-z][а-яёА-ЯЁ]|[а-яёА-ЯЁ][A-Za-z]")  # a Latin letter beside a Cyrillic one
_PERCENTS = (0, 5, 25, 50, 75, 95, 100)


def kind_of(text: str) -> str:
    """Return what the characters say of a text's language.

    Russian, other Cyrillic, Latin, Latin with accents, another script, or "no letters". Latin script without accents
    is English or any language written so; characters do not tell them apart.
    """
    letters = len(_LETTER.findall(text))
    if not letters:
        return "no letters"
    kind = language(text)
    if kind == "ru":
        return "Russian"
    if kind == "en":
        return "Latin with accents" if len(_ACCENTED.findall(text)) > _ACCENTS * letters else "Latin"
    counts = {name: len(script.findall(text)) for name, script in _SCRIPTS.items()}
    best = max(counts, key=lambda name: counts[name])
    return ("other Cyrillic" if best == "Cyrillic" else best) if counts[best] else "other script"


def languages(texts: Sequence[str]) -> dict[str, Any]:
    """Return how many texts are of each kind, and how many have a word of both Latin and Cyrillic letters."""
    kinds = Counter(map(kind_of, texts))
    mixed = sum(_MIXED.search(text) is not None for text in texts)
    return {"texts": len(texts), "kinds": dict(kinds.most_common()), "mixed_words": mixed}


def lengths(uncut_N: Rows, max_length: int) -> dict[str, Any]:
    """Return percentiles of the tokens, special ones included, and what `max_length` cuts; see `truncation.count`."""
    values = np.percentile(uncut_N, _PERCENTS)
    percentiles = {str(percent): int(value) for percent, value in zip(_PERCENTS, values, strict=True)}
    return {"max_length": max_length, "percentiles": percentiles, **truncation.count(uncut_N, max_length)}
