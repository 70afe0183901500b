"""What cleaning makes of a text, and why a row is left out."""

import unicodedata

import numpy as np
import pytest

from tithe.data import clean
from tithe.data.readers import Unreadable

CLEANING = [
    ("plain words", "plain words"),
    ("  a \t b\n\nc\r\nd ", "a b c d"),
    ("a\u00a0b\u2003c\u2028d\u3000", "a b c d"),
    ("cafe\u0301", "café"),
    ("\u1100\u1161", "가"),
    ("\ufefftext", "text"),
    ("ze\u200bro\u2060", "zero"),
    ("bell\x07 and \x00null \x7f", "bell and null"),
    ("c1\x9b", "c1"),
    ("page\x0cbreak\x0btab\x85next", "page break tab next"),
    ("e\u200b\u0301", "é"),
    ("a\ud800b", "a\ufffdb"),
    ("\ud83d\ude00", "😀"),
    ("👩\u200d🔬", "👩\u200d🔬"),
    ("\u200b\ufeff", ""),
    ("", ""),
]


@pytest.mark.parametrize(("raw", "cleaned"), CLEANING, ids=[ascii(raw) for raw, _ in CLEANING])
def test_cleaning(raw: str, cleaned: str) -> None:
    assert clean.clean_text(raw) == cleaned
    assert clean.clean_text(cleaned) == cleaned
    assert unicodedata.is_normalized("NFC", clean.clean_text(raw))


def test_cleaned_twice_is_cleaned_once() -> None:
    rng = np.random.default_rng(0)
    pieces = [
        "e",
        "\u0301",
        "\u200b",
        "\ufeff",
        " ",
        "\x00",
        "\x0c",
        "\x85",
        "\u1100",
        "\u1161",
        "\ud800",
        "\udc00",
        "я",
    ]
    for _ in range(3000):
        once = clean.clean_text("".join(rng.choice(pieces, size=6)))
        assert clean.clean_text(once) == once, ascii(once)
        once.encode()


WHY = [
    (None, "missing_text"),
    (float("nan"), "missing_text"),
    ("", "empty_text"),
    (" \n\u200b", "empty_text"),
    (5, "not_text"),
    (b"x", "not_text"),
    (Unreadable("x"), "unreadable"),
    ("x", None),
    ("nan", None),
]


@pytest.mark.parametrize(("value", "reason"), WHY, ids=[repr(value) for value, _ in WHY])
def test_the_reason_why_an_input_is_left_out(value: object, reason: str | None) -> None:
    assert clean.why_not_text(value) == reason
