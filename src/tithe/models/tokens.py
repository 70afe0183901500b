"""Texts as token ids: tokenised once, counted, cut, and read in batches."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from tithe import storage
from tithe.arrays import Rows
from tithe.data.text.words import spans
from tithe.models.examples import Batch

if TYPE_CHECKING:  # slow to import
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class TextExamples:
    """Tokenised texts: one flat array of token ids, memory-mapped if it comes from the cache.

    Attributes
    ----------
    tokens
        Concatenated token ids of all texts.
    offsets
        Text i has tokens offsets[i] to offsets[i + 1].
    rows, labels, ids
        Positions of this view's texts, their class indices, their positions in the source file.
    pad
        Id of the padding token.
    uncut_lengths
        Tokens of every text before it was cut.
    """

    tokens: np.ndarray[Any, Any]
    offsets: Rows
    rows: Rows
    labels: Rows
    ids: Rows
    pad: int
    uncut_lengths: Rows

    @classmethod
    def unlabelled(cls, ids: Sequence[Sequence[int] | Rows], uncut: Sequence[int], pad: int) -> TextExamples:
        """Return texts by their token ids, and the number that each had before it was cut; their labels are 0."""
        offsets = np.concatenate([[0], np.cumsum([len(each) for each in ids])]).astype(np.int64)
        flat = np.fromiter(itertools.chain.from_iterable(ids), np.int64, int(offsets[-1]))
        rows, labels = np.arange(len(ids)), np.zeros(len(ids), dtype=np.int64)
        return cls(flat, offsets, rows, labels, rows, pad, np.array(uncut, dtype=np.int64))

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def lengths(self) -> Rows:
        """Tokens of each text, shape (N,)."""
        return self.offsets[self.rows + 1] - self.offsets[self.rows]

    @property
    def uncut(self) -> Rows:
        """Tokens of each text before it was cut at `max_length`, shape (N,)."""
        return self.uncut_lengths[self.rows]

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the encoder's inputs for these rows, without labels."""
        parts = (self.tokens, self.offsets, self.rows)
        return storage.digest_bytes(*(np.ascontiguousarray(part).data for part in parts))

    def take(self, rows: Rows) -> TextExamples:
        """Return a view of the given rows of this view."""
        views = self.rows[rows], self.labels[rows], self.ids[rows]
        return TextExamples(self.tokens, self.offsets, *views, self.pad, self.uncut_lengths)

    def alone(self) -> TextExamples:
        """Return the tokens of these rows and of no others; labels and ids are lost."""
        sizes_N, each_N = self.lengths, np.arange(len(self))
        flat = self.tokens[spans(self.offsets[self.rows], sizes_N)]
        offsets = np.concatenate([[0], np.cumsum(sizes_N)]).astype(np.int64)
        return TextExamples(flat, offsets, each_N, np.zeros_like(each_N), each_N, self.pad, self.uncut)

    def collate(self, rows: Rows) -> Batch:
        """Return input_ids (B, T), labels (B,), and, if there is padding, attention_mask (B, T)."""
        texts_B = self.rows[rows]
        starts_B, sizes_B = self.offsets[texts_B], self.offsets[texts_B + 1] - self.offsets[texts_B]
        longest = int(sizes_B.max())
        mask_BT = np.arange(longest) < sizes_B[:, None]
        ids_BT = np.full(mask_BT.shape, self.pad, dtype=np.int64)
        ids_BT[mask_BT] = self.tokens[(starts_B[:, None] + np.arange(longest))[mask_BT]]
        batch = {"input_ids": torch.from_numpy(ids_BT), "labels": torch.from_numpy(self.labels[rows])}
        if sizes_B.min() < longest:
            batch["attention_mask"] = torch.from_numpy(mask_BT.astype(np.int64))
        return batch


class Tokenised(NamedTuple):
    """The token ids of texts, and the number that each had before it was cut."""

    ids: list[list[int]]
    uncut: list[int]


class Ends(NamedTuple):
    """The number of tokens that a tokenizer puts before and after every text; every window has them too."""

    before: int
    after: int


def tokenise(tokenizer: PreTrainedTokenizerBase, texts: list[str], max_length: int) -> Tokenised:
    """Tokenise texts once, count their tokens, and cut them.

    The ids are those of `truncation=True`: the special tokens stay, on the side that the tokenizer does not cut.
    """
    if not texts:
        return Tokenised([], [])
    only_ids = {"return_attention_mask": False, "return_token_type_ids": False, "verbose": False}
    whole: list[list[int]] = tokenizer(texts, **only_ids)["input_ids"]
    uncut = [len(ids) for ids in whole]
    longest = max(range(len(texts)), key=uncut.__getitem__)
    if uncut[longest] <= max_length:
        return Tokenised(whole, uncut)
    before, after = special_ends(tokenizer, texts[longest])
    room, from_end = max(0, max_length - before - after), tokenizer.truncation_side == "left"

    def cut(ids: list[int]) -> list[int]:
        if len(ids) <= max_length:
            return ids
        end = len(ids) - after
        first = end - room if from_end else before
        return [*ids[:before], *ids[first : first + room], *ids[end:]]

    return Tokenised([cut(ids) for ids in whole], uncut)


def special_ends(tokenizer: PreTrainedTokenizerBase, text: str) -> Ends:
    """Return how many special tokens the tokenizer puts before and after a text; of an empty one all are before it."""
    mask: list[int] = tokenizer(text, return_special_tokens_mask=True, verbose=False)["special_tokens_mask"]
    return Ends(mask.index(0), mask[::-1].index(0)) if 0 in mask else Ends(len(mask), 0)
