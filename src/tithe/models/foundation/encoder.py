"""Encoders of images of the `AutoModel` family: CLIP, SigLIP, DINOv2 and others, with their own preprocessing.

The pixels are normalised here, so that nothing of torchvision is needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from tithe import storage
from tithe.errors import InputError
from tithe.models import vocabulary
from tithe.models.forensics.residuals import GRAY_LEVELS

PREPROCESSOR = "preprocessor_config.json"
_CURE = "choose an encoder of images, such as clip-vit-b16 (tithe fetch clip-vit-b16)"
_LARGEST = 1024  # pixels of a side: attention over more patches takes gigabytes
# Of the blocks, after which the inner state is taken: seven of CLIP's twelve, where what tells fakes of unseen
# generators is strongest (docs/decisions/0021).
_DEPTH = 0.6
STATES = f"pooled, and after {_DEPTH} of the blocks"  # what the features are, for their key
_CLASS_TOKENS = ("class_embedding", "cls_token")  # names of its first state, in the networks of transformers
_Levels = tuple[float, float, float]


@dataclass(frozen=True)
class Preprocessing:
    """How an encoder's inputs are made.

    Attributes
    ----------
    side
        Height and width, in pixels.
    mean, deviation
        Subtracted from each channel of values from 0 to 1, and what the difference is divided by.
    """

    side: int
    mean: _Levels
    deviation: _Levels

    def save(self, folder: Path) -> None:
        """Write it as transformers does."""
        size = {"height": self.side, "width": self.side}
        storage.write_json(folder / PREPROCESSOR, {"size": size, "image_mean": self.mean, "image_std": self.deviation})


def open_parts(source: str | Path, name: str) -> tuple[Any, Preprocessing]:
    """Return an encoder's configuration and preprocessing; `name` is shown in errors.

    Raises
    ------
    InputError
        One of them can't be opened, needs code of its own, or is not that of an encoder of images.
    """
    from transformers import AutoConfig
    from transformers.utils.hub import cached_file

    if Path(source).is_dir():
        storage.refuse_pointers(*Path(source).glob("*.json"), *Path(source).glob("*.safetensors"))
    try:
        configuration = AutoConfig.from_pretrained(source, trust_remote_code=False)
        file = cached_file(source, PREPROCESSOR, _raise_exceptions_for_missing_entries=False)
    except Exception as error:  # of wrong values, the library raises nothing narrower
        raise InputError(f"images.encoder '{name}' can't be opened: {vocabulary.reason(error)}") from None
    if file is None:
        raise InputError(f"images.encoder '{name}' has no {PREPROCESSOR}: {_CURE}")
    return configuration, _preprocessing(storage.read_json(Path(file)), name)


def _preprocessing(saved: Any, name: str) -> Preprocessing:
    try:
        size = saved.get("crop_size") or saved["size"]
        side = int(size if isinstance(size, int) else size.get("height") or size["shortest_edge"])
        mean, deviation = (tuple(map(float, saved[key])) for key in ("image_mean", "image_std"))
    except (AttributeError, KeyError, TypeError, ValueError):
        raise InputError(f"images.encoder '{name}': {PREPROCESSOR} has no size and normalisation: {_CURE}") from None
    if not 8 <= side <= _LARGEST or len(mean) != 3 or len(deviation) != 3 or not all(deviation):
        raise InputError(f"images.encoder '{name}': {PREPROCESSOR} is not one for colour images: {_CURE}")
    return Preprocessing(side, mean, deviation)


class Encoder(nn.Module):
    """A network of images, and the normalisation of its inputs.

    Parameters
    ----------
    network
        Takes `pixel_values`, shape (N, 3, S, S), and returns an output of transformers.
    """

    mean: torch.Tensor
    deviation: torch.Tensor

    def __init__(self, network: nn.Module, preprocessing: Preprocessing) -> None:
        super().__init__()
        self.network = network
        self._has_class_token = any(name.endswith(_CLASS_TOKENS) for name, _ in network.named_parameters())
        # Saved with the weights: another normalisation makes another encoder.
        self.register_buffer("mean", torch.tensor(preprocessing.mean).view(3, 1, 1))
        self.register_buffer("deviation", torch.tensor(preprocessing.deviation).view(3, 1, 1))

    def forward(self, images_N3SS: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the pooled and the inner states, shapes (N, D) and (N, I), of images: uint8, or floats in [0, 1].

        The former are what the network itself pools: of CLIP and DINOv2 the normalised state of the first token. The
        latter come from an inner block, whose traces of generation later ones give up for what the picture is of
        (Koutlis and Papadopoulos 2024): the class token's, else the mean of all places.

        Raises
        ------
        ValueError
            The network shows no states of its blocks.
        """
        is_whole = images_N3SS.dtype == torch.uint8
        unit_N3SS = images_N3SS.float() / GRAY_LEVELS if is_whole else images_N3SS.float()
        output = self.network(pixel_values=(unit_N3SS - self.mean) / self.deviation, output_hidden_states=True)
        pooled: torch.Tensor | None = getattr(output, "pooler_output", None)
        pooled_ND = output.last_hidden_state[:, 0] if pooled is None else pooled.flatten(1)
        return pooled_ND, self._inner(getattr(output, "hidden_states", None) or ())

    def _inner(self, states: Sequence[torch.Tensor]) -> torch.Tensor:
        """Return the inner state of each image; `states` are the input of the first block, and the output of each."""
        if len(states) < 2:
            raise ValueError("it shows no states of its blocks")
        inner = states[round(_DEPTH * (len(states) - 1))]
        if inner.ndim == 4:  # maps, as of a network of convolutions
            return inner.mean((2, 3))
        return inner[:, 0] if self._has_class_token else inner.mean(1)


