"""The same classifier trained by transformers.Trainer, as a peer for benchmarks."""

from __future__ import annotations

import tempfile
import time
from typing import Any

import torch
from torch import nn

from tithe import config
from tithe.tasks.text import TextExamples
from tithe.train import devices


class ForTrainer(nn.Module):
    """A classifier that takes the keyword arguments passed by transformers.Trainer."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, labels: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        """Return the mean loss and the logits."""
        logits = self.model({"input_ids": input_ids, "attention_mask": attention_mask})
        return {"loss": nn.functional.cross_entropy(logits.float(), labels), "logits": logits}


def hf_trainer(
    model: nn.Module, train: TextExamples, settings: config.Train, tokenizer: Any, seed: int, best: bool
) -> float:
    """Train a classifier in place on a CPU; return the seconds.

    `best` adds what a careful user would set: bf16 where it is native, and grouping by length.
    """
    from transformers import DataCollatorWithPadding, Trainer, TrainingArguments

    native = devices.bf16_is_native(torch.device("cpu"))
    careful: dict[str, Any] = {"bf16": native, "train_sampling_strategy": "group_by_length"} if best else {}
    bounds = zip(train.offsets[train.rows], train.offsets[train.rows + 1], strict=True)
    texts = [train.tokens[start:stop].tolist() for start, stop in bounds]
    rows = [{"input_ids": ids, "label": label} for ids, label in zip(texts, train.labels.tolist(), strict=True)]
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder,
            per_device_train_batch_size=settings.batch_size,
            gradient_accumulation_steps=settings.accumulation_steps,
            num_train_epochs=settings.epochs,
            learning_rate=settings.learning_rate,
            lr_scheduler_type=settings.schedule,
            weight_decay=settings.weight_decay,
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
            use_cpu=True,
            seed=seed,
            **careful,
        )
        peer = Trainer(
            ForTrainer(model), arguments, train_dataset=rows, data_collator=DataCollatorWithPadding(tokenizer)
        )
        begun = time.perf_counter()
        peer.train()
        return time.perf_counter() - begun
