"""A small ModernBERT with random weights and a tokenizer trained on given texts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from tithe import storage

if TYPE_CHECKING:  # slow to import
    from transformers import PreTrainedTokenizerFast

_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_HEAD, _POSITIONS = 32, 1024  # dimensions of an attention head, and the most tokens of a text


def modernbert(
    folder: Path, texts: Iterator[str], hidden_size: int = 128, layers: int = 4, vocabulary: int = 8000
) -> int:
    """Write an encoder that a config can use, of the same class as mmBERT; return its number of parameters.

    Its weights are random. It trains in seconds, and as a frozen encoder it is a random projection of the words: enough
    to run a complete experiment on a slow machine.

    Parameters
    ----------
    folder
        Where `config.json`, `model.safetensors` and the tokenizer are written, atomically.
    texts
        Training texts of the byte-pair tokenizer.
    hidden_size, layers
        Size of the encoder; heads have 32 dimensions, so `hidden_size` is a multiple of 32.
    vocabulary
        Most tokens of the tokenizer; few texts give fewer.
    """
    from transformers import ModernBertConfig, ModernBertModel

    with storage.atomic_folder(folder) as aside:
        tokenizer = _tokenizer(texts, vocabulary)
        tokenizer.save_pretrained(aside)
        ids = {f"{name}_token_id": getattr(tokenizer, f"{name}_token_id") for name in ("pad", "cls", "sep")}
        config = ModernBertConfig(
            vocab_size=len(tokenizer),
            hidden_size=hidden_size,
            intermediate_size=2 * hidden_size,
            num_hidden_layers=layers,
            num_attention_heads=hidden_size // _HEAD,
            max_position_embeddings=_POSITIONS,
            classifier_pooling="mean",  # the first token of a random encoder says almost nothing about the others
            bos_token_id=ids["cls_token_id"],
            eos_token_id=ids["sep_token_id"],
            **ids,
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            model = ModernBertModel(config)
        model.save_pretrained(aside)
    return sum(p.numel() for p in model.parameters())


def _tokenizer(texts: Iterator[str], vocabulary: int) -> PreTrainedTokenizerFast:
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=vocabulary, special_tokens=list(_SPECIAL), show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    ends = [(name, tokenizer.token_to_id(name)) for name in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    names = {f"{name.strip('[]').lower()}_token": name for name in _SPECIAL}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names)
