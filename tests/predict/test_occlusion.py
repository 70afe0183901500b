"""The words that decided, where it is known which do: a bag of words with a value for each."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest

from tithe.models.examples import Examples
from tithe.models.tokens import TextExamples
from tithe.predict.occlusion import _WORD, PASSES, Word, word_weights

VALUES = {"good": 3.0, "awful": -2.0, "not": -0.5}
IDS = {word: number for number, word in enumerate(["", *VALUES], start=1)}


@dataclass
class Bag:
    """A model of two classes: the logit of the second is the sum of the values of the words that it reads."""

    max_length: int = 1 << 20
    cuts_the_beginning: bool = False
    classified: list[int] = field(default_factory=list)

    def encode(self, texts: Sequence[str]) -> TextExamples:
        ids = [[IDS.get(word, IDS[""]) for word in re.findall(r"\w+", text)] or [0] for text in texts]
        kept = [of[-self.max_length :] if self.cuts_the_beginning else of[: self.max_length] for of in ids]
        rows, uncut = np.arange(len(texts)), np.array([len(of) for of in ids])
        return TextExamples(np.concatenate(kept), np.cumsum([0, *map(len, kept)]), rows, rows, rows, 0, uncut)

    def logits(self, examples: Examples) -> np.ndarray:
        self.classified.append(len(examples))
        values = np.array([0.0, 0.0, *VALUES.values()])
        sums = [
            values[np.asarray(examples.collate(np.array([row]))["input_ids"])].sum() for row in range(len(examples))
        ]
        return np.stack([np.zeros(len(sums)), sums], axis=1).astype(np.float32)

    def words(self, text: str, of_class: int = 1) -> list[tuple[str, float]]:
        [words] = word_weights([text], np.array([of_class]), self.encode, self.logits)
        return [(text[word.start : word.end], round(word.weight, 4)) for word in words]


def test_each_word_has_its_value() -> None:
    text = "Good? It was (not) awful, not  good!"
    text = text.replace("Good", "good")
    expected = [("good", 3), ("It", 0), ("was", 0), ("not", -0.5), ("awful", -2), ("not", -0.5), ("good", 3)]
    assert Bag().words(text) == expected
    assert Bag().words(text, of_class=0) == [(word, -value) for word, value in expected], "against the other class"


def test_the_class_is_compared_with_all_others() -> None:
    def logits(examples: Examples) -> np.ndarray:
        second = Bag().logits(examples)[:, 1]
        return np.stack([second, np.ones_like(second), np.zeros_like(second)], axis=1)

    [(word,)] = word_weights(["good"], np.array([0]), Bag().encode, logits)
    others = np.log(np.exp(1) + np.exp(0))
    assert word == Word(0, 4, pytest.approx((3 - others) - (0 - others)))
    [(word,)] = word_weights(["good"], np.array([1]), Bag().encode, logits)
    assert word.weight == pytest.approx(-np.log(np.exp(3) + 1) + np.log(np.exp(0) + 1))


def test_one_word_of_a_thousand_is_found_in_bounded_passes() -> None:
    words = ["word"] * 1000
    words[617] = "good"
    bag = Bag()
    found = bag.words(" ".join(words))
    assert [weight for _, weight in found] == [3.0 if place == 617 else 0.0 for place in range(1000)]
    assert sum(bag.classified) <= PASSES + 1


def test_words_that_are_not_left_out_alone_share_what_they_contribute() -> None:
    words = ["word"] * 640  # 64 windows of ten: six are taken apart, and one is in the four passes that are left
    for window in range(8):
        words[10 * window + 3] = "not" if window in (0, 1) else "good"
    words[3], bag = "awful", Bag()
    weights = [weight for _, weight in bag.words(" ".join(words))]
    assert weights[:10] == pytest.approx([0, 0, 0, *[-2 / 3] * 3, 0, 0, 0, 0], abs=1e-3)
    assert weights[10:20] == [-0.05] * 10 and weights[20:30] == [0, 0, 0, 3, 0, 0, 0, 0, 0, 0]
    assert sum(weights) == pytest.approx(6 * 3 - 2 - 0.5, abs=1e-3) and sum(bag.classified) == 1 + 64 + 64


def test_a_word_among_ten_thousand_is_narrowed_down() -> None:
    words = ["word"] * 10_000
    words[7000] = "good"
    weights = [weight for _, weight in Bag().words(" ".join(words))]
    assert weights[7000] == 1.0 and np.count_nonzero(weights) == 3 and sum(weights) == 3


@pytest.mark.parametrize("cuts_the_beginning", [False, True])
def test_words_that_are_cut_off_do_not_take_the_place_of_others(cuts_the_beginning: bool) -> None:
    read, unread = ["it", "was", "not", "bad"], ["good"] * 200
    words = [*unread, *read] if cuts_the_beginning else [*read, *unread]
    text = f"({' '.join(words)})"
    bag = Bag(max_length=4, cuts_the_beginning=cuts_the_beginning)
    assert bag.words(text) == [("it", 0), ("was", 0), ("not", -0.5), ("bad", 0)]


def test_many_texts_are_explained_as_each_alone() -> None:
    texts = [" ".join(["good", "not", "it"][: 1 + n % 3]) for n in range(40)] + ["", "?!", "good " * 200]
    together = word_weights(texts, np.ones(len(texts), dtype=int), Bag().encode, Bag().logits)
    alone = [word_weights([text], np.array([1]), Bag().encode, Bag().logits)[0] for text in texts]
    assert together == alone and together[-3:-1] == [(), ()]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("I don’t like 'it', state-of-the-art.", "I|don’t|like|it|state-of-the-art"),
        ("Привет, мир — «ёлка»!", "Привет|мир|ёлка"),
        ("हिन्दी भाषा।", "हिन्दी|भाषा"),
        ("我喜欢電影。すごい", "我|喜|欢|電|影|す|ご|い"),
        ("مرحبا، كيف؟", "مرحبا|كيف"),
        ("great 👍🏽 3,5 snake_case", "great|👍🏽|3|5|snake_case"),
        ("e\u0301te\u0301 -- ' -", "e\u0301te\u0301"),
        ("", ""),
    ],
)
def test_words_of_any_language(text: str, words: str) -> None:
    assert "|".join(match[0] for match in _WORD.finditer(text)) == words
