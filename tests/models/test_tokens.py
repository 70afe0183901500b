"""Texts are tokenised once: the ids are those of the tokenizer's own truncation, and the whole length is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from support.tokenizers import EVERY
from tithe.models import tokens

TEXTS = [
    "",
    "good",
    "the film was good and bad",
    "[SEP] good [CLS] [SEP]",
    "[CLS] the film was [MASK] 1 2 3 . ! [SEP] [SEP]",
    "the film " * 300,
    "unheard of words , [UNK] [PAD] the film was good",
]


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("name", EVERY)
def test_texts_are_cut_as_the_tokenizer_cuts_them(name: str, side: str) -> None:
    tokenizer = EVERY[name]()
    tokenizer.truncation_side = side
    whole = [len(ids) for ids in tokenizer(TEXTS)["input_ids"]]
    for max_length in (3, 4, 5, 8, 64):
        expected = tokenizer(TEXTS, truncation=True, max_length=max_length)["input_ids"]
        found = tokens.tokenise(tokenizer, TEXTS, max_length)
        assert found.ids == expected, max_length
        assert found.uncut == whole


def test_texts_without_a_token_of_their_own_are_cut_too() -> None:
    found = tokens.tokenise(EVERY["both ends"](), ["", ""], 1)
    assert found.uncut == [2, 2] and found.ids[0] == found.ids[1]


def test_no_texts_have_no_tokens() -> None:
    assert tokens.tokenise(EVERY["both ends"](), [], 8) == ([], [])


def test_rows_alone_are_the_same_batch_and_nothing_of_the_others() -> None:
    found = tokens.tokenise(EVERY["both ends"](), TEXTS, 8)
    examples = tokens.TextExamples.unlabelled(found.ids, found.uncut, pad=0)
    rows = np.array([5, 1, 2])
    alone = examples.take(rows).alone()
    batch, expected = alone.collate(np.arange(3)), examples.collate(rows)
    assert batch.keys() == expected.keys() and all((batch[name] == expected[name]).all() for name in batch)
    assert (
        len(alone.tokens) == alone.lengths.sum() < len(examples.tokens) and (alone.uncut == examples.uncut[rows]).all()
    )


@pytest.mark.parametrize("rows", [[0], [5, 1], [6, 0, 5, 3], [2, 2]])
def test_a_batch_has_the_tokens_of_each_text_and_then_padding(rows: list[int]) -> None:
    found = tokens.tokenise(EVERY["both ends"](), TEXTS, 8)
    batch = tokens.TextExamples.unlabelled(found.ids, found.uncut, pad=9).take(np.arange(7)).collate(np.array(rows))
    longest = max(len(found.ids[row]) for row in rows)
    padded = [found.ids[row] + [9] * (longest - len(found.ids[row])) for row in rows]
    assert batch["input_ids"].tolist() == padded
    masks = [[1] * len(found.ids[row]) + [0] * (longest - len(found.ids[row])) for row in rows]
    assert ("attention_mask" in batch) == any(0 in mask for mask in masks)
    assert batch.get("attention_mask", torch.tensor(masks)).tolist() == masks
