"""Encoders of images: the states of each family, with its own preprocessing, and what is no such encoder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModel, BertConfig, BertModel

from support import vision
from tithe.errors import InputError
from tithe.models.foundation import encoder
from tithe.models.foundation.encoder import Encoder

LITTLE = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8}


def opened(source: Path) -> Encoder:
    parts = encoder.open_parts(source, "mine")
    return encoder.build(parts[0], str(source), parts[1], "mine").eval()


def noise() -> tuple[np.ndarray[Any, np.dtype[np.uint8]], torch.Tensor]:
    """Three images, and what a network sees of them."""
    images = np.random.default_rng(0).integers(0, 256, (3, 3, vision.SIDE, vision.SIDE), dtype=np.uint8)
    mean, deviation = (np.array(values).reshape(3, 1, 1) for values in (vision.MEAN, vision.DEVIATION))
    return images, torch.from_numpy(((images / 255 - mean) / deviation).astype(np.float32))


@pytest.mark.parametrize("family", ["clip", "clip_vision", "siglip", "dinov2"])
def test_the_states_are_those_that_the_network_pools_of_normalised_pixels(family: str, tmp_path: Path) -> None:
    source = vision.folder(tmp_path, family)
    images, pixels = noise()
    model = AutoModel.from_pretrained(source).eval()
    with torch.inference_mode():
        expected = getattr(model, "vision_model", model)(pixel_values=pixels).pooler_output
        found, _ = opened(source)(torch.from_numpy(images))
        of_floats, _ = opened(source)(torch.from_numpy(images) / 255)
    assert found.shape == (3, 16) and torch.allclose(found, expected, atol=1e-5)
    assert torch.allclose(of_floats, expected, atol=1e-5)
    assert encoder.widths(opened(source), encoder.open_parts(source, "mine")[1], "mine") == (16, 16)


@pytest.mark.parametrize(("family", "places"), [("clip_vision", 0), ("dinov2", 0), ("siglip", slice(None))])
def test_the_inner_state_is_that_of_the_first_block_of_two(family: str, places: int | slice, tmp_path: Path) -> None:
    """Of the class token, which SigLIP lacks: there it is the mean of all places."""
    source, caught = vision.folder(tmp_path, family), []
    images, pixels = noise()
    model = AutoModel.from_pretrained(source).eval()
    network = getattr(model, "vision_model", model)
    first = next(module for name, module in network.named_modules() if name.endswith(("layers.0", "layer.0")))
    first.register_forward_hook(lambda _, inputs, out: caught.append(out[0] if isinstance(out, tuple) else out))
    with torch.inference_mode():
        network(pixel_values=pixels)
        _, found = opened(source)(torch.from_numpy(images))
    expected = caught[0][:, places]
    assert torch.allclose(found, expected if expected.ndim == 2 else expected.mean(1), atol=1e-5)


def test_a_network_of_convolutions_shows_the_mean_of_its_maps(tmp_path: Path) -> None:
    source = vision.folder(tmp_path, "convnext")
    images, pixels = noise()
    with torch.inference_mode():
        _, found = opened(source)(torch.from_numpy(images))
        maps = AutoModel.from_pretrained(source).eval()(pixel_values=pixels, output_hidden_states=True).hidden_states
    assert found.shape == (3, 12) and torch.allclose(found, maps[2].mean((2, 3)), atol=1e-5)


def test_another_normalisation_is_another_encoder(tmp_path: Path) -> None:
    first = opened(vision.folder(tmp_path)).state_dict()
    saved = json.loads((tmp_path / encoder.PREPROCESSOR).read_text())
    (tmp_path / encoder.PREPROCESSOR).write_text(json.dumps({**saved, "image_std": [1, 1, 1]}))
    second = opened(tmp_path).state_dict()
    assert {name for name in first if not torch.equal(first[name], second[name])} == {"deviation"}


def test_a_network_that_masks_patches_at_random_is_refused(tmp_path: Path, seeded: None) -> None:
    source = vision.folder(tmp_path, "vit_mae")
    with pytest.raises(InputError, match=r"^images\.encoder 'mine' answers differently each time: choose an encoder"):
        encoder.widths(opened(source), encoder.open_parts(source, "mine")[1], "mine")


def test_weights_that_are_missing_are_named(tmp_path: Path, seeded: None) -> None:
    network = vision.FAMILIES["clip_vision"]()
    state = {name: value for name, value in network.state_dict().items() if "post_layernorm" not in name}
    vision.folder(tmp_path)
    network.save_pretrained(tmp_path, state_dict=state)
    with pytest.raises(InputError, match=r"'mine' lacks the weights \S*post_layernorm.bias and 1 more: pass all of it"):
        opened(tmp_path)


def test_an_encoder_of_texts_has_no_preprocessing_of_images(tmp_path: Path, seeded: None) -> None:
    BertModel(BertConfig(vocab_size=9, hidden_size=8, num_hidden_layers=1, num_attention_heads=1)).save_pretrained(
        tmp_path
    )
    with pytest.raises(
        InputError, match=r"^images\.encoder 'mine' has no preprocessor_config\.json: choose an encoder"
    ):
        opened(tmp_path)


def test_with_one_it_still_takes_no_images(tmp_path: Path, seeded: None) -> None:
    source = vision.folder(tmp_path)
    BertModel(BertConfig(vocab_size=9, **LITTLE)).save_pretrained(source)
    with pytest.raises(InputError, match=r"^images\.encoder 'mine' can't be run on images: "):
        encoder.widths(opened(source), encoder.open_parts(source, "mine")[1], "mine")


@pytest.mark.parametrize(
    ("saved", "said"),
    [
        ({}, "has no size and normalisation"),
        ({"size": 32, "image_mean": [0.5] * 3}, "has no size and normalisation"),
        ({"size": 32, "image_mean": [0.5], "image_std": [1.0]}, "is not one for colour images"),
        ({"size": 4096, "image_mean": [0.5] * 3, "image_std": [1.0] * 3}, "is not one for colour images"),
    ],
)
def test_a_preprocessing_of_another_kind_is_one_line(saved: object, said: str, tmp_path: Path) -> None:
    source = vision.folder(tmp_path)
    (source / encoder.PREPROCESSOR).write_text(json.dumps(saved))
    with pytest.raises(InputError, match=rf"^images\.encoder 'mine': preprocessor_config\.json {said}: "):
        encoder.open_parts(source, "mine")
