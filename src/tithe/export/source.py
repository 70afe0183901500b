"""What is exported: a trained network in float32 on the CPU, and the names of its classes."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from tithe import config
from tithe.errors import InputError
from tithe.models.foundation.detector import Foundation
from tithe.predict import TrainedModel
from tithe.tasks import Task, TextTask


@dataclass(frozen=True)
class Source:
    """A trained network to be exported.

    Attributes
    ----------
    model
        A copy in float32 on the CPU, in evaluation mode: it may be changed.
    names
        The classes, in the order of the outputs.
    temperature
        What its logits are divided by already; None if its probabilities are not calibrated.
    """

    model: nn.Module
    task: Task
    names: tuple[str, ...]
    temperature: float | None = None

    @classmethod
    def of(cls, trained: TrainedModel) -> Source:
        """Copy a loaded checkpoint's network, with its temperature in the weights.

        Raises
        ------
        InputError
            It has a temperature, and its head does not end in a linear layer; it reads texts in windows; or it is on
            a foundation encoder.
        """
        if trained.run.model.windows:
            raise InputError("an export reads one window of a text, and this model several: use predict or serve")
        if isinstance(trained.model, Foundation):
            raise InputError(
                "an export reads crops, and images.mode foundation also whole pictures: use 'tithe predict'"
            )
        model = copy.deepcopy(trained.model).cpu().float().eval()
        temperature = trained.temperature.temperature if trained.temperature else None
        if temperature is not None:
            fold(model, temperature, len(trained.labels))
        return cls(model, trained.task, tuple(map(str, trained.labels.names)), temperature)

    @property
    def run(self) -> config.Run:
        """The config of the run."""
        return self.task.run

    def named(self, configuration: Any) -> Any:
        """Return a copy of a Hugging Face configuration with the names of the classes.

        Its precision is that of the weights: an encoder published in bf16 has been trained in float32.
        """
        named = copy.deepcopy(configuration)
        named.dtype = torch.float32
        named.id2label = dict(enumerate(self.names))
        named.label2id = {name: i for i, name in enumerate(self.names)}
        named.problem_type = "single_label_classification"
        return named

    def save_tokenizer(self, folder: Path) -> None:
        """Write the tokenizer with the number of tokens that it keeps; it pads on the right, as tithe does."""
        assert isinstance(self.task, TextTask)
        tokenizer = copy.deepcopy(self.task.tokenizer)
        tokenizer.model_max_length = self.run.model.max_length
        tokenizer.padding_side = "right"
        if tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
        tokenizer.save_pretrained(folder)


def fold(model: nn.Module, temperature: float, classes: int) -> None:
    """Divide the logits of a network by a temperature, in the weights of the last layer of its head.

    The softmax of the logits is then calibrated, also for those who know of no temperature.

    Raises
    ------
    InputError
        The head does not end in a linear layer.
    """
    linear = [layer for layer in model.get_submodule("head").modules() if isinstance(layer, nn.Linear)]
    if not linear or linear[-1].out_features != classes:
        raise InputError(
            "the head does not end in a linear layer that a temperature could be in: set model.head to linear"
        )
    with torch.no_grad():
        for weight in linear[-1].parameters():
            weight.div_(temperature)
