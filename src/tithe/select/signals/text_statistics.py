"""Pure functions of one text: its words and sentences, how easily it reads, how varied its words are.

What is undefined is NaN, never a silent 0: the caller decides what to do with a text without words.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from functools import lru_cache

import numpy as np

# Letters and digits; accents that stand apart from their letter (a Russian stress mark); inner apostrophes, hyphens.
_WORD = re.compile(r"[^\W_]+(?:[\u0300-\u036f]+[^\W_]*|['\u2010\u2011-][^\W_]+)*")
_LETTERS = re.compile(r"[^\W\d_]+")
# Looked for at the start of a run of marks only: else a text of nothing but dots would take quadratic time.
_SENTENCE_END = re.compile(r"(?<![.!?…])[.!?…]+[\"'»”’)\]]*(?:\s+|$)")

_LATIN = re.compile(r"[A-Za-zªºÀ-ÖØ-öø-ʯ\u1e00-\u1eff]+")
_CYRILLIC = re.compile(r"[\u0400-\u0481\u048a-\u052f]+")
_CYRILLIC_NOT_RUSSIAN = re.compile(r"[\u0400\u0402-\u040f\u0450\u0452-\u0481\u048a-\u052f]+")
_FOREIGN_SHARE = 0.02  # a Russian text may quote a foreign name; in Ukrainian or Serbian it is 5 % and more

_RUSSIAN_VOWEL = re.compile(r"[аеёиоуыэюя]")
_VOWELS = re.compile(r"[aeiouyà-æè-ïò-öøù-ýÿœ]+")
# Endings that are written with an e and spoken without: make, called, times; but not table, wanted, horses.
_SILENT = re.compile(
    r"(?:[^\W\d_aeiouyl]|[aeiouyl]l)e\b"
    r"|(?:[^\W\d_aeiouytdl]|[aeiouyl]l)ed\b"
    r"|(?:[^\W\d_aeiouysxzcghl]|(?<![cs])h|[aeiouyl]l)es\b"
)
# Points that a word of the mean sentence and a syllable of the mean word cost.
_FLESCH = {"en": (1.015, 84.6), "ru": (1.3, 60.1)}


def words(text: str) -> list[str]:
    """Return the words of a text in order, in lower case.

    A word has a letter; digits beside it, apostrophes and hyphens inside it belong to it. Numbers are not words.
    Scripts without spaces are not segmented.
    """
    return [word for word in _WORD.findall(text.lower().replace("’", "'")) if _LETTERS.search(word)]


def sentences(text: str) -> list[str]:
    """Return the sentences of a text that have a letter, without their end marks.

    A sentence ends with `.`, `!`, `?` or `…` before white space. A heuristic: an abbreviation ends one too, because
    many corpora are in lower case and capitals carry no information.
    """
    return [part for part in _SENTENCE_END.split(text) if _LETTERS.search(part)]


def language(text: str) -> str:
    """Return `ru`, `en` or `other` by the script of most letters; a text without letters is `other`.

    Latin script counts as English, whatever the language. Cyrillic script counts as Russian unless more than one
    letter in fifty is not Russian, as in Ukrainian or Serbian; Bulgarian has no such letters and counts too.
    """
    letters, latin, russian, foreign = (
        sum(map(len, kind.findall(text))) for kind in (_LETTERS, _LATIN, _CYRILLIC, _CYRILLIC_NOT_RUSSIAN)
    )
    if foreign > _FOREIGN_SHARE * russian:
        russian = 0
    counts = {"other": letters - latin - russian, "ru": russian, "en": latin}
    return max(counts, key=lambda name: counts[name])


def readability(text: str) -> float:
    """Return the Flesch Reading Ease, about 0 (hard) to 100 (easy) and unbounded on both sides.

    206.835 − a·words per sentence − b·syllables per word, with a, b = 1.015, 84.6 for English (Flesch 1948) and
    1.3, 60.1 for Russian (Oborneva 2006). NaN for other languages and for texts without words.
    """
    tokens, kind = words(text), language(text)
    if not tokens or kind not in _FLESCH:
        return math.nan
    per_word, per_syllable = _FLESCH[kind]
    sentence_length = len(tokens) / len(sentences(text))
    word_length = sum(map(_syllables, tokens)) / len(tokens)
    return 206.835 - per_word * sentence_length - per_syllable * word_length


@lru_cache(maxsize=1 << 16)
def _syllables(word: str) -> int:
    """Count syllables: vowels of a Russian word (`в` has none); of others groups of vowels but silent e, at least one.

    The English rule is a heuristic: it misses `business`, `isn't` and the like.
    """
    if _CYRILLIC.search(word):
        return len(_RUSSIAN_VOWEL.findall(word))
    return max(1, len(_VOWELS.findall(word)) - len(_SILENT.findall(word)))


def ttr(tokens: Sequence[Hashable]) -> float:
    """Return the type-token ratio: distinct words by words. NaN without words."""
    return len(set(tokens)) / len(tokens) if tokens else math.nan


def hdd(tokens: Sequence[Hashable], draws: int = 42) -> float:
    """Return HD-D: the expected type-token ratio of `draws` words drawn without replacement (McCarthy & Jarvis 2007).

    A text of fewer words is drawn whole, which gives its TTR. NaN without words.
    """
    if not tokens:
        return math.nan
    counts_V = np.fromiter(Counter(tokens).values(), dtype=np.int64)
    total, drawn = len(tokens), min(draws, len(tokens))
    step_F = np.arange(counts_V.max())
    # A word that occurs f times is not drawn with C(N − f, n) / C(N, n), the product of f ratios.
    absent_F = np.cumprod((total - drawn - step_F) / (total - step_F))
    return float(len(counts_V) - absent_F[counts_V - 1].sum()) / drawn


def mtld(tokens: Sequence[Hashable], threshold: float = 0.72) -> float:
    """Return MTLD: the mean number of words over which the TTR stays above a threshold (McCarthy & Jarvis 2010).

    The mean of a forward and a backward pass; a rest that stays above counts as its progress towards the
    threshold. A text in which no word repeats makes no progress: it gets the value of one whose
    next word would be a repetition, N (N + 1) (1 − threshold) and at least N: finite, and no text of N words has
    more. NaN without words.
    """
    total = len(tokens)
    if not total:
        return math.nan
    if len(set(tokens)) == total:
        return max(float(total), total * (total + 1) * (1 - threshold))
    return (total / _factors(tokens, threshold) + total / _factors(reversed(tokens), threshold)) / 2


def _factors(tokens: Iterable[Hashable], threshold: float) -> float:
    """Count how often the TTR falls to the threshold and is reset; the rest counts in part."""
    seen: set[Hashable] = set()
    length, factors = 0, 0.0
    for token in tokens:
        seen.add(token)
        length += 1
        if len(seen) / length <= threshold:
            seen.clear()
            length, factors = 0, factors + 1
    return factors + (1 - len(seen) / length) / (1 - threshold) if length else factors
