"""Words, readability and lexical diversity: known answers, naive formulas on random texts, edges as data."""

import math
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest

from tithe.select.signals import text_statistics

# The 57 words of the sample text in LexicalRichness' README, each as the number of its first occurrence.
# fmt: off
SAMPLE = [
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 10, 11, 12, 13, 14, 15, 16, 13, 17, 18, 19, 20, 21, 22, 11, 23, 19, 24, 25, 26, 13,
    18, 27, 28, 29, 30, 31, 32, 33, 22, 34, 32, 35, 36, 37, 13, 29, 18, 12, 7, 38, 1, 34, 34, 32, 35,
]
# fmt: on
RUSSIAN = "Мама мыла раму. Сегодня хорошая погода, и мы пошли гулять в парк."


def draw(total: int, vocabulary: int, seed: int) -> list[int]:
    return [int(word) for word in np.random.default_rng(seed).integers(0, vocabulary, total)]


# ---- words, sentences, languages


WORDS = [
    ("", []),
    ("  \t", []),
    ("...!? —", []),
    ("🙂 🙂🙂", []),
    ("12, 3.14 and 10-20", ["and"]),
    ("One", ["one"]),
    ("Don't stop: it’s well-known", ["don't", "stop", "it's", "well-known"]),
    ("'quoted' -dash- end-", ["quoted", "dash", "end"]),
    ("snake_case covid-19 B2B 1990s", ["snake", "case", "covid-19", "b2b", "1990s"]),
    ("Ёлка, кое-где; ЩИ", ["ёлка", "кое-где", "щи"]),
    ("за\u0301мок замо\u0301к", ["за\u0301мок", "замо\u0301к"]),
    ("café naïve", ["café", "naïve"]),
    ("東京 だ", ["東京", "だ"]),
]


@pytest.mark.parametrize(("text", "expected"), WORDS)
def test_words(text: str, expected: list[str]) -> None:
    assert text_statistics.words(text) == expected


SENTENCES = [
    ("", []),
    ("?!...", []),
    ("no end", ["no end"]),
    ("One. Two! Three?", ["One", "Two", "Three"]),
    ("Well... yes?! «Да.» Так", ["Well", "yes", "«Да", "Так"]),
    ("Version 3.14 of file.txt is out. 42. 🙂.", ["Version 3.14 of file.txt is out"]),
]


@pytest.mark.parametrize(("text", "expected"), SENTENCES)
def test_sentences(text: str, expected: list[str]) -> None:
    assert text_statistics.sentences(text) == expected


LANGUAGES = [
    ("The cat", "en"),
    ("Größe und Länge", "en"),
    (RUSSIAN, "ru"),
    ("Пакет python для работы с json", "ru"),
    ("The word «щи»", "en"),
    ("Він їде до міста", "other"),
    ("Ја сам овде, љубави", "other"),
    ("東京", "other"),
    ("", "other"),
    ("12 🙂 !", "other"),
]


@pytest.mark.parametrize(("text", "expected"), LANGUAGES)
def test_language(text: str, expected: str) -> None:
    assert text_statistics.language(text) == expected


# ---- readability


def test_readability_known_answers() -> None:
    assert text_statistics.readability(RUSSIAN) == pytest.approx(83.8433, abs=5e-5)
    # Six words of one syllable; thirteen words with twenty-four: the examples of Flesch's scale that are often quoted.
    assert text_statistics.readability("The cat sat on the mat.") == pytest.approx(206.835 - 1.015 * 6 - 84.6)
    platypus = "The Australian platypus is seemingly a hybrid of a mammal and reptilian creature."
    assert text_statistics.readability(platypus) == pytest.approx(206.835 - 1.015 * 13 - 84.6 * 24 / 13)


@pytest.mark.parametrize("text", ["", "!?", "🙂", "12 34", "東京", "Він їде до міста"])
def test_readability_is_not_a_number_where_no_formula_applies(text: str) -> None:
    assert math.isnan(text_statistics.readability(text))


@pytest.mark.parametrize("text", ["Hm", "brrr", "в", "Мама. " * 5000, "word " * 10_000, "don't"])
def test_readability_is_finite_for_any_word(text: str) -> None:
    assert math.isfinite(text_statistics.readability(text))


def test_long_words_and_long_sentences_read_harder() -> None:
    easy, harder = "We go. We see. We win.", "We go we see we win."
    hardest = "Administrative responsibilities accumulate unnecessarily."
    scores = [text_statistics.readability(text) for text in (easy, harder, hardest)]
    assert scores == sorted(scores, reverse=True)


