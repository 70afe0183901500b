"""Tokenizers of real classes, made in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
ENGLISH = ["the", "film", "was", "good", "and", "bad", "1", "2", "3", ",", ".", "!"]


def words(template: str | None = "[CLS] $A [SEP]", vocabulary: list[str] = ENGLISH) -> Any:
    """A tokenizer of whole words that puts special tokens where a template says."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.WordLevel({w: i for i, w in enumerate([*SPECIAL, *vocabulary])}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    if template:
        tokenizer.post_processor = processors.TemplateProcessing(
            single=template, special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
        )
    names = {f"{name.strip('[]').lower()}_token": name for name in SPECIAL}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names)


def byte_level() -> Any:
    """A tokenizer of bytes in the class of GPT-2, whose unknown token is its end token and never occurs."""
    from tokenizers import pre_tokenizers
    from transformers import GPT2Tokenizer

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    return GPT2Tokenizer(vocab={name: i for i, name in enumerate([*alphabet, "<|endoftext|>"])}, merges=[])


def characters() -> Any:
    """CANINE's tokenizer, of characters and without an unknown token, which is not a fast one."""
    from transformers import CanineTokenizer

    return CanineTokenizer()


def bytes_with_end() -> Any:
    """ByT5's tokenizer, of bytes with an end token, which is not a fast one."""
    from transformers import ByT5Tokenizer

    return ByT5Tokenizer()


EVERY: dict[str, Callable[[], Any]] = {
    "both ends": words,
    "no ends": lambda: words(None),
    "two at the end": lambda: words("$A [SEP] [CLS]"),
    "two at the start": lambda: words("[CLS] [SEP] $A"),
    "bytes": byte_level,
    "bytes, not fast": bytes_with_end,
    "characters, not fast": characters,
}
