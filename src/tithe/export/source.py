"""What is exported: a trained network in float32 on the CPU, and the names of its classes."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from tithe import config
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
    """

    model: nn.Module
    task: Task
    names: tuple[str, ...]

    @classmethod
    def of(cls, trained: TrainedModel) -> Source:
        """Copy a loaded checkpoint's network."""
        model = copy.deepcopy(trained.model).cpu().float().eval()
        return cls(model, trained.task, tuple(map(str, trained.labels.names)))

    @property
    def run(self) -> config.Run:
        """The config of the run."""
        return self.task.run

    def named(self, configuration: Any) -> Any:
        """Return a copy of a Hugging Face configuration with the names of the classes."""
        named = copy.deepcopy(configuration)
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
