"""A causal language model from disk: perplexities of texts, and losses of labels with and without their text."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch.nn import functional as F

from tithe import plugins, storage
from tithe.arrays import Array, Rows
from tithe.errors import InputError
from tithe.models import encoders, skeleton, vocabulary

if TYPE_CHECKING:  # slow to import
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

Tick = Callable[[int], object]

# The template of a text and its label, and the text of a prompt without one: a label of one token with no context
# would have no loss. A content-free input shows the model's own bias (Zhao et al. 2021).
_BEFORE, _AFTER, _NEUTRAL = "Text:", "\nLabel:", " N/A"
_LOGITS = 1 << 26  # of a batch at most, 256 MiB: a large vocabulary makes small batches
_NOT_SCORED = -100


@dataclass(frozen=True)
class LanguageModel:
    """A causal language model with its tokenizer.

    Attributes
    ----------
    model
        In float32 and in evaluation mode, on the device where it computes.
    max_length
        Tokens of a sequence at most, not more than the model has positions.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    max_length: int


def open_model(path: str | Path, max_length: int = 512, device: str | torch.device = "cpu") -> LanguageModel:
    """Open a causal language model from disk.

    Parameters
    ----------
    path
        Folder of a model with its tokenizer, a `.gguf` file, or a folder with just one.

    Raises
    ------
    InputError
        There is no such model, it can't be opened, or it has fewer positions than `max_length`.
    """
    from transformers import AutoModelForCausalLM

    path = Path(path)
    folder, how = _place(path)
    storage.refuse_pointers(path, *encoders.files(folder))
    tokenizer = vocabulary.open_tokenizer(folder, f"the language model {path}", **how)
    options = {"dtype": torch.float32, "output_loading_info": True, "trust_remote_code": False, **how}
    try:
        loader: Any = AutoModelForCausalLM  # its declared type does not include output_loading_info
        with torch.random.fork_rng(devices=[]):  # weights that are not in the file would be the caller's random numbers
            model, loading = loader.from_pretrained(folder, **options)
    except Exception as error:  # of a damaged file, the libraries raise nothing narrower
        raise InputError(f"the language model {path} can't be opened: {vocabulary.reason(error)}") from None
    if missing := sorted(loading["missing_keys"]):
        raise InputError(f"{path} lacks {missing[0]}, so it is no causal language model: choose one, such as GPT-2")
    skeleton.check_inputs(model, model.config, tokenizer, max_length, f"the language model {path}")
    return LanguageModel(model.to(device).eval(), tokenizer, max_length)


def check_known(model: LanguageModel, texts: Sequence[str]) -> None:
    """Check that a model's tokenizer knows the words of a pool; see `vocabulary.check_known`."""
    path = model.tokenizer.name_or_path
    seen = [texts[row] for row in vocabulary.sample(len(texts))]
    vocabulary.check_known(model.tokenizer, seen, f"the language model {path}", path)


def _place(path: Path) -> tuple[Path, dict[str, str]]:
    """Return the folder to load from, and the file in it where the model is one GGUF file."""
    if path.is_dir() and not (path / "config.json").is_file():
        files = sorted(path.glob("*.gguf"))
        if len(files) != 1:
            raise InputError(f"folder {path} has no config.json and {len(files)} .gguf files: pass a model or one file")
        path = files[0]
    if not path.is_dir() and not (path.is_file() and path.suffix == ".gguf"):
        raise InputError(f"no language model {path}: pass the folder of a causal language model, or a .gguf file")
    if path.is_dir():
        return path, {}
    plugins.require("gguf", extra="lm")
    return path.parent, {"gguf_file": path.name}


def perplexities(
    model: LanguageModel, texts: Sequence[str], batch_size: int = 16, tick: Tick = lambda texts: None
) -> Array:
    """Return exp(mean token negative log-likelihood) of each text, shape (N,).

    A text is tokenized by the model's own tokenizer and cut off after the model's `max_length`. Its first token has no
    context and is not scored; a text of one token gets the BOS token, else the EOS token, as its context. A text
    without tokens is +inf.

    Parameters
    ----------
    batch_size
        Texts of a batch at most: a matter of time and memory, not of results.
    tick
        Called with the number of texts in each batch that is done.
    """
    return np.exp(_losses(model.model, _whole(model, texts), batch_size, tick))


