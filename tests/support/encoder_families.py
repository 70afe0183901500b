"""Tiny configurations of three layers, one for each kind of encoder that keeps its weights in places of its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import transformers
from torch import nn

from support import tokenizers
from tithe.models import encoders, kernels
from tithe.models.classifier import Classifier

VOCABULARY, DEPTH = 48, 3

_SIZES: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 16,
    "num_hidden_layers": DEPTH,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
}
_GPT = {"vocab_size": VOCABULARY, "n_embd": 16, "n_layer": DEPTH, "n_head": 2, "n_positions": 64, "bos_token_id": 2}
_XLM = {
    "vocab_size": VOCABULARY,
    "emb_dim": 16,
    "n_layers": DEPTH,
    "n_heads": 2,
    "max_position_embeddings": 64,
    "pad_index": 0,
}
_T5 = {"vocab_size": VOCABULARY, "d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": DEPTH, "num_heads": 2}
_GROUPED = {**_SIZES, "num_key_value_heads": 1, "head_dim": 8}
_SMALL = {**_SIZES, "embedding_size": 8}
_RELATIVE = {**_SIZES, "relative_attention": True, "pos_att_type": ["c2p", "p2c"]}

# The class of the configuration, and what differs from its defaults. A name may occur in several forms.
FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "albert": ("AlbertConfig", {**_SMALL, "num_hidden_groups": DEPTH}),
    "bert": ("BertConfig", _SIZES),
    "bert_generation": ("BertGenerationConfig", _SIZES),
    "big_bird": ("BigBirdConfig", _SIZES),
    "biogpt": ("BioGptConfig", _SIZES),
    "bloom": ("BloomConfig", {"vocab_size": VOCABULARY, "hidden_size": 16, "n_layer": DEPTH, "n_head": 2}),
    "camembert": ("CamembertConfig", _SIZES),
    "canine": ("CanineConfig", {**_SIZES, "local_transformer_stride": 4, "downsampling_rate": 2}),
    "codegen": ("CodeGenConfig", {**_GPT, "n_head": 4, "rotary_dim": 2, "n_ctx": 64}),
    "convbert": ("ConvBertConfig", {**_SMALL, "num_attention_heads": 4, "head_ratio": 2}),
    "ctrl": ("CTRLConfig", {**_GPT, "dff": 32}),
    "data2vec": ("Data2VecTextConfig", _SIZES),
    "deberta": ("DebertaConfig", _RELATIVE),
    "deberta_v2": (
        "DebertaV2Config",
        {**_RELATIVE, "position_buckets": 8, "norm_rel_ebd": "layer_norm", "share_att_key": True},
    ),
    "deberta_v2_convolution": ("DebertaV2Config", {**_RELATIVE, "conv_kernel_size": 3, "embedding_size": 8}),
    "deberta_relative": ("DebertaConfig", {**_RELATIVE, "position_biased_input": False}),
    "deberta_v2_relative": (
        "DebertaV2Config",
        {**_RELATIVE, "position_buckets": 8, "position_biased_input": False},
    ),
    "distilbert": (
        "DistilBertConfig",
        {"vocab_size": VOCABULARY, "dim": 16, "n_layers": DEPTH, "n_heads": 2, "hidden_dim": 32},
    ),
    "electra": ("ElectraConfig", _SMALL),
    "ernie": ("ErnieConfig", _SIZES),
    "esm_absolute": ("EsmConfig", {**_SIZES, "mask_token_id": 4}),
    "esm_rotary": ("EsmConfig", {**_SIZES, "mask_token_id": 4, "position_embedding_type": "rotary"}),
    "eurobert": ("EuroBertConfig", {**_SIZES, "num_key_value_heads": 1}),
    "flaubert": ("FlaubertConfig", _XLM),
    "fnet": ("FNetConfig", _SIZES),
    "funnel": (
        "FunnelConfig",
        {
            **{"vocab_size": VOCABULARY, "block_sizes": [1] * DEPTH, "d_model": 16, "n_head": 2, "d_head": 8},
            **{"d_inner": 32, "architectures": ["FunnelModel"]},
        },
    ),
    "gemma": ("GemmaConfig", _GROUPED),
    "gemma3": ("Gemma3TextConfig", _GROUPED),
    "gpt2": ("GPT2Config", _GPT),
    "gpt_neo": (
        "GPTNeoConfig",
        {**_SIZES, "num_layers": DEPTH, "num_heads": 2, "attention_types": [[["global"], DEPTH]]},
    ),
    "gpt_neox": ("GPTNeoXConfig", {**_SIZES, "hidden_dropout": 0.1}),
    "gptj": ("GPTJConfig", {**_GPT, "rotary_dim": 4}),
    "ibert": ("IBertConfig", _SIZES),
    "layoutlm": ("LayoutLMConfig", _SIZES),
    "lilt": ("LiltConfig", {**_SIZES, "hidden_size": 24, "channel_shrink_ratio": 2}),
    "llama": ("LlamaConfig", {**_SIZES, "num_key_value_heads": 1}),
    "longformer": ("LongformerConfig", {**_SIZES, "attention_window": 4}),
    "luke": ("LukeConfig", {**_SIZES, "entity_vocab_size": 8, "entity_emb_size": 8}),
    "markuplm": ("MarkupLMConfig", _SIZES),
    "megatron_bert": ("MegatronBertConfig", _SIZES),
    "mistral": ("MistralConfig", _GROUPED),
    "mobilebert": (
        "MobileBertConfig",
        {**_SMALL, "intra_bottleneck_size": 16, "true_hidden_size": 16, "num_feedforward_networks": 4},
    ),
    "modernbert": (
        "ModernBertConfig",
        {**_SIZES, "bos_token_id": 2, "cls_token_id": 2, "eos_token_id": 3, "sep_token_id": 3},
    ),
    "mpnet": ("MPNetConfig", _SIZES),
    "nomic_bert": ("NomicBertConfig", _SIZES),
    "nystromformer": ("NystromformerConfig", {**_SIZES, "segment_means_seq_len": 8, "num_landmarks": 8}),
    "openai": ("OpenAIGPTConfig", _GPT),
    "opt": ("OPTConfig", {**_SIZES, "ffn_dim": 32, "word_embed_proj_dim": 16}),
    "opt_projected": ("OPTConfig", {**_SIZES, "ffn_dim": 32, "word_embed_proj_dim": 8}),
    "qwen2": ("Qwen2Config", {**_SIZES, "num_key_value_heads": 1}),
    "qwen3": ("Qwen3Config", _GROUPED),
    "rembert": ("RemBertConfig", {**_SIZES, "input_embedding_size": 8}),
    "roberta": ("RobertaConfig", {**_SIZES, "pad_token_id": 1}),
    "roberta_prelayernorm": ("RobertaPreLayerNormConfig", {**_SIZES, "pad_token_id": 1}),
    "roc_bert": ("RoCBertConfig", {**_SIZES, "pronunciation_vocab_size": VOCABULARY, "shape_vocab_size": VOCABULARY}),
    "roformer": ("RoFormerConfig", _SMALL),
    "splinter": ("SplinterConfig", _SIZES),
    "squeezebert": (
        "SqueezeBertConfig",
        {**_SIZES, "embedding_size": 16, **{f"{part}_groups": 2 for part in ("q", "k", "v", "intermediate", "output")}},
    ),
    "t5": ("T5Config", _T5),
    "umt5": ("UMT5Config", _T5),
    "xlm": ("XLMConfig", _XLM),
    "xlm_roberta": ("XLMRobertaConfig", {**_SIZES, "pad_token_id": 1}),
    "xlm_roberta_xl": ("XLMRobertaXLConfig", {**_SIZES, "pad_token_id": 1}),
    "xlm_sinusoids": ("XLMConfig", {**_XLM, "sinusoidal_embeddings": True}),
    "xlnet": (
        "XLNetConfig",
        {"vocab_size": VOCABULARY, "d_model": 16, "n_layer": DEPTH, "n_head": 2, "d_inner": 32},
    ),
    "xmod": ("XmodConfig", {**_SIZES, "pad_token_id": 1, "default_language": "en_XX"}),
    "yoso": ("YosoConfig", _SIZES),
}
# Encoders that share one layer, keep no list of their layers, or run only on rows of one length.
REFUSED: dict[str, tuple[str, dict[str, Any]]] = {
    "albert_of_one_layer": ("AlbertConfig", _SMALL),
    "funnel_of_longer_blocks": ("FunnelConfig", {**FAMILIES["funnel"][1], "block_sizes": [1, 2]}),
    "nystromformer_of_one_length": (
        "NystromformerConfig",
        {**_SIZES, "segment_means_seq_len": 64, "num_landmarks": 8},
    ),
}


def configuration_of(name: str, **changes: Any) -> Any:
    kind, settings = {**FAMILIES, **REFUSED}[name]
    return getattr(transformers, kind)(**settings | changes)


def saved(name: str, folder: Path, vocabulary: Sequence[str] = ()) -> Path:
    """The folder of such an encoder, weights by the global generator, and a tokenizer of given or English words."""
    tokenizer = tokenizers.words(vocabulary=[*vocabulary]) if vocabulary else tokenizers.words()
    changes = {"vocab_size": len(tokenizer) + 3} if vocabulary else {}
    encoders.build(configuration_of(name, **changes), None, "auto").save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def built(name: str) -> Classifier:
    """A classifier with random weights by the global generator, not frozen."""
    configuration = configuration_of(name)
    width = getattr(configuration, "word_embed_proj_dim", configuration.hidden_size)
    model = Classifier(encoders.build(configuration, None, "auto"), "mean", nn.Linear(width, 2))
    kernels.use_fast_kernels(model, attention=True)
    return model
