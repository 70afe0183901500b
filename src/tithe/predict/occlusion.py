"""What each word of a text contributes to its class: the text is classified again without it.

Occlusion needs outputs alone, so it works for any head on any encoder (Zeiler and Fergus 2014; Li, Monroe and Jurafsky
2016 for words). A contribution is a difference of log-odds: how much the odds of the class fall without the word.
Contributions do not add up: of two words that say the same, neither is missed. Words are deleted, which any tokenizer
allows; masks find no better ones (benchmarks/results/explain.md).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from tithe.arrays import Array, Rows
from tithe.models.examples import Examples, Truncated

PASSES = 128  # most copies of a text that are classified
_AT_ONCE = 16  # texts whose copies share batches

# Punctuation of any script. What is between it and white space is a word: letters with their marks, numbers, emoji.
_BREAK = (
    r"\s!-&(-,./:-@\[-^`{-~\xa1-\xa9\xab-\xb1\xb4\xb6-\xb8\xbb\xbf\u055a-\u055f\u060c\u061b\u061f\u0964\u0965"
    r"\u2010-\u2018\u201a-\u205e\u3000-\u3004\u3008-\u3020\u3030\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65"
)
# Scripts that put no space between words: Chinese and Japanese are taken character by character.
_ALONE = r"\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"
_INSIDE = r"'’\-"  # of a word, but not at its ends
_WORD = re.compile(f"[{_ALONE}]|[^{_BREAK}{_ALONE}{_INSIDE}]+(?:[{_INSIDE}][^{_BREAK}{_ALONE}{_INSIDE}]+)*")

Encode = Callable[[Sequence[str]], Examples]
Logits = Callable[[Examples], Array]


class Word(NamedTuple):
    """A word in a text, from character `start` to before `end`.

    Attributes
    ----------
    weight
        How much the log-odds of the predicted class fall without the word: above 0 it speaks for the class, below 0
        against it.
    """

    start: int
    end: int
    weight: float


def word_weights(texts: Sequence[str], classes_N: Rows, encode: Encode, logits: Logits) -> list[tuple[Word, ...]]:
    """Return the words of each text that the model reads, in their order, with what they contribute to a class.

    Of a text with more than 128 words, 64 windows of neighbouring words are left out first, then the single words of
    the windows that matter most, up to 64. Words that are left out together have equal shares of what they contribute.

    Parameters
    ----------
    classes_N
        Index of the class of each text, shape (N,), such as the predicted one.
    encode
        Makes texts the model's examples.
    logits
        Maps them to outputs, shape (N, C).
    """
    weights: list[tuple[Word, ...]] = []
    for first in range(0, len(texts), _AT_ONCE):
        chunk = _read(texts[first : first + _AT_ONCE], encode)
        weights += _of_chunk(chunk, classes_N[first : first + _AT_ONCE], lambda copies: logits(encode(copies)))
    return weights


class _Read(NamedTuple):
    """The part of a text that the model reads, and its words: where each starts and ends in the text, shape (W, 2)."""

    text: str
    start: int
    end: int
    spans_W2: Rows

    def without(self, words: range) -> str:
        """Return the part without neighbouring words and what is between them."""
        first, last = self.spans_W2[words[0], 0], self.spans_W2[words[-1], 1]
        return self.text[self.start : first] + self.text[last : self.end]


def _read(texts: Sequence[str], encode: Encode) -> list[_Read]:
    examples = encode(texts)
    cut_N = np.zeros(len(texts), dtype=bool)
    if isinstance(examples, Truncated) and examples.lengths is not None:
        cut_N = examples.uncut > examples.lengths
    parts = []
    for text, is_cut in zip(texts, cut_N, strict=True):
        spans_W2 = np.array([match.span() for match in _WORD.finditer(text)], dtype=np.int64).reshape(-1, 2)
        whole = _Read(text, 0, len(text), spans_W2)
        parts.append(_shortened(whole, encode) if is_cut else whole)
    return parts


def _shortened(whole: _Read, encode: Encode) -> _Read:
    """Return the shortest part, cut between words, that the model can't tell from a text that is too long for it.

    Words beyond it would take the place of those that are left out.
    """
    text, spans_W2 = whole.text, whole.spans_W2
    words, starts, ends = len(spans_W2), [*spans_W2[:, 0], len(text)], [0, *spans_W2[:, 1]]

    def ids(part: str) -> Array:
        return np.asarray(encode([part]).collate(np.arange(1))["input_ids"])

    expected = ids(text)
    last = _least(words, lambda count: np.array_equal(ids(text[: ends[count]]), expected))
    if last < words:
        return _Read(text, 0, ends[last], spans_W2[:last])
    first = words - _least(words, lambda count: np.array_equal(ids(text[starts[words - count] :]), expected))
    # Of a tokenizer that cuts off the beginning.
    return _Read(text, starts[first] if first else 0, len(text), spans_W2[first:])


def _least(count: int, is_enough: Callable[[int], bool]) -> int:
    """Return the smallest number up to `count` that is enough, if `count` and all above the smallest are."""
    low, high = 0, count
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if is_enough(middle) else (middle + 1, high)
    return low


def _of_chunk(
    chunk: Sequence[_Read], classes_N: Rows, logits: Callable[[Sequence[str]], Array]
) -> list[tuple[Word, ...]]:
    """Return the words of a few texts; their copies are classified together."""
    windows = [_windows(len(read.spans_W2)) for read in chunk]
    weights = [np.zeros(len(read.spans_W2)) for read in chunk]
    originals = [read.text[read.start : read.end] for read in chunk]
    margin_N = _margins(logits(originals), classes_N)

    def fill(parts: Sequence[Sequence[range]]) -> None:
        """Classify each text without each of its parts, and share the difference among the words of the part."""
        copies = [(number, words) for number, of_text in enumerate(parts) for words in of_text]
        if not copies:
            return
        rows = np.array([number for number, _ in copies])
        margins = _margins(logits([chunk[number].without(words) for number, words in copies]), classes_N[rows])
        for (number, words), drop in zip(copies, margin_N[rows] - margins, strict=True):
            weights[number][words.start : words.stop] = drop / len(words)

    fill(windows)
    fill([_refined(*pair) for pair in zip(windows, weights, strict=True)])
    return [
        tuple(Word(int(start), int(end), float(weight)) for (start, end), weight in zip(read.spans_W2, of, strict=True))
        for read, of in zip(chunk, weights, strict=True)
    ]


def _windows(words: int) -> list[range]:
    """Return neighbouring words to leave out together: each alone if there are few."""
    return _cut(range(words), 1 if words <= PASSES else -(-words // (PASSES // 2)))


def _refined(windows: Sequence[range], weights_W: Array) -> list[range]:
    """Return parts of the windows that matter most, as many as there are passes left: single words, if these do."""
    parts: list[range] = []
    for window in sorted(windows, key=lambda window: -abs(weights_W[window.start] * len(window))):
        left = PASSES // 2 - len(parts)
        if len(window) == 1 or not left:
            break
        parts += _cut(window, -(-len(window) // left))
    return parts


def _cut(words: range, size: int) -> list[range]:
    return [words[start : start + size] for start in range(0, len(words), size)]


def _margins(logits_NC: Array, classes_N: Rows) -> Array:
    """Return the log-odds of the given classes: their logit less the log of the summed exponentials of all others."""
    others_NC, rows = logits_NC.astype(np.float64), np.arange(len(logits_NC))
    own_N = others_NC[rows, classes_N]
    others_NC[rows, classes_N] = -np.inf
    return np.asarray(own_N - np.logaddexp.reduce(others_NC, axis=1))