def label_losses(
    model: LanguageModel,
    texts: Sequence[str],
    labels: Sequence[str],
    batch_size: int = 16,
    tick: Tick = lambda texts: None,
) -> tuple[Array, Array]:
    """Return L(y | x) and L(y), both (N,): mean negative log-likelihoods of the tokens of each text's label.

    The label follows the text in a fixed template, or a neutral text in the same template: the two losses of
    Instruction-Following Difficulty (Li et al. 2023). Where template, text and label have more tokens than the model's
    `max_length`, the text is cut off.

    Parameters
    ----------
    labels
        Name of each text's class, N of them.
    batch_size, tick
        As for `perplexities`.

    Raises
    ------
    InputError
        A label has no tokens or leaves no room for a text.
    """
    names = list(dict.fromkeys(labels))
    before, after, neutral = _token_ids(model.tokenizer, [_BEFORE, _AFTER, _NEUTRAL])
    before = _start(model.tokenizer) + before
    answers = dict(zip(names, _token_ids(model.tokenizer, [f" {name}" for name in names]), strict=True))
    for name, answer in answers.items():
        _check_answer(name, answer, len(before) + len(after) + len(neutral), model.max_length)

    def sequence(body: list[int], name: str) -> _Sequence:
        room = model.max_length - len(before) - len(after) - len(answers[name])
        context = [*before, *body[:room], *after]
        return _Sequence([*context, *answers[name]], len(context))

    bodies = _token_ids(model.tokenizer, [f" {text}" for text in texts])
    with_text = [sequence(body, name) for body, name in zip(bodies, labels, strict=True)]
    conditional_N = _losses(model.model, with_text, batch_size, tick)
    prior_C = _losses(model.model, [sequence(neutral, name) for name in names], batch_size)
    prior_of = dict(zip(names, prior_C, strict=True))
    return conditional_N, np.array([prior_of[name] for name in labels])


# ---- tokens


class _Sequence(NamedTuple):
    """Token ids, and the position of the first one to score; those before it are context."""

    ids: list[int]
    first: int


def _whole(model: LanguageModel, texts: Sequence[str]) -> list[_Sequence]:
    """Return texts as the tokenizer encodes them, special tokens included."""
    if not texts:
        return []
    tokenizer = model.tokenizer
    encoded = tokenizer(
        list(texts), truncation=True, max_length=model.max_length, return_special_tokens_mask=True, verbose=False
    )
    contexts = [i for i in (tokenizer.bos_token_id, tokenizer.eos_token_id) if i is not None]
    sequences = []
    for ids, added in zip(encoded["input_ids"], encoded["special_tokens_mask"], strict=True):
        ids = [] if all(added) else ids
        sequences.append(_Sequence([*contexts[:1], *ids] if len(ids) == 1 else ids, 1))
    return sequences


def _token_ids(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> list[list[int]]:
    """Return texts without special tokens, whole."""
    if not texts:
        return []
    ids: list[list[int]] = tokenizer(list(texts), add_special_tokens=False, verbose=False)["input_ids"]
    return ids


def _start(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Return the BOS token where the tokenizer itself puts it before a text."""
    first: list[int] = tokenizer(_BEFORE)["input_ids"][:1]
    return first if first == [tokenizer.bos_token_id] else []


def _check_answer(name: str, answer: list[int], around: int, max_length: int) -> None:
    if not answer:
        raise InputError(f"label '{name}' has no tokens in this language model: give it another name")
    if (least := around + len(answer)) > max_length:
        raise InputError(f"label '{name}' leaves no room for a text in max_length {max_length}: set it above {least}")


# ---- losses


def _losses(
    model: PreTrainedModel, sequences: list[_Sequence], batch_size: int, tick: Tick = lambda texts: None
) -> Array:
    """Return the mean negative log-likelihood of each sequence's scored tokens, shape (N,); +inf where none is."""
    losses_N = np.full(len(sequences), np.inf)
    lengths = np.array([len(ids) if len(ids) > first else 0 for ids, first in sequences], dtype=np.int64)
    cost = _LOGITS // int(model.config.get_text_config().vocab_size)
    with torch.inference_mode():
        for rows in _batches(lengths, batch_size, cost):
            losses_N[rows] = _batch_losses(model, [sequences[row] for row in rows])
            tick(len(rows))
    tick(int((lengths == 0).sum()))
    return losses_N


def _batches(lengths: Rows, batch_size: int, cost: int) -> Iterator[Rows]:
    """Yield rows in batches, longest first: memory runs out at once or never. Rows of length 0 are left out."""
    order = np.argsort(-lengths, kind="stable")[: int((lengths > 0).sum())]
    while len(order):
        fits = max(1, min(batch_size, cost // int(lengths[order[0]])))
        yield order[:fits]
        order = order[fits:]


def _batch_losses(model: PreTrainedModel, sequences: list[_Sequence]) -> Array:
    """Return the mean losses of a batch, longest sequence first, shape (B,); padded on the right and masked."""
    shape = (len(sequences), len(sequences[0].ids))
    ids_BT, mask_BT = torch.zeros(shape, dtype=torch.long), torch.zeros(shape, dtype=torch.long)
    target_BT = torch.full(shape, _NOT_SCORED)
    for row, (ids, first) in enumerate(sequences):
        ids_BT[row, : len(ids)] = torch.tensor(ids)
        mask_BT[row, : len(ids)] = 1
        # A position predicts the token after it.
        target_BT[row, first - 1 : len(ids) - 1] = torch.tensor(ids[first:])
    ids_BT, mask_BT, target_BT = (tensor.to(model.device) for tensor in (ids_BT, mask_BT, target_BT))
    logits_BTV = model(input_ids=ids_BT, attention_mask=mask_BT, use_cache=False).logits.float()
    loss_BT = F.cross_entropy(
        logits_BTV.flatten(0, 1), target_BT.flatten(), ignore_index=_NOT_SCORED, reduction="none"
    ).view(shape)
    mean_B: Array = (loss_BT.double().sum(dim=1) / (target_BT != _NOT_SCORED).sum(dim=1)).cpu().numpy()
    return mean_B
