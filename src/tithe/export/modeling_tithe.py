"""A text classifier that tithe trained: an encoder, pooling of its token states, and a head.

This file travels in the folder of an export, and needs torch and transformers, not tithe:

    AutoModelForSequenceClassification.from_pretrained(FOLDER, trust_remote_code=True)
"""

from typing import Any

import torch
from torch import nn
from transformers import (
    MODEL_FOR_TEXT_ENCODING_MAPPING,
    AutoConfig,
    AutoModel,
    AutoModelForTextEncoding,
    PreTrainedConfig,
    PreTrainedModel,
)
from transformers.modeling_outputs import SequenceClassifierOutput


class TitheConfig(PreTrainedConfig):
    """The encoder's own configuration, and how its states become logits.

    Parameters
    ----------
    encoder
        The configuration of the encoder, with its `model_type`.
    pooling
        `cls` takes the first token, `mean` the average over real tokens.
    width
        Numbers in a pooled vector.
    hidden_dim
        Width of the hidden layer of the head; None if the head is linear.
    """

    model_type = "tithe"

    def __init__(
        self,
        encoder: dict[str, Any] | None = None,
        pooling: str = "mean",
        width: int = 1,
        hidden_dim: int | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.encoder, self.pooling, self.width, self.hidden_dim = encoder or {}, pooling, width, hidden_dim


class TitheForSequenceClassification(PreTrainedModel):
    """Maps token ids and their mask, shape (B, T), to logits, shape (B, C)."""

    config_class = TitheConfig

    def __init__(self, config: TitheConfig) -> None:
        super().__init__(config)
        own = AutoConfig.for_model(**config.encoder)
        loader = AutoModelForTextEncoding if type(own) in MODEL_FOR_TEXT_ENCODING_MAPPING else AutoModel
        self.encoder = loader.from_config(own)
        if isinstance(getattr(self.encoder, "pooler", None), nn.Module):
            self.encoder.pooler = nn.Identity()  # its output is not used
        inner = config.hidden_dim or config.width
        hidden = [nn.Linear(config.width, inner), nn.GELU()] if config.hidden_dim else []
        self.head = nn.Sequential(*hidden, nn.Linear(inner, len(config.id2label or ())))
        self.post_init()

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        **unused: object,
    ) -> SequenceClassifierOutput:
        """Return logits, shape (B, C), and with labels the mean cross-entropy."""
        states_BTD = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        logits_BC = self.head(self._pooled(states_BTD, attention_mask))
        loss = None if labels is None else nn.functional.cross_entropy(logits_BC, labels)
        return SequenceClassifierOutput(loss=loss, logits=logits_BC)

    def _pooled(self, states_BTD: torch.Tensor, mask_BT: torch.Tensor | None) -> torch.Tensor:
        if self.config.pooling == "cls":
            return states_BTD[:, 0]
        if mask_BT is None:
            return states_BTD.mean(dim=1)
        weights_BT1 = mask_BT.unsqueeze(-1).to(states_BTD.dtype)
        return (states_BTD * weights_BT1).sum(dim=1) / weights_BT1.sum(dim=1)
