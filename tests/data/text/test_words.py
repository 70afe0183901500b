"""Words as numbers: those of a loop over the texts, however they are cut into arrays."""

import re
import sys
import tempfile
from collections.abc import Iterator
from typing import IO

import numpy as np
import pyarrow as pa
import pytest

from tithe.data.text import numbers, words
from tithe.data.text.bands import Bands

TEXTS = [
    "The lamp, by the river!",
    "lamp",
    "a b",
    "!!!",
    "x_1 3.14 don't",
    "antidisestablishmentarianism antidisestablishmentarianisms antidisestablishmentarianism",
    "the-lamp  by … the river",
    "Река КАМЕНЬ река камень переосвидетельствование",
    "ΣΟΦΟΣ σοφος",
    "İstanbul straße",
    "🙂",
    "Ⓐ Ⓑ",
    "東京 日本語 𝒳𝒴",
    "٣٤ cafe\u0301",
    "ab",
    "扡",  # in 16 bits it has the bytes of "ab"
    "12345678 123456789 12345678",
    "...",
    "c река",  # in 16 bits and in 32 bits
    "a c 🙂",
]


def by_definition(texts: list[str]) -> tuple[list[int], list[int]]:
    number_of: dict[str, int] = {}
    found, counts = [], []
    for text in texts:
        own = re.findall(r"\w+", text.lower()) or [text]
        own += [""] * (3 - len(own))
        counts.append(len(own))
        found += [number_of.setdefault(word, len(number_of) + 1) for word in own]
    return found, counts


def numbered(texts: list[str], at_once: int) -> tuple[list[int], list[int]]:
    known, found, counts = numbers.Numbers(), [], []
    for start in range(0, len(texts), at_once):
        unit_U, begin_W, count_N = words._words(pa.array(texts[start : start + at_once], pa.large_string()))
        found += known.of(unit_U, begin_W).tolist()
        counts += count_N.tolist()
    return found, counts


@pytest.mark.parametrize("at_once", [1, 2, 7, 1000])
def test_words_are_numbered_in_the_order_of_first_appearance(at_once: int) -> None:
    texts = [*TEXTS, *reversed(TEXTS), *(text for text in TEXTS if text.isascii())]
    assert numbered(texts, at_once) == by_definition(texts)


def test_a_full_table_changes_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    texts = [" ".join(f"w{n}" for n in rng.integers(0, 5000, 20)) for _ in range(500)]
    monkeypatch.setattr(numbers, "_SLOTS", 4)
    monkeypatch.setattr(numbers, "_SHIFT", np.uint64(62))
    assert numbered(texts, 100) == by_definition(texts)


def test_letters_are_those_of_the_regular_expression() -> None:
    table = words._letters()
    assert [bool(re.match(r"\w", chr(code))) for code in range(words._LETTERS)] == table[:-1].tolist()
    assert not any(re.match(r"\w", chr(code)) for code in range(words._LETTERS, sys.maxunicode + 1))


@pytest.fixture
def files() -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    with tempfile.TemporaryFile() as one, tempfile.TemporaryFile() as other:
        yield one, other


def test_trigrams_read_again_are_those_given_first(files: tuple[IO[bytes], IO[bytes]]) -> None:
    all_words = words.Words(files[0])
    first = [all_words.add(pa.array(TEXTS[start : start + 5], pa.large_string())) for start in range(0, len(TEXTS), 5)]
    read = all_words.read()
    again = read.trigrams(np.arange(len(TEXTS)))
    assert np.array_equal(np.concatenate([part.hash_T for part in first]), again.hash_T)
    one = read.trigrams(np.array([7]))
    assert np.array_equal(one.hash_T, again.hash_T[again.start_N[7] : again.start_N[8]])
    assert read.counts(np.array([0, 1, 3])).tolist() == [3, 1, 1]


def bands_by_definition(texts: words.Trigrams) -> np.ndarray:
    """Return all twenty bands of every text, as if no row were left out."""
    rng = np.random.default_rng(0x3A5E)
    factor_H, summand_H = (rng.integers(2**64, size=80, dtype=np.uint64) | np.uint64(1) for _ in range(2))
    least = [np.minimum.reduceat(texts.hash_T * a + b, texts.start_N) for a, b in zip(factor_H, summand_H, strict=True)]
    value_BN = np.stack(least[::4])
    for k in range(1, 4):
        value_BN = numbers.mix(value_BN) + np.stack(least[k::4])
    return value_BN


def test_bands_are_those_of_all_hashes_for_rows_that_share_one(files: tuple[IO[bytes], IO[bytes]]) -> None:
    rng = np.random.default_rng(1)
    texts = []
    for _ in range(150):
        own = [f"w{n}" for n in rng.integers(0, 60, 30)]
        texts += [" ".join(own), " ".join([*own[:12], "x", *own[13:]])]
    all_words, bands = words.Words(files[0]), Bands(len(texts), files[1])
    for start in range(0, len(texts), 64):
        bands.add(all_words.add(pa.array(texts[start : start + 64], pa.large_string())))
    numbered = all_words.read()
    expected_BN = bands_by_definition(numbered.trigrams(np.arange(len(texts))))
    shared = 0
    for value_N, (rows, value_R) in zip(expected_BN, bands.buckets(numbered), strict=True):
        distinct, counts = np.unique(value_N, return_counts=True)
        needed = np.flatnonzero(np.isin(value_N, distinct[counts > 1]))
        assert np.isin(needed, rows).all() and np.array_equal(value_R, value_N[rows])
        shared += len(needed)
    assert shared > 500
