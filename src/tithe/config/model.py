"""The settings of a text classifier's network: encoder, windows, adapters, head."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from tithe.config.values import Choices, PathStr, Positive, Ratio, Section


class Windows(Section):
    """Windows of `max_length` tokens, in which texts that are longer are read, where they would be cut otherwise."""

    stride: Positive = Field(192, description="tokens from the start of a window to that of the next")
    pool: Literal["mean", "max", "attention"] = Field(
        "mean", description="how the vectors of a text's windows become one; attention: by weights that are learned"
    )
    most: Annotated[int, Field(gt=0, le=1024)] = Field(16, description="windows of a text; what is longer is cut")


class Lora(Section):
    """Low-rank adapters beside linear layers of the encoder, whose own weights are frozen."""

    key: ClassVar[str] = "model.lora"  # for messages

    rank: Annotated[int, Field(gt=0, le=4096)] = Field(
        8, description="rank of the change of each weight: numbers per row and column of it"
    )
    alpha: Positive = Field(16, description="the change is scaled by alpha / rank")
    dropout: Ratio = Field(0.0, description="dropout before the adapters")
    targets: Literal["auto"] | Choices[str] = Field(
        "auto", description="names of the linear layers with an adapter, such as query; auto: all of the encoder"
    )


class Model(Section):
    """The encoder and the head on top of it."""

    encoder: PathStr = Field(
        "minilm",
        description="'minilm' (installed as a package), 'e5-small' (tithe fetch e5-small), a folder, or a hub name",
    )
    pooling: Literal["auto", "cls", "mean"] = Field(
        "auto",
        description="how token states become one vector; auto: as in the encoder's own configuration, else mean",
    )
    head: Literal["linear", "mlp", "native"] = Field(
        "linear",
        description="classifier on the pooled vector; native: that of the encoder's own class in transformers",
    )
    hidden_dim: Annotated[int, Field(gt=0, le=65536)] = Field(256, description="width of the mlp head")
    dropout: Ratio = Field(0.1, description="dropout before the head's layers")
    encoder_dropout: Ratio | None = Field(
        None, description="dropout inside the encoder; as in the encoder's own configuration when unset"
    )
    max_length: Positive = Field(256, description="tokens kept of each text, or of each of its windows")
    windows: Windows | None = Field(None, description="windows in which longer texts are read; they are cut when unset")
    attention: Literal["auto", "sdpa", "eager", "flash_attention_2"] = Field(
        "auto", description="attention implementation; auto lets the encoder choose"
    )
    trim_vocabulary: Literal["auto"] | bool = Field(
        "auto",
        description="keep only the words of the data in memory while the encoder is trained; auto: where that is "
        "possible and at least a fifth of the words do not occur",
    )
    freeze: Literal["none", "all"] | Positive = Field(
        "none", description="frozen part of the encoder: none, all, or the embeddings and the first N layers"
    )
    lora: Lora | None = Field(None, description="freeze the encoder, and train low-rank adapters beside its weights")

    @model_validator(mode="after")
    def _lora_freezes(self) -> Model:
        if self.lora and self.freeze != "none":
            raise ValueError(
                "model.lora freezes the encoder itself, and trains adapters beside it: do without model.freeze"
            )
        return self

    @property
    def reach(self) -> int:
        """Tokens that are read of each text."""
        return self.max_length + (self.windows.stride * (self.windows.most - 1) if self.windows else 0)
