"""Texts as token ids: tokenised once, counted, cut, and read in batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from tithe import storage
from tithe.arrays import Rows
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
        flat = np.concatenate(ids) if ids else np.zeros(0, dtype=np.int64)
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
        starts, stops = self.offsets[self.rows], self.offsets[self.rows + 1]
        texts = [np.asarray(self.tokens[start:stop]) for start, stop in zip(starts, stops, strict=True)]
        return TextExamples.unlabelled(texts, self.uncut.tolist(), self.pad)

    def collate(self, rows: Rows) -> Batch:
        """Return input_ids (B, T), labels (B,), and, if there is padding, attention_mask (B, T)."""
        texts = self.rows[rows]
        starts, stops = self.offsets[texts], self.offsets[texts + 1]
        longest = int((stops - starts).max())
        ids_BT = np.full((len(texts), longest), self.pad, dtype=np.int64)
        for i, (start, stop) in enumerate(zip(starts, stops, strict=True)):
            ids_BT[i, : stop - start] = self.tokens[start:stop]
        batch = {"input_ids": torch.from_numpy(ids_BT), "labels": torch.from_numpy(self.labels[rows])}
        if (stops - starts).min() < longest:
            mask_BT = np.arange(longest) < (stops - starts)[:, None]
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
    whole: list[list[int]] = tokenizer(texts, return_attention_mask=False, verbose=False)["input_ids"]
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
    """Return how many special tokens the tokenizer puts before and after a text, which has others too."""
    mask: list[int] = tokenizer(text, return_special_tokens_mask=True, verbose=False)["special_tokens_mask"]
    return Ends(mask.index(0), mask[::-1].index(0))