def build(configuration: Any, source: str | None, preprocessing: Preprocessing, name: str) -> Encoder:
    """Return the encoder in float32, with the pretrained weights of a source, else with random ones.

    Raises
    ------
    InputError
        The weights are missing or can't be loaded, or it is not an encoder of images.
    """
    from transformers import AutoModel

    missing: list[str] = []
    try:
        if source is None:
            model = AutoModel.from_config(configuration, dtype=torch.float32, trust_remote_code=False)
        else:
            model, loading = AutoModel.from_pretrained(
                source, config=configuration, dtype=torch.float32, output_loading_info=True, trust_remote_code=False
            )
            missing = sorted(loading["missing_keys"])
    except Exception as error:  # of damaged weights or wrong values, the libraries raise nothing narrower
        raise InputError(f"images.encoder '{name}' can't be loaded: {vocabulary.reason(error)}") from None
    # CLIP and SigLIP come with an encoder of texts.
    network = getattr(model, "vision_model", model)
    own = "" if network is model else "vision_model."
    if lost := [key for key in missing if key.startswith(own)]:
        raise InputError(
            f"images.encoder '{name}' lacks the weights {lost[0]} and {len(lost) - 1} more: pass all of it"
        )
    return Encoder(network, preprocessing)


def skeleton(configuration: Any, preprocessing: Preprocessing, name: str) -> Encoder:
    """Return the encoder without weights, to look at its layers; see `build`."""
    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        return build(configuration, None, preprocessing, name)


def widths(encoder: Encoder, preprocessing: Preprocessing, name: str) -> tuple[int, int]:
    """Return the widths of an encoder's pooled and inner states, by a pass over noise.

    Raises
    ------
    InputError
        It can't be run on an image, or its answer differs from pass to pass, as where patches are masked at random.
    """
    noise = torch.Generator().manual_seed(0)
    image_1 = torch.rand((1, 3, preprocessing.side, preprocessing.side), generator=noise)
    try:
        with torch.random.fork_rng(devices=[]), torch.inference_mode():
            first, second = (encoder.eval()(image_1) for _ in range(2))
    except Exception as error:  # whatever a network raises that takes no images
        raise InputError(
            f"images.encoder '{name}' can't be run on images: {vocabulary.reason(error)}: {_CURE}"
        ) from None
    if not all(map(torch.equal, first, second)):
        raise InputError(f"images.encoder '{name}' answers differently each time: {_CURE}")
    pooled_1D, inner_1I = first
    return pooled_1D.shape[1], inner_1I.shape[1]
