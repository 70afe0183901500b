"""Tokenizers that know hardly any word of the texts: libraries hand them out silently, and tithe refuses them."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tithe.arrays import Rows
from tithe.errors import InputError

if TYPE_CHECKING:  # slow to import
    from transformers import PreTrainedTokenizerBase

logger = logging.getLogger("tithe")

_SAMPLE = 256  # enough texts for a share, and tokenised in a second
_WARN, _REFUSE = 0.2, 0.8  # shares of unknown tokens
_SMALL = 1000  # a larger vocabulary has words
_TOKENIZER = "tokenizer.json"  # it replaces all other files of a tokenizer


def open_tokenizer(folder: str | Path, model: str, **how: str) -> PreTrainedTokenizerBase:
    """Open a tokenizer; one without words, as transformers makes it where files are missing, is refused.

    Parameters
    ----------
    folder
        A folder, or a name on the hub.
    model
        What an error begins with, such as `model.encoder 'bert'`.
    how
        Passed on to transformers.

    Raises
    ------
    InputError
        It can't be opened, or its vocabulary consists of special tokens.
    """
    from transformers import AutoTokenizer

    try:
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(folder, trust_remote_code=False, **how)
    except Exception as error:  # of a damaged file, the library raises nothing narrower
        missing = Path(folder).is_dir() and not how and not Path(folder, _TOKENIZER).is_file()
        where = f" ({_TOKENIZER} missing from {folder})" if missing else ""
        raise InputError(f"{model} can't be opened: its tokenizer: {reason(error)}{where}") from None
    if len(tokenizer) <= _SMALL and not any(_are_words(tokenizer.get_vocab(), tokenizer.all_special_tokens)):
        raise InputError(
            f"{model}: its tokenizer has {len(tokenizer)} special tokens and no words, so that 100 % of the tokens of "
            f"every text are unknown{_cause_and_cure(tokenizer, Path(folder, *how.values()))}"
        )
    return tokenizer


def reason(error: Exception) -> str:
    """Return what a library says of a failure, in one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if any("trust_remote_code" in line for line in lines):
        return "it needs Python code from its own folder, which tithe does not run: choose one without"
    if isinstance(error, LookupError) or not lines:
        return " ".join([type(error).__name__, *lines[:1]])
    return " ".join(lines[:2]) if lines[0].endswith(":") else lines[0]


def largest_id(tokenizer: PreTrainedTokenizerBase) -> int:
    """Return the largest token id that a tokenizer may give, added tokens and padding included."""
    added: Iterable[int] = tokenizer.added_tokens_decoder
    return max(len(tokenizer) - 1, tokenizer.pad_token_id or 0, *added)


def sample(texts: int) -> Rows:
    """Return which of a number of texts to look at, evenly spread."""
    return np.unique(np.linspace(0, texts - 1, min(texts, _SAMPLE)).astype(np.int64))


def check_known(
    tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], model: str, folder: str | Path | None
) -> None:
    """Refuse a tokenizer that knows hardly any word of these texts; warn of one that does not know many.

    Parameters
    ----------
    model
        What a message begins with.
    folder
        Where the tokenizer is from; None if the model is trained with it already, so that this is only a warning.

    Raises
    ------
    InputError
        Four fifths of the tokens are unknown.
    """
    share = unknown_share(tokenizer, texts)
    if share < _WARN:
        return
    message = f"{model}: {100 * share:.0f} % of the tokens of {len(texts)} texts are unknown to its tokenizer"
    if share >= _REFUSE and folder is not None:
        raise InputError(message + _cause_and_cure(tokenizer, folder))
    logger.warning("%s, which can't tell them apart", message)


def unknown_share(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> float:
    """Return the share of unknown tokens among those of words, from 0 to 1; 1 where texts have no tokens at all.

    Special tokens count as neither, and nor do punctuation and spaces, which tokenizers of many languages share.
    """
    if not texts:
        return 0.0
    encoded = tokenizer(list(texts), add_special_tokens=False, return_attention_mask=False, verbose=False)["input_ids"]
    ids, counts = np.unique([i for text in encoded for i in text], return_counts=True)
    if not len(ids):
        return 1.0
    is_unknown = ids == tokenizer.unk_token_id
    names = tokenizer.convert_ids_to_tokens(ids.tolist())
    is_word = np.array(_are_words(names, tokenizer.all_special_tokens))
    unknown, known = int(counts[is_unknown].sum()), int(counts[is_word & ~is_unknown].sum())
    return unknown / max(unknown + known, 1)


def _are_words(names: Iterable[str], special: Sequence[str]) -> list[bool]:
    """Return for each token whether it is part of a word or number."""
    return [any(map(str.isalnum, name)) and name not in special for name in names]


def _cause_and_cure(tokenizer: PreTrainedTokenizerBase, folder: str | Path) -> str:
    missing = _missing_files(tokenizer, Path(folder))
    if missing:
        return f" ({', '.join(missing)} missing from {folder}): copy the tokenizer's files there"
    return ": choose an encoder for the language of the texts, or repair its tokenizer"


def _missing_files(tokenizer: PreTrainedTokenizerBase, folder: Path) -> list[str]:
    """Return the tokenizer's files that a folder lacks; none where those that it has are enough."""
    if not folder.is_dir() or (folder / _TOKENIZER).is_file():
        return []
    names = {*tokenizer.vocab_files_names.values()} - {_TOKENIZER}
    missing = sorted(name for name in names if not (folder / name).is_file())
    return [_TOKENIZER, *missing] if missing or not names else []
