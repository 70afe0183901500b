"""The settings of the image task: detector, crops and augmentation, weights of the loss, verdicts."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from tithe.config.model import Lora
from tithe.config.values import Choices, PathStr, Positive, Section


class ImageLora(Lora):
    """Low-rank adapters in the last blocks of an encoder of images, whose own weights are frozen."""

    key: ClassVar[str] = "images.lora"

    targets: Literal["auto"] | Choices[str] = Field(
        "auto", description="names of the linear layers with an adapter, such as q_proj; auto: all of these blocks"
    )
    blocks: Positive = Field(
        8, description="last blocks of the encoder, which have adapters; the others stay as they are"
    )


class Images(Section):
    """The image task: the detector, crops and augmentation, weights of the loss."""

    mode: Literal["fast", "full", "foundation"] = Field(
        "fast",
        description="fast: perceptual and traces; full: perceptual, spectral, statistical and attention; foundation: "
        "a head on the features of a pretrained encoder",
    )
    encoder: PathStr = Field(
        "clip-vit-b16",
        description="of mode foundation: 'clip-vit-b16' (tithe fetch clip-vit-b16), a folder, or a hub name",
    )
    head: Literal["linear", "mlp"] = Field("linear", description="classifier of mode foundation, on the features")
    hidden_dim: Annotated[int, Field(gt=0, le=65536)] = Field(256, description="width of the mlp head")
    lora: ImageLora | None = Field(
        None,
        description="of mode foundation: train low-rank adapters in the last blocks of the encoder, which then runs in "
        "every epoch: for a GPU",
    )
    size: Annotated[int, Field(ge=8, le=4096)] = Field(
        256, description="side of the crops, pixels; that of the encoder's inputs in mode foundation"
    )
    crops: Positive = Field(4, description="crops of an image whose scores are averaged in evaluation")
    augment: Literal["none", "flips", "all"] = Field(
        "all",
        description="augmentation of training crops, the same for both classes; all: also compression, blur, ...",
    )
    twins: bool = Field(True, description="put a real image and its fake into one batch, with the same augmentation")
    regression_weight: float = Field(1.0, ge=0, description="weight of (score - label)²")
    classification_weight: float = Field(0.3, ge=0, description="weight of the cross-entropy of real against fake")
    ranking_weight: float = Field(0.2, ge=0, description="weight of the ranking loss over pairs of real and fake")
    margin: float = Field(0.2, gt=0, le=1, description="margin of a real image's score over that of each fake one")
    error: float = Field(
        0.05, gt=0, lt=0.5, description="share of validation images of a class that a verdict may get wrong"
    )
    far: float = Field(
        0.05, gt=0, lt=1, description="share of validation images that are too far from the training images to judge"
    )
    max_pixels: Positive = Field(64_000_000, description="larger images are left out, before they are decoded")

    @property
    def has_frozen_encoder(self) -> bool:
        """Whether there is an encoder, and no step changes what it computes."""
        return self.mode == "foundation" and self.lora is None