SYLLABLES = {
    1: "a the he make makes called filled miles clothes stone's we've rhythm brrr",
    2: "table tables wanted horses reaches species large-scale well-known",
    3: "elephant december погода сегодня",
    0: "в с",
}


@pytest.mark.parametrize(("count", "word"), [(n, word) for n, line in SYLLABLES.items() for word in line.split()])
def test_syllables(count: int, word: str) -> None:
    assert text_statistics._syllables(word) == count


# ---- lexical diversity


def test_the_sample_has_its_published_diversity() -> None:
    assert (len(SAMPLE), len(set(SAMPLE))) == (57, 39)
    assert text_statistics.ttr(SAMPLE) == pytest.approx(0.684211, abs=5e-7)
    assert text_statistics.hdd(SAMPLE) == pytest.approx(0.7468703324, abs=5e-11)
    assert text_statistics.mtld(SAMPLE) == pytest.approx(46.7922636103, abs=5e-11)


@pytest.mark.parametrize("seed", range(5))
def test_hdd_is_the_hypergeometric_mean(seed: int) -> None:
    tokens = draw(200, 40, seed)
    for draws in (1, 42, 199):
        chances = [1 - Fraction(math.comb(200 - n, draws), math.comb(200, draws)) for n in Counter(tokens).values()]
        assert text_statistics.hdd(tokens, draws) == pytest.approx(float(sum(chances) / draws))


@pytest.mark.parametrize("total", [1, 2, 5, 41, 42])
def test_hdd_of_a_short_text_is_its_ttr(total: int) -> None:
    tokens = draw(total, 7, seed=0)
    assert text_statistics.hdd(tokens) == text_statistics.ttr(tokens)
    assert text_statistics.hdd(draw(300, 50, 0), draws=300) == text_statistics.ttr(draw(300, 50, 0))


def naive_mtld(tokens: list[int], threshold: float) -> float:
    """Cut the text where its TTR has fallen, each time from the whole rest; TTRs are exact fractions."""
    limit, rest, factors = Fraction(str(threshold)), tokens, Fraction(0)
    while rest:
        ttrs = [Fraction(len(set(rest[:n])), n) for n in range(1, len(rest) + 1)]
        fallen = next((n for n, ttr in enumerate(ttrs, start=1) if ttr <= limit), None)
        factors += 1 if fallen else (1 - ttrs[-1]) / (1 - limit)
        rest = rest[fallen:] if fallen else []
    return float(len(tokens) / factors)


@pytest.mark.parametrize("threshold", [0.66, 0.72, 0.75])
@pytest.mark.parametrize("seed", range(5))
def test_mtld_is_the_mean_of_both_directions(seed: int, threshold: float) -> None:
    tokens = draw(60 + seed, 25, seed)
    both = naive_mtld(tokens, threshold), naive_mtld(tokens[::-1], threshold)
    assert text_statistics.mtld(tokens, threshold) == pytest.approx(sum(both) / 2)


def test_mtld_where_the_ttr_never_falls() -> None:
    assert text_statistics.mtld([1, 2, 3, 4, 1]) == pytest.approx(5 / (0.2 / 0.28))
    assert text_statistics.mtld([1]) == 1
    assert text_statistics.mtld([1, 2, 3, 4, 5]) == pytest.approx(5 * 6 * 0.28)


@pytest.mark.parametrize("total", range(1, 8))
def test_no_text_of_a_length_has_more_mtld_than_one_without_repetitions(total: int) -> None:
    texts = [[]]
    for _ in range(total):  # every text up to a renaming of its words
        texts = [[*text, word] for text in texts for word in range(len(set(text)) + 1)]
    most = text_statistics.mtld(list(range(total)))
    assert all(text_statistics.mtld(text) <= most for text in texts)
    assert math.isfinite(most)


@pytest.mark.parametrize("measure", [text_statistics.ttr, text_statistics.hdd, text_statistics.mtld])
def test_no_words_have_no_diversity_and_long_texts_have_one(measure: object) -> None:
    assert callable(measure)
    assert math.isnan(measure([]))
    assert measure(["word"]) == 1
    for tokens in (draw(10_000, 300, 0), draw(10_000, 100_000, 0), ["same"] * 10_000, list(range(10_000))):
        assert math.isfinite(measure(tokens))
    varied = [measure(draw(1000, vocabulary, seed=0)) for vocabulary in (2, 20, 200, 2000)]
    assert varied == sorted(set(varied))
